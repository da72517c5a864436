"""An operator beside many Instances that nobody touches: what its start, its rest and one more create cost.

ORLOP_SCALE_IDLE says how many in the largest size, which is ten times the smallest: 10,000 unless told. What is there
is put into etcd as copies of what came to be in the usual way, the nodes too, and the nodes' Leases are renewed there:
the operator sees of them what it would see, and the API server is spared the writes of agents that are not there.
"""

import asyncio
import os
import re
import socket
import time
import urllib.request
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orlop_cluster.lab import ROOT
from support import load, plot, scale, stored, wishes
from support.audit import orlops_writes
from support.fleet import Fleet, ended, fleet, operator, usage
from support.scripted import ASSIGNMENTS, LEASES, ORLOP, Api, api

pytestmark = [pytest.mark.component, pytest.mark.timeout(10800)]

MOST = int(os.environ.get("ORLOP_SCALE_IDLE", "10000"))
WHOLE = 20_000
"""Instances up to which the copies have managed fields: more would not fit into the API server of a small machine."""
PER_NODE = 20
PER_NETWORK = 5000
REST = 60.0
RENEWED = 10.0
"""Seconds between renewals of a Lease, as an agent has it."""
AT_ONCE = 100
FIRST = "paper-00000"
CAPACITY = {"vcpus": 64, "memoryBytes": 256 << 30, "diskBytes": 4 << 40}
NETWORKS = [{"name": "eth0", "networkRef": {"name": "net-0"}}]


SIZES = (MOST // 10, MOST)
DRAWN = ("memory_mib", "start_seconds", "start_cpu_seconds", "bound_seconds")


@pytest.mark.parametrize("count", SIZES)
async def test_idle(tmp_path: Path, show_table: Any, count: int) -> None:
    found = await beside(tmp_path, count)
    scale.record(f"idle_{count}", found)
    show_table(f"{count} idle Instances", ("what", "value"), sorted(found.items()))
    both = [its for name, its in scale.recorded().items() if name in {f"idle_{size}" for size in SIZES}]
    lines = {
        what: [(its["instances"], its[what]) for its in sorted(both, key=lambda its: int(its["instances"]))]
        for what in DRAWN
    }
    title = "An operator beside Instances that nobody touches"
    (ROOT / ".orlop/idle.svg").write_text(plot.curves(title, "Instances", "MiB and seconds", lines))


async def beside(tmp_path: Path, count: int, rest: float = REST) -> dict[str, Any]:
    """What an operator takes beside so many."""
    names = [f"paper-{n:05}" for n in range(count // PER_NODE)]
    with fleet(tmp_path, 1, "--vcpus=64") as made:
        async with api(made.server) as user:
            its = await load.tenants(user, max(1, count // PER_NETWORK), 1, "idle")
            ones = [await it.boot("vm", networks=NETWORKS) for it in its]
            uids, born = await paper(user)
            with ended(made.operators["one"]):
                pass
            etcd, begun = stored.Etcd(made), time.monotonic()
            await asyncio.to_thread(etcd.put, stored.twins(etcd, FIRST, uids, names[1:]))
            for one in ones:
                put = stored.copies(etcd, one, count // len(ones), names, whole=count <= WHOLE)
                assert await asyncio.to_thread(etcd.put, put) == 4 * (count // len(ones))
            beating = asyncio.create_task(beat(etcd, born))
            try:
                found = await measured(made, user, count, rest)
            finally:
                beating.cancel()
                with suppress(asyncio.CancelledError):
                    await beating
    found["put_seconds"] = round(time.monotonic() - begun)
    return {"nodes": len(names) + 1, **found}


async def paper(user: Api) -> tuple[list[str], datetime]:
    """A Hypervisor without an agent, which is Ready: uids of its objects, and when its Lease was renewed."""
    born = datetime.now(UTC).replace(microsecond=0)
    labels = {"orlop.dev/hypervisor": "true"}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": FIRST, "labels": labels}}
    uids = [(await user.call("POST", "/api/v1/nodes", node))["metadata"]["uid"]]
    await user.call("PATCH", f"/api/v1/nodes/{FIRST}", {"spec": {"taints": None}})
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": FIRST}}
    renewal = born.strftime("%Y-%m-%dT%H:%M:%S.000000Z")
    spec = {"holderIdentity": FIRST, "leaseDurationSeconds": 40, "renewTime": renewal}
    uids.append((await user.call("POST", LEASES, {**lease, "spec": spec}))["metadata"]["uid"])
    # The copies are in this node's pool, have run since its boot, and their Ports say where it is.
    real = (await user.call("GET", f"{ORLOP}/hypervisors/sim-0001"))["status"]
    there = await user.until(f"{ORLOP}/hypervisors", FIRST, lambda thing: thing is not None, 120)
    assert there is not None
    uids.append(there["metadata"]["uid"])
    status = {
        "bootID": real["bootID"],
        "poolID": real["poolID"],
        "architecture": "x86_64",
        "virtualizationType": "qemu",
        "hostAddress": real["hostAddress"],
        "underlayMTU": 1500,
        "nicFamilies": ["IPv4", "IPv6"],
        "bridgeFilter": "Loaded",
        "capacity": CAPACITY,
    }
    await user.call("PATCH", f"{ORLOP}/hypervisors/{FIRST}/status", {"status": status})
    await user.until(f"{ORLOP}/hypervisors", FIRST, wishes.is_ready, 30)
    return uids, born


async def beat(etcd: stored.Etcd, born: datetime) -> None:
    """Renew the Leases of all paper nodes every ten seconds, evenly, until cancelled."""
    leases = await asyncio.to_thread(etcd.get, f"{stored.LEASES}paper-")
    keys = sorted(leases)
    while True:
        begun = time.monotonic()
        for n in range(0, len(keys), AT_ONCE):
            await asyncio.sleep(max(0.0, begun + n * RENEWED / len(keys) - time.monotonic()))
            now = datetime.now(UTC)
            some = [(key, stored.renewed(leases[key], born, now)) for key in keys[n : n + AT_ONCE]]
            await asyncio.to_thread(etcd.put, some)
        await asyncio.sleep(max(0.0, begun + RENEWED - time.monotonic()))


async def measured(made: Fleet, user: Api, count: int, resting: float) -> dict[str, Any]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    begun, since = time.monotonic(), time.time()
    with operator(made.access, "late", port=port) as process:
        while True:
            await asyncio.sleep(0.2)
            now = await asyncio.to_thread(vitals, port)
            if now.get("orlop_leading") == 1.0 and now["orlop_queue_keys"] == 0.0:
                break
        started, at_start, most = time.monotonic() - begun, usage(process.pid), peak(process.pid)
        writes = now["orlop_writes"]
        made_at_start = orlops_writes(load.audited(made), since, time.time())
        await asyncio.sleep(resting)
        rest, later = usage(process.pid), await asyncio.to_thread(vitals, port)
        took = []
        for n in range(5):
            sent = time.monotonic()
            body = wishes.instance("idle-0", f"late-{n}", networks=NETWORKS)
            uid = (await user.call("POST", f"{ORLOP}/namespaces/idle-0/instances", body))["metadata"]["uid"]
            await user.until(ASSIGNMENTS, uid, lambda it: bool(it and it["spec"].get("nodeName")))
            took.append(time.monotonic() - sent)
        others = {name: usage(made.processes[name]) for name in ("kube-apiserver", "etcd")}
    return {
        "instances": count,
        "managed_fields": count <= WHOLE,
        "start_seconds": round(started, 2),
        "start_cpu_seconds": round(at_start.cpu, 2),
        "writes_at_start": dict(Counter(call.what for call in made_at_start)),
        "memory_mib": round(rest.memory),
        "memory_mib_at_most": round(most),
        **{f"{name}_memory_mib": round(used.memory) for name, used in others.items()},
        "cpu_percent_at_rest": round(100 * (rest.cpu - at_start.cpu) / resting, 2),
        "writes_at_rest": later["orlop_writes"] - writes,
        "bound_seconds": round(sorted(took)[2], 3),
    }


def peak(pid: int) -> float:
    """The most MiB that were resident at one time, so far."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) / 1024


def vitals(port: int) -> dict[str, float]:
    """What the operator says of itself; nothing while it does not listen."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            text = answer.read().decode()
    except OSError:
        return {}
    return {name: float(value) for name, value in re.findall(r"^(orlop_\w+) (\S+)$", text, re.MULTILINE)}
