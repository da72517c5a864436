"""Creates and deletes on many simulated nodes, through the real API server: what docs/explanation/performance.md tells.

ORLOP_SCALE_NODES and ORLOP_SCALE_INSTANCES make it smaller; what is recorded says which size it was.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from orlop_cluster.lab import ROOT
from scale.conftest import INSTANCES, NODES, VCPUS
from support import ledger, load, plot, scale, wishes
from support.fleet import Fleet
from support.moments import moments, phases
from support.scripted import ASSIGNMENTS, Api

SECONDS = 60 + INSTANCES
# Each wait inside has its own end; this one is for what hangs otherwise.
pytestmark = [pytest.mark.component, pytest.mark.timeout(600 + NODES + 4 * SECONDS)]

CAPACITY = {"vcpus": VCPUS, "memoryBytes": 256 << 30, "diskBytes": 4 << 40}
ROLLED = min(1000, INSTANCES, NODES * VCPUS)
TENANTS, NETWORKS = 10, max(1, INSTANCES // 250)
"""Namespaces, and Networks in each: about 25 Instances to a Network."""


@pytest.fixture
async def none_left(request: pytest.FixtureRequest, many: Fleet, user: Api) -> AsyncIterator[None]:
    """What the test made is gone before the next one; the last two leave theirs to the end of everything."""
    yield
    # Of an interrupted run everything goes away at once.
    if request.session.exitstatus != pytest.ExitCode.INTERRUPTED:
        await load.end_all(many, user)


def table(show_table: Any, title: str, found: dict[str, Any]) -> None:
    rows = [
        [phase, *(f"{its[p]:.2f}" for p in ("p50", "p95", "p99"))] for phase, its in found["phases"].items()
    ]
    show_table(f"{title}: {found['creates_per_second']} creates/s", ("phase", "p50", "p95", "p99"), rows)


@pytest.mark.usefixtures("none_left")
async def test_nothing_is_lost_or_started_twice_when_the_active_operator_is_killed(
    many: Fleet, user: Api, show_table: Any
) -> None:
    since = many.audit.stat().st_size
    tenants = await load.tenants(user, TENANTS, 4, "killed")
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


# The two that follow are the last, in this order: the second finds what the first made, as it is on a cluster in use.
def keep(show_table: Any, section: str, found: dict[str, Any]) -> None:
    scale.record(section, {"nodes": NODES, **found})
    title = f"{found['instances']} on {NODES} nodes, {found['at_once']} at once"
    table(show_table, title, found)
    picture = plot.curves(title, "seconds from the create", "% of the Instances", found["curves"])
    (ROOT / f".orlop/{section.replace('_', '-')}.svg").write_text(picture)
    # Fewer where one write tells what two would have, on a machine that is behind.
    assert found["fewest_writes"]["all"] <= 9
    assert found["fewest_writes"]["instances"] <= 3


async def test_fifty_at_once(many: Fleet, user: Api, show_table: Any) -> None:
    tenants = await load.tenants(user, TENANTS, NETWORKS, "fifty")
    _, found = await load.burst(many, user, load.wanted(tenants, INSTANCES, NETWORKS), 50, seconds=SECONDS)
    keep(show_table, "end_to_end", found)


async def test_all_at_once_and_another_tenants_instance_is_bound_within_two_seconds(
    many: Fleet, user: Api, show_table: Any
) -> None:
    """A few more than are to be pending, since some get Ready while the last are sent."""
    crowd, few = await load.tenants(user, 2, NETWORKS, "turns")
    bodies = load.wanted([crowd], INSTANCES + INSTANCES // 16, NETWORKS)
    fairness: dict[str, Any] = {"nodes": NODES}

    async def another(seen: load.Seen) -> None:
        fairness["pending"] = len(bodies) - len(seen.ready)
        sent = time.monotonic()
        seen.sent[f"{few.namespace}/one"] = time.time()
        made = await few.make("instances", wishes.instance(few.namespace, "one", networks=[]))
        uid = made["metadata"]["uid"]
        await user.until(ASSIGNMENTS, uid, lambda it: bool(it and it["spec"].get("nodeName")))
        fairness["bound_seconds"] = round(time.monotonic() - sent, 3)

    _, found = await load.burst(many, user, bodies, len(bodies), seconds=SECONDS, sent=another)
    scale.record("fairness", fairness)
    show_table(
        "one tenant's Instance beside another's that are pending",
        tuple(fairness),
        [list(fairness.values())],
    )
    keep(show_table, "all_at_once", found)
    assert fairness["bound_seconds"] <= 2.0, f"{fairness['pending']} of the other tenant's were pending"
