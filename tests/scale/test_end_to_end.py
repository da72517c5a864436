"""Creates and deletes on many simulated nodes, through the real API server: what docs/explanation/performance.md tells.

ORLOP_SCALE_NODES and ORLOP_SCALE_INSTANCES make it smaller; what is recorded says which size it was.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from scale.conftest import INSTANCES, NODES, VCPUS
from support import ledger, load, scale, wishes
from support.fleet import Fleet
from support.scripted import ASSIGNMENTS, Api

pytestmark = [pytest.mark.component, pytest.mark.timeout(7200)]

CAPACITY = {"vcpus": VCPUS, "memoryBytes": 256 << 30, "diskBytes": 4 << 40}
SECONDS = 60 + INSTANCES
PENDING = min(10_000, INSTANCES, NODES * VCPUS - 1)
ROLLED = min(1000, INSTANCES, NODES * VCPUS)
TENANTS, NETWORKS = 10, max(1, INSTANCES // 250)
"""Namespaces, and Networks in each: about 25 Instances to a Network."""


@pytest.fixture(autouse=True)
async def nothing_left(user: Api) -> AsyncIterator[None]:
    yield
    await load.end_all(user, SECONDS)


def table(show_table: Any, title: str, found: dict[str, Any]) -> None:
    rows = [
        [phase, *(f"{its[p]:.2f}" for p in ("p50", "p95", "p99"))] for phase, its in found["phases"].items()
    ]
    show_table(f"{title}: {found['creates_per_second']} creates/s", ("phase", "p50", "p95", "p99"), rows)


@pytest.mark.parametrize("at_once", [50, INSTANCES])
async def test_creates(many: Fleet, user: Api, show_table: Any, at_once: int) -> None:
    section = "end_to_end" if at_once == 50 else "all_at_once"
    tenants = await load.tenants(user, TENANTS, NETWORKS, section.replace("_", "-"))
    _, found = await load.burst(
        many, user, load.wanted(tenants, INSTANCES, NETWORKS), at_once, seconds=SECONDS
    )
    scale.record(section, {"nodes": NODES, **found})
    table(show_table, f"{INSTANCES} on {NODES} nodes, {at_once} at once", found)
    assert found["fewest_writes"] == {"all": 9, "instances": 2}


async def test_one_tenants_instance_is_bound_within_two_seconds(user: Api) -> None:
    many, few = await load.tenants(user, 2, 1, "turns")
    bodies = load.wanted([many], PENDING, 0)
    async with load.watched(user) as seen:
        await load.create(bodies, seen, 200, closed=False)
        pending = PENDING - len(seen.ready)
        sent = time.monotonic()
        made = await few.make("instances", wishes.instance(few.namespace, "one", networks=[]))
        uid = made["metadata"]["uid"]
        await user.until(ASSIGNMENTS, uid, lambda it: bool(it and it["spec"].get("nodeName")))
        took = time.monotonic() - sent
        await seen.until(seen.ready, PENDING + 1, SECONDS)
    scale.record("fairness", {"nodes": NODES, "pending": pending, "bound_seconds": round(took, 3)})
    assert took <= 2.0, f"{pending} of the other tenant's were pending"


async def test_one_every_tenth_of_a_second(many: Fleet, user: Api) -> None:
    """The job that KubeVirt publishes."""
    tenants = await load.tenants(user, 1, 4, "paced")
    async with load.watched(user) as seen:
        begun = time.monotonic()
        for n, (it, body) in enumerate(load.wanted(tenants, 100, 4)):
            await asyncio.sleep(max(0.0, begun + n * 0.1 - time.monotonic()))
            seen.sent[f"{it.namespace}/{body['metadata']['name']}"] = time.time()
            await it.make("instances", body)
        await seen.until(seen.ready, 100, SECONDS)
    took = [seen.ready[key] - sent for key, sent in seen.sent.items()]
    scale.record("paced", {"nodes": NODES, "instances": 100, "ready_seconds": scale.spread(took)})


async def test_nothing_is_lost_or_started_twice_when_the_active_operator_is_killed(
    many: Fleet, user: Api
) -> None:
    tenants = await load.tenants(user, TENANTS, 4, "killed")
    bodies = load.wanted(tenants, ROLLED, 4)
    async with load.watched(user) as seen:
        kills = asyncio.create_task(load.killing(many, seen, "", 5, ROLLED // 3))
        begun = time.monotonic()
        await load.create(bodies, seen, ROLLED, closed=False)
        await seen.until(seen.ready, ROLLED, SECONDS)
        created = time.monotonic()
        await load.delete(bodies, ROLLED)
        await seen.until(seen.gone, ROLLED, SECONDS)
        ended = time.monotonic()
        await kills
    found = ledger.check(many.server.directory / "audit.log", CAPACITY)
    assert (await user.call("GET", ASSIGNMENTS))["items"] == []
    seconds = {"ready": round(created - begun, 1), "gone": round(ended - created, 1)}
    scale.record("killed", {"nodes": NODES, "instances": ROLLED, "kills": 5, "seconds": seconds, **found})
