"""An operator beside many Instances that nobody touches: what its start, its rest and one more create cost.

ORLOP_SCALE_IDLE says how many in the largest size, which is ten times the smallest: 10,000 unless told.
"""

import asyncio
import os
import re
import socket
import time
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from support import load, scale, stored, wishes
from support.audit import orlops_writes
from support.fleet import Fleet, ended, fleet, operator, usage
from support.scripted import ASSIGNMENTS, LEASES, ORLOP, Api, _now, api

pytestmark = [pytest.mark.component, pytest.mark.timeout(3600)]

MOST = int(os.environ.get("ORLOP_SCALE_IDLE", "10000"))
PER_NODE = 20
REST = 20.0
CAPACITY = {"vcpus": 64, "memoryBytes": 256 << 30, "diskBytes": 4 << 40}


@pytest.mark.parametrize("count", [MOST // 10, MOST])
async def test_idle(tmp_path: Path, show_table: Any, count: int) -> None:
    names = [f"paper-{n:04}" for n in range(count // PER_NODE)]
    with fleet(tmp_path, 1, "--vcpus=4") as made:
        async with api(made.server) as user:
            (it,) = await load.tenants(user, 1, 1, "idle")
            networks = [{"name": "eth0", "networkRef": {"name": "net-0"}}]
            one = await it.boot("vm", networks=networks)
            await papers(user, names)
            beating = asyncio.create_task(beat(user, names))
            with ended(made.operators["one"]):
                pass
            put = stored.Etcd(made).put(stored.copies(stored.Etcd(made), one, count, names))
            assert put == 4 * count
            found = await measured(made, user, count, beating, networks)
    scale.record(f"idle_{count}", {"nodes": len(names) + 1, **found})
    show_table(f"{count} idle Instances", ("what", "value"), sorted(found.items()))


async def papers(user: Api, names: list[str]) -> None:
    """Hypervisors without an agent, of which each says what it has."""
    labels = {"orlop.dev/hypervisor": "true"}
    for name in names:
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}
        await user.call("POST", "/api/v1/nodes", node)
        await user.call("PATCH", f"/api/v1/nodes/{name}", {"spec": {"taints": None}})
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": name}}
        spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": _now()}
        await user.call("POST", LEASES, {**lease, "spec": spec})
    # The copies are in this node's pool, have run since its boot, and their Ports say where it is.
    real = (await user.call("GET", f"{ORLOP}/hypervisors/sim-0001"))["status"]
    for name in names:
        await user.until(f"{ORLOP}/hypervisors", name, lambda thing: thing is not None, 120)
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
        await user.call("PATCH", f"{ORLOP}/hypervisors/{name}/status", {"status": status})


async def beat(user: Api, names: list[str]) -> None:
    """Renew every Lease every ten seconds, evenly, until cancelled."""
    while True:
        begun = time.monotonic()
        for n, name in enumerate(names):
            await asyncio.sleep(max(0.0, begun + n * 10 / len(names) - time.monotonic()))
            await user.call("PATCH", f"{LEASES}/{name}", {"spec": {"renewTime": _now()}})
        await asyncio.sleep(max(0.0, begun + 10 - time.monotonic()))


async def measured(
    made: Fleet, user: Api, count: int, beating: asyncio.Task[None], networks: list[Any]
) -> dict[str, Any]:
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
        started, at_start = time.monotonic() - begun, usage(process.pid)
        writes = now["orlop_writes"]
        made_at_start = orlops_writes(load.audited(made), since, time.time())
        await asyncio.sleep(REST)
        rest, later = usage(process.pid), await asyncio.to_thread(vitals, port)
        took = []
        for n in range(5):
            sent = time.monotonic()
            body = wishes.instance("idle-0", f"late-{n}", networks=networks)
            uid = (await user.call("POST", f"{ORLOP}/namespaces/idle-0/instances", body))["metadata"]["uid"]
            await user.until(ASSIGNMENTS, uid, lambda it: bool(it and it["spec"].get("nodeName")))
            took.append(time.monotonic() - sent)
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
    return {
        "instances": count,
        "start_seconds": round(started, 2),
        "start_cpu_seconds": round(at_start.cpu, 2),
        "writes_at_start": dict(Counter(call.what for call in made_at_start)),
        "memory_mib": round(rest.memory),
        "cpu_percent_at_rest": round(100 * (rest.cpu - at_start.cpu) / REST, 2),
        "writes_at_rest": later["orlop_writes"] - writes,
        "bound_seconds": round(sorted(took)[2], 3),
    }


def vitals(port: int) -> dict[str, float]:
    """What the operator says of itself; nothing while it does not listen."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            text = answer.read().decode()
    except OSError:
        return {}
    return {name: float(value) for name, value in re.findall(r"^(orlop_\w+) (\S+)$", text, re.MULTILINE)}
