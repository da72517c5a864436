"""The operator says which public addresses are the cluster's own, and every node may read that."""

import asyncio

import pytest

from orlop_agent.image.errors import ImageError
from orlop_agent.image.inside import Inside
from orlop_agent.image.url import vetted
from support.apiserver import ApiServer
from support.scripted import Api, ScriptedAgent, api, node_token

pytestmark = pytest.mark.component

PATH = "/api/v1/namespaces/orlop-system/configmaps/orlop-cluster-networks"


async def until(user: Api, networks: set[str]) -> None:
    """Nothing is watched here: nodes read it when they need it."""
    async with asyncio.timeout(60):
        while True:
            try:
                data = (await user.call("GET", PATH))["data"]
            except Exception as error:
                data = {"networks": str(error)}
            if set(data["networks"].split()) == networks:
                return
            await asyncio.sleep(0.2)


async def test_a_public_address_of_a_node_is_known_to_all_nodes(
    cloud: ApiServer, user: Api, agents: dict[str, ScriptedAgent]
) -> None:
    await until(user, set())
    addresses = [{"type": "InternalIP", "address": "10.1.2.3"}, {"type": "ExternalIP", "address": "8.8.4.9"}]
    await user.call("PATCH", "/api/v1/nodes/node-2/status", {"status": {"addresses": addresses}})
    await until(user, {"8.8.4.9/32"})
    async with api(cloud, token=await node_token(cloud, "node-1")) as node:

        async def read() -> dict[str, str]:
            return (await node.call("GET", PATH))["data"]

        location = vetted("https://images.example/a", checksum=True, allowed_private_hosts=())
        with pytest.raises(ImageError, match=r"images\.example is at an address of this cluster"):
            await Inside(read).check(location, "8.8.4.9")
        await Inside(read).check(location, "8.8.4.10")
    await user.call("PATCH", "/api/v1/nodes/node-2/status", {"status": {"addresses": addresses[:1]}})
    await until(user, set())
