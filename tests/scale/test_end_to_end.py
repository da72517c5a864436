"""Creates and deletes on many simulated nodes, through the real API server: what docs/explanation/performance.md tells.

ORLOP_SCALE_NODES and ORLOP_SCALE_INSTANCES make it smaller; what is recorded says which size it was.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from scale.conftest import INSTANCES, NODES, VCPUS
from scale.told import NETWORKS, PATIENCE, SECONDS, TENANTS, keep
from support import ledger, load, scale
from support.fleet import Fleet
from support.moments import moments, phases
from support.scripted import ASSIGNMENTS, Api

pytestmark = [pytest.mark.component, pytest.mark.timeout(PATIENCE)]

CAPACITY = {"vcpus": VCPUS, "memoryBytes": 256 << 30, "diskBytes": 4 << 40}
ROLLED = min(1000, INSTANCES, NODES * VCPUS)


@pytest.fixture
async def none_left(request: pytest.FixtureRequest, many: Fleet, user: Api) -> AsyncIterator[None]:
    """What the test made is gone before the next one; the last leaves it to the end of everything."""
    yield
    # Of an interrupted run everything goes away at once.
    if request.session.exitstatus != pytest.ExitCode.INTERRUPTED:
        await load.end_all(many, user)


@pytest.mark.usefixtures("none_left")
async def test_nothing_is_lost_or_started_twice_when_the_active_operator_is_killed(
    many: Fleet, user: Api, show_table: Any
) -> None:
    since = many.audit.stat().st_size
    tenants = await load.tenants(user, 10, 4, "killed")
    bodies = load.wanted(tenants, ROLLED, 4)
    async with load.watched(user) as seen:
        kills = asyncio.create_task(load.killing(many, seen, "", 5, ROLLED // 3))
        begun = time.monotonic()
        await load.create(bodies, seen, ROLLED, closed=False)
        await seen.until(seen.ready, ROLLED, SECONDS)
        created = time.monotonic()
        await load.delete(bodies)
        await seen.until(seen.gone, ROLLED, SECONDS)
        ended = time.monotonic()
        await kills
    found = ledger.check(many.audit, CAPACITY, since)
    assert (await user.call("GET", ASSIGNMENTS))["items"] == []
    seconds = {"ready": round(created - begun, 1), "gone": round(ended - created, 1)}
    found = {"nodes": NODES, "instances": ROLLED, "kills": 5, **found}
    scale.record("killed", {**found, "seconds": seconds})
    found |= {f"{what} after, s": took for what, took in seconds.items()}
    show_table("creates and deletes with the active operator killed", tuple(found), [list(found.values())])


@pytest.mark.usefixtures("none_left")
async def test_one_every_tenth_of_a_second(many: Fleet, user: Api, show_table: Any) -> None:
    """The job that KubeVirt publishes; tests/e2e/test_paced.py has it with guests."""
    tenants = await load.tenants(user, 1, 4, "paced")
    since = many.audit.stat().st_size
    async with load.watched(user) as seen:
        await load.paced(load.wanted(tenants, 100, 4), seen)
        await seen.until(seen.ready, 100, SECONDS)
    found = phases(moments(load.audited(many, since), seen))
    scale.record("paced", {"nodes": NODES, "instances": 100, "phases": found, "ready_seconds": found["seen"]})
    rows = [[phase, *its.values()] for phase, its in found.items()]
    show_table(f"100 on {NODES} nodes, one each tenth of a second", ("phase", "p50", "p95", "p99"), rows)


async def test_fifty_at_once(many: Fleet, user: Api, show_table: Any) -> None:
    tenants = await load.tenants(user, TENANTS, NETWORKS, "fifty")
    _, found = await load.burst(many, user, load.wanted(tenants, INSTANCES, NETWORKS), 50, seconds=SECONDS)
    keep(show_table, "end_to_end", found)
