"""What a node cannot have of Networks its Hypervisor says, and of a Router the Router too; with real agents."""

from pathlib import Path

import pytest

from orlop_agent.network.errors import NetworkError
from orlop_agent.network.routers import Unrouted
from support import wishes
from support.apiserver import ApiServer
from support.prepared import tenant
from support.scripted import ORLOP, Api
from support.twonodes import Source, two_nodes

pytestmark = pytest.mark.component


async def test_a_router_that_one_node_cannot_have_says_where_and_why(
    cloud: ApiServer, operator: object, user: Api, source: Source, tmp_path: Path
) -> None:
    it = await tenant(user, "unrouted", image=False)
    await it.make("networks", wishes.network("unrouted", "green", "10.20.0.0/24"))
    await it.ready("green", "networks")
    joins = {"networks": [{"name": "blue"}, {"name": "green"}]}
    await it.make("routers", wishes.thing("Router", "unrouted", "vpc", joins))
    uid = (await it.ready("vpc", "routers"))["metadata"]["uid"]

    async def said(path: str, name: str, kind: str, *, is_there: bool) -> wishes.Body:
        found = await user.until(path, name, lambda thing: bool(wishes.condition(thing, kind)) is is_there)
        assert found is not None
        return wishes.condition(found, kind)

    async with two_nodes(cloud, source, tmp_path) as nodes:
        for name in nodes:
            host = await user.until(f"{ORLOP}/hypervisors", name, wishes.is_ready)
            assert host is not None
            assert host["status"]["bridgeFilter"] == "Loaded"
            assert not wishes.condition(host, "Filtering")
        networks = nodes["node-2"][0].networks
        error = NetworkError("NetworkSetupFailed", "ip: RTNETLINK answers: No buffer space available")
        networks.wrong_routers = [Unrouted(uid, "unrouted", frozenset({1}), error)]
        networks.changed()
        on_router = await said(it.path("routers"), "vpc", "Routing", is_there=True)
        assert (on_router["status"], on_router["reason"]) == ("False", "NetworkSetupFailed")
        assert on_router["message"] == "on node node-2: ip: RTNETLINK answers: No buffer space available"
        on_node = await said(f"{ORLOP}/hypervisors", "node-2", "Routing", is_there=True)
        assert on_node["message"] == (
            "1 Router cannot be had here as they shall be; one of namespace unrouted:"
            " ip: RTNETLINK answers: No buffer space available"
        )
        # It is joined all the same, and its other nodes have it.
        assert wishes.is_ready(await user.call("GET", f"{it.path('routers')}/vpc"))
        networks.wrong_routers = []
        networks.changed()
        await said(it.path("routers"), "vpc", "Routing", is_there=False)
        await said(f"{ORLOP}/hypervisors", "node-2", "Routing", is_there=False)
    await it.delete("vpc", "routers")
