"""Many Instances at once, and what became of each when: by the client's own watch and the API server's audit log."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from support import wishes
from support.audit import Call, calls, orlops_writes
from support.fleet import Fleet
from support.prepared import Tenant, tenant
from support.scale import spread
from support.scripted import ORLOP, Api

Body = dict[str, Any]
PHASES = ("created", "port", "assigned", "bound", "starting", "running", "reported", "seen")
"""Answers to writes, in the order of a create: the Instance, its Port, its Assignment, that bound, the node's two
answers, the Instance's Ready; and the moment at which the client's watch says so."""


@dataclass
class Seen:
    """What a client knows."""

    sent: dict[str, float] = field(default_factory=dict)
    """When each was sent, by namespace/name; wall clock."""
    ready: dict[str, float] = field(default_factory=dict)
    gone: dict[str, float] = field(default_factory=dict)
    uids: dict[str, str] = field(default_factory=dict)
    nodes: dict[str, str] = field(default_factory=dict)
    because: dict[str, str] = field(default_factory=dict)
    """What Ready said last."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, kind: str, thing: Body) -> None:
        """One event of the watch."""
        meta = thing["metadata"]
        key = f"{meta['namespace']}/{meta['name']}"
        self.uids[key] = meta["uid"]
        self.because[key] = wishes.condition(thing, "Ready").get("message", "")
        if kind == "DELETED":
            self.gone[key] = time.time()
            self.changed.set()
        elif key not in self.ready and wishes.is_ready(thing):
            self.ready[key] = time.time()
            self.nodes[key] = thing["status"]["nodeName"]
            self.changed.set()

    async def until(self, found: Mapping[str, float], count: int, seconds: float) -> None:
        """Wait until so many are there."""
        try:
            async with asyncio.timeout(seconds):
                while len(found) < count:
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            why = Counter(self.because[key] for key in self.because.keys() - found.keys())
            raise AssertionError(
                f"{len(found)} of {count} after {seconds:.0f} s: {why.most_common(3)}"
            ) from None


@asynccontextmanager
async def watched(api: Api) -> AsyncIterator[Seen]:
    """What a client's watch on all Instances says, for the duration of the block."""
    seen, begun = Seen(), asyncio.Event()
    following = asyncio.create_task(_watch(api, seen, begun))
    try:
        await begun.wait()
        yield seen
    finally:
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


async def _watch(api: Api, seen: Seen, begun: asyncio.Event) -> None:
    path = f"{ORLOP}/instances"
    listed = await api.call("GET", path, limit="1")
    begun.set()
    async with aclosing(api._changes(path, listed["metadata"]["resourceVersion"], {})) as changes:
        async for kind, thing in changes:
            if kind != "BOOKMARK":
                seen.take(kind, thing)


async def tenants(api: Api, count: int, networks: int, prefix: str = "scale") -> list[Tenant]:
    """Namespaces, each with an Image and so many Networks (net-0, …)."""
    made = await asyncio.gather(*(tenant(api, f"{prefix}-{n}", network=False) for n in range(count)))
    bodies = [
        (it, wishes.network(it.namespace, f"net-{n}", f"10.{n}.0.0/16"))
        for it in made
        for n in range(networks)
    ]
    await asyncio.gather(*(it.make("networks", body) for it, body in bodies))
    await asyncio.gather(*(it.ready(body["metadata"]["name"], "networks") for it, body in bodies))
    return made


def wanted(tenants: list[Tenant], count: int, networks: int, prefix: str = "vm") -> list[tuple[Tenant, Body]]:
    """So many Instances, spread over the tenants and their Networks, one NIC each (none without Networks)."""
    made = []
    for n in range(count):
        it = tenants[n % len(tenants)]
        network = f"net-{n // len(tenants) % networks}" if networks else ""
        nics = [{"name": "eth0", "networkRef": {"name": network}}] if networks else []
        made.append((it, wishes.instance(it.namespace, f"{prefix}-{n}", networks=nics)))
    return made


async def create(
    bodies: Iterable[tuple[Tenant, Body]], seen: Seen, at_once: int, *, closed: bool = True
) -> None:
    """Create them, so many at once; `closed`: an Instance counts among these until it is Ready, as Rally counts."""
    limit = asyncio.Semaphore(at_once)

    async def one(it: Tenant, body: Body) -> None:
        key = f"{it.namespace}/{body['metadata']['name']}"
        async with limit:
            seen.sent[key] = time.time()
            await it.make("instances", body)
            while closed and key not in seen.ready:
                seen.changed.clear()
                await seen.changed.wait()

    await asyncio.gather(*(one(it, body) for it, body in bodies))


async def killing(fleet: Fleet, seen: Seen, name: str, count: int, every: int) -> None:
    """Kill the operator so many times, each after some Instances have come or gone; its like follows at once.

    Without a name it is the active one's turn, whichever that is.
    """
    for n in range(1, count + 1):
        while len(seen.ready) + len(seen.gone) < n * every:
            seen.changed.clear()
            await seen.changed.wait()
        active = name or await asyncio.to_thread(fleet.leader)
        await asyncio.to_thread(fleet.kill, active)
        fleet.start(active)


async def end_all(api: Api, seconds: float) -> None:
    """Delete every Instance, and wait until none is left."""
    path = f"{ORLOP}/instances"
    async with asyncio.timeout(seconds), watched(api) as seen:
        left = (await api.call("GET", path))["items"]
        for thing in left:
            meta = thing["metadata"]
            await api.call("DELETE", f"{ORLOP}/namespaces/{meta['namespace']}/instances/{meta['name']}")
        while left and len(seen.gone) < len(left):
            seen.changed.clear()
            await seen.changed.wait()


async def delete(bodies: Iterable[tuple[Tenant, Body]], at_once: int) -> None:
    """Ask for the end of them."""
    limit = asyncio.Semaphore(at_once)

    async def one(it: Tenant, name: str) -> None:
        async with limit:
            await it.api.call("DELETE", f"{it.path('instances')}/{name}")

    await asyncio.gather(*(one(it, body["metadata"]["name"]) for it, body in bodies))


def moments(found: Iterable[Call], seen: Seen) -> dict[str, dict[str, float]]:
    """When each phase of each Instance ended, in seconds from when the API server received its create."""
    by_uid = {uid: key for key, uid in seen.uids.items()}
    at: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for call in found:
        if call.code >= 300:
            continue
        key = f"{call.namespace}/{call.name}"
        match call.what:
            case "create instances" if key in seen.sent:
                at[key]["received"] = call.received
                at[key]["created"] = call.done
            case "create ports":
                at[key.rpartition("-")[0]]["port"] = call.done
            case "create assignments" if call.name in by_uid:
                at[by_uid[call.name]]["assigned"] = call.done
            case "patch assignments" if call.name in by_uid:
                at[by_uid[call.name]].setdefault("bound", call.done)
            case "patch assignments/status" if call.name in by_uid:
                its = at[by_uid[call.name]]
                its["running" if "starting" in its else "starting"] = call.done
            case "patch instances/status":
                at[key]["reported"] = call.done
    for key, when in seen.ready.items():
        at[key]["seen"] = when
    return {
        key: {phase: its[phase] - its["received"] for phase in PHASES if phase in its}
        for key, its in at.items()
        if "received" in its
    }


def phases(at: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """p50, p95 and p99 of each phase."""
    values = {phase: [its[phase] for its in at.values() if phase in its] for phase in PHASES}
    return {phase: spread(seconds) for phase, seconds in values.items() if seconds}


def counted(found: Iterable[Call], seen: Seen) -> dict[str, Counter[str]]:
    """Writes of operator and agents for each Instance, by name: all, and those on the Instance itself.

    A Claim is named after its address, so it is known by who made it alone: each NIC has one.
    """
    by_uid = {uid: key for key, uid in seen.uids.items()}
    each = {key: Counter({"all": 1, "instances": 0}) for key in seen.sent}
    for call in orlops_writes(list(found), 0, time.time()):
        key = f"{call.namespace}/{call.name}"
        if call.resource == "ports":
            key = key.rpartition("-")[0]
        its = each.get(by_uid.get(call.name, key))
        if its is not None:
            its.update({"all": 1, "instances": int(call.resource == "instances")})
    return each


def writes(audit: list[Call], begin: float, count: int) -> dict[str, float]:
    """Writes of operator and agents since then, for each Instance, by verb and resource."""
    found = orlops_writes(audit, begin, time.time())
    return {what: round(n / count, 3) for what, n in sorted(Counter(call.what for call in found).items())}


def audited(fleet: Fleet) -> list[Call]:
    """Every request so far."""
    return calls((fleet.server.directory / "audit.log").read_text())


async def burst(
    fleet: Fleet, api: Api, bodies: list[tuple[Tenant, Body]], at_once: int, *, seconds: float = 600
) -> tuple[Seen, dict[str, Any]]:
    """Create all, wait until all are Ready, and say how it went."""
    async with watched(api) as seen:
        before, begin = fleet.usage(), time.time()
        async with asyncio.timeout(seconds):
            await create(bodies, seen, at_once)
        await seen.until(seen.ready, len(bodies), seconds)
        took = max(seen.ready.values()) - begin
        after = fleet.usage()
    audit = audited(fleet)
    at = moments(audit, seen)
    each = counted(audit, seen)
    its = phases(at)
    found = {
        "instances": len(bodies),
        "at_once": at_once,
        "seconds": round(took, 2),
        "creates_per_second": round(len(bodies) / took, 1),
        "create_p50": its["seen"]["p50"],
        "create_p95": its["seen"]["p95"],
        "create_p99": its["seen"]["p99"],
        "phases": its,
        "writes": writes(audit, begin, len(bodies)),
        "fewest_writes": {what: min(its[what] for its in each.values()) for what in ("all", "instances")},
        "most_writes": {what: max(its[what] for its in each.values()) for what in ("all", "instances")},
        "processes": {
            name: {
                "cpu_seconds": round(after[name].cpu - before[name].cpu, 2),
                "cpu_ms_per_instance": round(1000 * (after[name].cpu - before[name].cpu) / len(bodies), 2),
                "memory_mib": round(after[name].memory),
            }
            for name in after
        },
    }
    return seen, found
