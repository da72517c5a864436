"""Ten thousand creates at once, on nodes of their own."""

from typing import Any

import pytest

from scale.conftest import INSTANCES
from scale.told import NETWORKS, PATIENCE, SECONDS, TENANTS, keep
from support import load
from support.fleet import Fleet
from support.scripted import Api

pytestmark = [pytest.mark.component, pytest.mark.timeout(PATIENCE)]


async def test_all_at_once(many: Fleet, user: Api, show_table: Any) -> None:
    tenants = await load.tenants(user, TENANTS, NETWORKS, "once")
    bodies = load.wanted(tenants, INSTANCES, NETWORKS)
    _, found = await load.burst(many, user, bodies, INSTANCES, seconds=SECONDS)
    keep(show_table, "all_at_once", found)
