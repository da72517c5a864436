"""VLAN Networks from what a user names to what agents read, with the operator as a process."""

from collections.abc import Iterator

import pytest

from support import wishes
from support.apiserver import ApiServer
from support.prepared import tenant
from support.rest import Rest, User
from support.rights import Right, grant
from support.scripted import ORLOP, Api, RefusedError, ScriptedAgent, api

pytestmark = pytest.mark.component
CLAIMS = f"{ORLOP}/namespaces/orlop-system/claims"


@pytest.fixture
def admin(cloud: ApiServer) -> Iterator[Rest]:
    client = Rest(cloud)
    yield client
    client.close()


@pytest.fixture
async def wired(agents: dict[str, ScriptedAgent]) -> dict[str, ScriptedAgent]:
    """Nodes with an interface on the physical network `public`."""
    for agent in agents.values():
        await agent.report(physicalInterfaces=[{"name": "public", "mtu": 1500, "type": "Other"}])
    return agents


def vlan(namespace: str, name: str, number: int | None, physical: str = "public") -> wishes.Body:
    kind = {"type": "VLAN", "vlanID": number} if number else {"type": "Bridge"}
    spec = {
        "segment": {**kind, "physicalNetwork": physical},
        "egress": "None",
        "subnets": [{"name": "v4", "cidr": "10.10.0.0/24", "reuseAfter": "0s"}],
    }
    return wishes.thing("Network", namespace, name, spec)


async def test_a_vlan_is_one_networks_and_is_told_to_the_node(
    user: Api, wired: dict[str, ScriptedAgent]
) -> None:
    it = await tenant(user, "vlans", network=False)
    await it.make("networks", vlan("vlans", "blue", 100))
    ready = await it.ready("blue", "networks")
    assert ready["status"]["mtu"] == 1500
    await it.make("networks", vlan("vlans", "red", 100))
    words = "VLAN 100 of physical network public is Network vlans/blue's until that is deleted; take another vlanID"
    assert await it.because("red", "VLANInUse", "networks") == words
    await it.make("networks", vlan("vlans", "green", 101))
    await it.ready("green", "networks")

    made = await it.boot("a")
    order = await user.call(
        "GET", f"{ORLOP}/namespaces/orlop-assignments/assignments/{made['metadata']['uid']}"
    )
    (nic,) = order["spec"]["nics"]
    assert nic["physical"] == {"network": "public", "vlanID": 100}
    assert nic["egress"] == "None"

    await it.make("routers", wishes.thing("Router", "vlans", "in", {"networks": [{"name": "blue"}]}))
    assert "has segment.type VLAN: its own router leads" in await it.because(
        "in", "NetworkOnPhysical", "routers"
    )
    await it.delete("in", "routers")
    await it.delete("a")
    await it.delete("blue", "networks")
    # Who waited for it goes on.
    await it.ready("red", "networks")
    for name in ("red", "green"):
        await it.delete(name, "networks")
    left = [claim["metadata"]["name"] for claim in (await user.call("GET", CLAIMS))["items"]]
    assert not [name for name in left if name.startswith("lan-")]


async def test_nodes_that_lack_it_are_named(user: Api, wired: dict[str, ScriptedAgent]) -> None:
    it = await tenant(user, "vlans-far", network=False)
    await it.make("networks", vlan("vlans-far", "blue", None))
    await it.ready("blue", "networks")
    await it.make("instances", wishes.instance("vlans-far", "lost"))
    said = await it.because("lost", "Unschedulable")
    assert "have an interface on physical network public that is no bridge (" in said
    assert all(name in said for name in wired)
    await it.delete("lost")
    await it.delete("blue", "networks")


async def test_a_vlan_is_for_who_may_use_the_physical_network(
    user: Api, operator: object, admin: Rest, cloud: ApiServer
) -> None:
    it = await tenant(user, "vlans-guest", image=False, network=False)
    grant(admin, it.namespace, "vera", Right("create", "networks"))
    async with api(cloud, User("vera")) as vera:
        for number in (102, None):
            with pytest.raises(RefusedError, match=r"you may not use physicalnetworks\.orlop\.dev public"):
                await vera.call("POST", it.path("networks"), vlan(it.namespace, "mine", number))
