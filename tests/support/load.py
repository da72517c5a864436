"""Many Instances at once, and what became of each when: by the client's own watch and the API server's audit log."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from support import wishes
from support.audit import Call, writes_of
from support.fleet import Fleet
from support.moments import counted, curves, moments, phases, writes
from support.prepared import Tenant, tenant
from support.scripted import ORLOP, Api, RefusedError

Body = dict[str, Any]
CONNECTIONS = 200
"""Requests of a client under way at the same moment, however many it has to ask: a socket each is no way to be fast."""


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
    awaited: dict[str, asyncio.Event] = field(default_factory=dict)
    """One event for each that somebody waits for: to wake all waiters at each would be quadratic."""

    async def until_ready(self, key: str) -> None:
        """Wait until this one is Ready."""
        if key not in self.ready:
            await self.awaited.setdefault(key, asyncio.Event()).wait()

    def take(self, kind: str, thing: Body) -> None:
        """One event of the watch."""
        meta = thing["metadata"]
        key = f"{meta['namespace']}/{meta['name']}"
        if key not in self.uids:
            self.uids[key] = meta["uid"]
            self.changed.set()
        self.because[key] = wishes.condition(thing, "Ready").get("message", "")
        if kind == "DELETED":
            self.gone[key] = time.time()
            self.changed.set()
        elif key not in self.ready and wishes.is_ready(thing):
            self.ready[key] = time.time()
            self.nodes[key] = thing["status"]["nodeName"]
            self.changed.set()
            if key in self.awaited:
                self.awaited.pop(key).set()

    async def until(self, found: Mapping[str, object], count: int, seconds: float) -> None:
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
    """What a client's watch on all Instances says, for the duration of the block; a watch that fails ends it."""
    seen, begun = Seen(), asyncio.Event()
    async with asyncio.TaskGroup() as group:
        following = group.create_task(_watch(api, seen, begun))
        try:
            await begun.wait()
            yield seen
        finally:
            following.cancel()


async def _watch(api: Api, seen: Seen, begun: asyncio.Event) -> None:
    path = f"{ORLOP}/instances"
    since = (await api.call("GET", path, limit="1"))["metadata"]["resourceVersion"]
    begun.set()
    # The API server ends each watch after half an hour or more: it goes on where that was.
    while True:
        async with aclosing(api._changes(path, since, {"allowWatchBookmarks": "true"})) as changes:
            async for kind, thing in changes:
                assert kind != "ERROR", f"the watch of Instances failed: {thing}"
                since = thing["metadata"]["resourceVersion"]
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
    limit, asking = asyncio.Semaphore(at_once), asyncio.Semaphore(min(at_once, CONNECTIONS))

    async def one(it: Tenant, body: Body) -> None:
        key = f"{it.namespace}/{body['metadata']['name']}"
        async with limit:
            async with asking:
                seen.sent[key] = time.time()
                await it.make("instances", body)
            if closed:
                await seen.until_ready(key)

    await asyncio.gather(*(one(it, body) for it, body in bodies))


async def paced(bodies: Iterable[tuple[Tenant, Body]], seen: Seen, every: float = 0.1) -> None:
    """Create them one after the other, each so many seconds after the one before, whatever becomes of those."""
    begun = time.monotonic()

    async def one(n: int, it: Tenant, body: Body) -> None:
        await asyncio.sleep(max(0.0, begun + n * every - time.monotonic()))
        seen.sent[f"{it.namespace}/{body['metadata']['name']}"] = time.time()
        await it.make("instances", body)

    await asyncio.gather(*(one(n, *each) for n, each in enumerate(bodies)))


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


async def end_all(fleet: Fleet, api: Api, patience: float = 180) -> None:
    """Delete every Instance, and wait until none is left; at once where nobody is there to do what a delete asks for.

    AssertionError where none has gone for `patience` seconds.
    """
    path = f"{ORLOP}/instances"
    async with watched(api) as seen:
        left = [thing["metadata"] for thing in (await api.call("GET", path))["items"]]
        if not fleet.works():
            return
        await _all_of([f"{ORLOP}/namespaces/{its['namespace']}/instances/{its['name']}" for its in left], api)
        while len(seen.gone) < len(left) and fleet.works():
            await seen.until(seen.gone, len(seen.gone) + 1, patience)


async def delete(bodies: Iterable[tuple[Tenant, Body]]) -> None:
    """Ask for the end of them, all at once."""
    wanted = [(it, f"{it.path('instances')}/{body['metadata']['name']}") for it, body in bodies]
    await _all_of([path for _, path in wanted], wanted[0][0].api)


async def _all_of(paths: list[str], api: Api) -> None:
    asking = asyncio.Semaphore(CONNECTIONS)

    async def one(path: str) -> None:
        async with asking:
            try:
                await api.call("DELETE", path)
            except RefusedError as error:
                if error.status != HTTPStatus.NOT_FOUND:  # who was asked to go before may have gone by now
                    raise

    await asyncio.gather(*(one(path) for path in paths))


def audited(fleet: Fleet, since: int = 0) -> list[Call]:
    """Every write so far, or from that byte of the log on."""
    return writes_of(fleet.audit, since)


async def burst(
    fleet: Fleet,
    api: Api,
    bodies: list[tuple[Tenant, Body]],
    at_once: int,
    *,
    seconds: float = 600,
) -> tuple[Seen, dict[str, Any]]:
    """Create all, wait until all are Ready, and say how it went.

    Where all are sent at once, none waits for another to be Ready.
    """
    async with watched(api) as seen:
        before, begin, since = fleet.usage(), time.time(), fleet.audit.stat().st_size
        async with asyncio.timeout(seconds):
            await create(bodies, seen, at_once, closed=at_once < len(bodies))
        await seen.until(seen.ready, len(seen.sent), seconds)
        took = max(seen.ready.values()) - begin
        after = fleet.usage()
    audit = audited(fleet, since)
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
        "curves": curves(at),
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
