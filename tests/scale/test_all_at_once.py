"""Ten thousand creates at once, and how long another tenant waits beside them, on nodes of their own."""

import time
from typing import Any

import pytest

from scale.conftest import INSTANCES, NODES
from scale.told import NETWORKS, PATIENCE, SECONDS, keep
from support import load, scale, wishes
from support.fleet import Fleet
from support.scripted import ASSIGNMENTS, Api

pytestmark = [pytest.mark.component, pytest.mark.timeout(PATIENCE)]


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
