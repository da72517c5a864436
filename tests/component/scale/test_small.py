"""Small forms of tests/scale: the same code, and of its figures those that hold on any machine."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from support import ledger, load, wishes
from support.fleet import Fleet
from support.moments import PHASES, moments
from support.scripted import ASSIGNMENTS, ORLOP, Api

pytestmark = pytest.mark.component

CAPACITY = {"vcpus": 8, "memoryBytes": 256 << 30, "diskBytes": 4 << 40}
SECONDS = 120


@pytest.fixture(autouse=True)
async def nothing_left(request: pytest.FixtureRequest, ten: Fleet, user: Api) -> AsyncIterator[None]:
    yield
    # Of an interrupted run everything goes away at once.
    if request.session.exitstatus != pytest.ExitCode.INTERRUPTED:
        await load.end_all(ten, user)


async def test_what_a_create_takes_and_how_many_writes(ten: Fleet, user: Api) -> None:
    tenants = await load.tenants(user, 2, 2, "small")
    seen, found = await load.burst(ten, user, load.wanted(tenants, 40, 2), 50, seconds=SECONDS)
    assert set(found["phases"]) == set(PHASES)
    assert len(set(seen.nodes.values())) == 10, "they spread"
    # A node that is busy for a second tells how far it is, which is a write or two more: never fewer than these.
    assert found["fewest_writes"] == {"all": 9, "instances": 2}
    assert found["fewest_writes"]["all"] <= found["most_writes"]["all"]


async def test_one_tenants_instance_does_not_wait_for_all_of_anothers(user: Api) -> None:
    """By order, not by time: how long a look takes is the machine's business."""
    many, few = await load.tenants(user, 2, 1, "turns")
    bodies = load.wanted([many], 60, 1)
    async with load.watched(user) as seen:
        await load.create(bodies, seen, 60, closed=False)
        networks = bodies[0][1]["spec"]["networks"]
        await few.make("instances", wishes.instance(few.namespace, "one", networks=networks))
        await seen.until(seen.ready, 61, SECONDS)
    after = [key for key, when in seen.ready.items() if when > seen.ready[f"{few.namespace}/one"]]
    assert len(after) >= 5, f"{len(after)} of 60 were Ready later"


async def test_what_one_each_tenth_of_a_second_takes(ten: Fleet, user: Api) -> None:
    tenants = await load.tenants(user, 1, 1, "paced")
    since = ten.audit.stat().st_size
    async with load.watched(user) as seen:
        await load.paced(load.wanted(tenants, 10, 1), seen)
        await seen.until(seen.ready, 10, SECONDS)
    assert max(seen.sent.values()) - min(seen.sent.values()) >= 0.8
    took = moments(load.audited(ten, since), seen)
    assert len(took) == 10
    assert all(its["created"] <= its["bound"] <= its["seen"] for its in took.values())


async def test_nothing_is_lost_or_started_twice_when_the_operator_is_killed(ten: Fleet, user: Api) -> None:
    tenants = await load.tenants(user, 1, 1, "killed")
    bodies = load.wanted(tenants, 60, 1)
    async with load.watched(user) as seen:
        kills = asyncio.create_task(load.killing(ten, seen, "one", 5, 20))
        await load.create(bodies, seen, 60, closed=False)
        await seen.until(seen.ready, 60, SECONDS)
        await load.delete(bodies)
        await seen.until(seen.gone, 60, SECONDS)
        await kills
    found = ledger.check(ten.audit, CAPACITY)
    assert found["ran"] >= 60
    assert 1 <= found["most_vcpus"] <= CAPACITY["vcpus"]
    assert (await user.call("GET", ASSIGNMENTS))["items"] == []
    assert (await user.call("GET", f"{ORLOP}/ports"))["items"] == []
