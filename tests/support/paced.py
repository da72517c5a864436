"""Guests created at a pace on a cluster with nodes, and when each got how far.

By the API server's audit log, a client's watch, libvirt's own events, and the consoles of the guests.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from orlop_cluster.lab import CONSOLES, until
from support import load
from support.audit import calls
from support.door import Door, door
from support.follower import Follower, libvirts_events
from support.lab import NAMESPACE, Cluster
from support.moments import moments
from support.prepared import Tenant
from support.scale import spread
from support.scripted import api

FLAVOR = "least"
NETWORK = "paced"
STEPS = ("created", "bound", "starting", "running", "seen", "guest")
"""The create's answer, its binding, the node's right to start, libvirt's event that the guest runs, a client's watch
that says Ready, and the guest's own word on its console."""


def basics(cluster: Cluster) -> list[dict[str, Any]]:
    """The smallest guest that boots, and a Network with room."""
    subnet = {"name": "v4", "cidr": "10.40.0.0/22", "reuseAfter": "0s"}
    return [
        cluster.object("Flavor", FLAVOR, {"vcpus": 1, "memory": "80Mi", "rootDisk": "128Mi"}, None),
        cluster.object("Network", NETWORK, {"subnets": [subnet]}),
    ]


@contextmanager
def administrator(cluster: Cluster, folder: Path) -> Iterator[Door]:
    """The cluster's door for somebody who may do all; one connection instead of a kubectl for each request."""
    name, which = "paced-administrator", f"--serviceaccount={NAMESPACE}:paced-administrator"
    cluster.kubectl("create", "serviceaccount", name, "--namespace", NAMESPACE)
    try:
        cluster.kubectl("create", "clusterrolebinding", name, "--clusterrole=cluster-admin", which)
        token = cluster.kubectl("create", "token", name, "--namespace", NAMESPACE, "--duration=6h").strip()
        yield door(cluster, folder, token)
    finally:
        cluster.kubectl("delete", "clusterrolebinding", name, "--ignore-not-found")
        cluster.kubectl("delete", "serviceaccount", name, "--namespace", NAMESPACE)


async def create(cluster: Cluster, at: Door, count: int, seconds: float) -> dict[str, dict[str, float]]:
    """So many, a tenth of a second apart: the seconds after which each got so far; all run afterwards."""
    with ExitStack() as stack:
        events = [stack.enter_context(libvirts_events(cluster, node)) for node in cluster.workers]
        async with api(at) as user, load.watched(user) as seen:
            it = Tenant(user, NAMESPACE)
            names = [f"paced-{count}-{n}" for n in range(count)]
            bodies = [(it, cluster.instance(name, network=NETWORK, flavorName=FLAVOR)) for name in names]
            await load.paced(bodies, seen)
            await seen.until(seen.ready, count, seconds)
        said: dict[str, float] = {}
        ran: dict[str, float] = {}
        for node, each in zip(cluster.workers, events, strict=True):
            its = [seen.uids[key] for key, where in seen.nodes.items() if where == node]
            said |= _consoles(cluster, node, its, seconds)
            ran |= _running(each, len(its), seconds)
    log = calls(cluster.dev("logs", "audit"))
    began = {
        call.name: call.received
        for call in log
        if call.what == "create instances" and f"{call.namespace}/{call.name}" in seen.sent
    }
    found = moments(log, seen)
    for key, uid in seen.uids.items():
        since = began[key.partition("/")[2]]
        found[key]["running"] = ran[uid] - since
        if uid in said:
            found[key]["guest"] = said[uid] - since
    return found


def _consoles(cluster: Cluster, node: str, uids: list[str], seconds: float) -> dict[str, float]:
    """When each console was written last, where the last word is that the guest is ready.

    It is the last that this guest has to say. A kernel that waited for a processor too long may complain after it: then
    nobody knows when the guest said it, and it is left out, as is one that has said nothing after so many seconds.
    """
    look = f"""cd {CONSOLES}; end=$((SECONDS + {seconds:.0f}))
for uid in {" ".join(uids)}; do
    until grep -qs ORLOP-READY $uid.log || ((SECONDS > end)); do sleep 0.5; done
    at=$(stat -c %.6Y $uid.log)
    tail -n 1 $uid.log | grep -q ORLOP-READY && echo $uid $at
done
true"""
    told = cluster.on_node(node, "bash", "-c", look, timeout=seconds + 60)
    return {uid: float(at) for uid, at in (line.split() for line in told.splitlines())}


def _running(events: Follower, count: int, seconds: float) -> dict[str, float]:
    """When libvirt said of each that it runs."""
    line = re.compile(r"^(\S+) .*'orlop-([0-9a-f-]{36})'.*Resumed")

    def look() -> dict[str, float]:
        found = [match for each in list(events.lines) if (match := line.match(each))]
        return {match[2]: float(match[1]) for match in reversed(found)}

    return until(look, lambda found: len(found) >= count, seconds)


def phases(found: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """p50, p95 and p99 of each step, and of how many Instances it is known."""
    values = {step: [its[step] for its in found.values() if step in its] for step in STEPS}
    return {step: {"of": len(took), **spread(took)} for step, took in values.items() if took}
