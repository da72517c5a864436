"""NICs that come and go while their Instances are there: claimed, listed, let go, freed."""

from typing import Any

import pytest

from orlop_api.requester import Requester
from support import wishes
from support.apiserver import ApiServer
from support.prepared import Tenant, tenant
from support.rest import Rest, User
from support.rights import Right, grant
from support.scripted import ORLOP, Api, Body, RefusedError, ScriptedAgent, api

pytestmark = pytest.mark.component

Agents = dict[str, ScriptedAgent]
ERIN = Requester("erin", "", ("system:authenticated",))


def nic(name: str, network: str = "blue", **more: Any) -> Body:
    return {"name": name, "networkRef": {"name": network}, **more}


async def order(it: Tenant, uid: str) -> dict[str, str]:
    """Name and address of the NICs that the node is told of."""
    nics = (await it.assignment(uid))["spec"].get("nics", [])
    return {each["name"]: each["addresses"][0] for each in nics}


async def addresses(it: Tenant, name: str) -> dict[str, str]:
    found = await it.api.call("GET", f"{it.path('instances')}/{name}")
    return {each["network"]: each["ip"] for each in found["status"].get("addresses", [])}


async def held(it: Tenant, port: str) -> list[str]:
    """Addresses that are claimed under a Port's name."""
    claims = (await it.api.call("GET", f"{ORLOP}/namespaces/orlop-system/claims"))["items"]
    mine = [c["spec"] for c in claims if "quarantinedUntil" not in c["spec"]]
    whose = (it.namespace, port)
    return [s["value"] for s in mine if (s["holder"]["namespace"], s["holder"]["name"]) == whose]


async def until_gone(it: Tenant, port: str) -> None:
    await it.api.until(it.path("ports"), port, lambda thing: thing is None)
    assert await held(it, port) == []


async def prepared(user: Api, namespace: str) -> Tenant:
    it = await tenant(user, namespace)
    await it.make("networks", wishes.network(namespace, "green", "10.20.0.0/24"))
    await it.ready("green", "networks")
    return it


async def test_a_nic_is_claimed_listed_let_go_and_freed(user: Api, agents: Agents) -> None:
    it = await prepared(user, "nic-plug")
    ready = await it.boot("web", networks=[nic("eth0")])
    uid, node = ready["metadata"]["uid"], agents[ready["status"]["nodeName"]]
    first = await order(it, uid)
    await it.change("web", networks=[nic("eth0"), nic("eth1", "green")])
    await it.ready("web")
    both = await order(it, uid)
    assert list(both) == ["eth0", "eth1"]
    assert both["eth0"] == first["eth0"]
    assert await addresses(it, "web") == both
    assert await held(it, "web-eth1") == [both["eth1"]]
    port = await it.api.call("GET", f"{it.path('ports')}/web-eth1")
    assert port["status"]["binding"]["instanceUID"] == uid

    node.clinging.add("web-eth1")
    await it.change("web", networks=[nic("eth0")])
    assert await it.because("web", "Detaching") == f"{node.node} detaches Port web-eth1"
    assert await order(it, uid) == first
    assert await held(it, "web-eth1") == [both["eth1"]], "kept until the node says that it is gone"
    assert await addresses(it, "web") == both, "as it is"
    node.clinging.clear()
    await it.change("web", restartPolicy="Never")  # any order makes the scripted agent look again
    await until_gone(it, "web-eth1")
    await it.ready("web")
    assert await addresses(it, "web") == first
    await it.delete("web")
    assert await it.left_of(uid) == []


async def test_another_one_under_the_same_name_waits_for_the_end_of_the_first(
    user: Api, agents: Agents
) -> None:
    it = await prepared(user, "nic-name")
    ready = await it.boot("web", networks=[nic("eth0"), nic("eth1")])
    uid, node = ready["metadata"]["uid"], agents[ready["status"]["nodeName"]]
    node.clinging.add("web-eth1")
    with pytest.raises(
        RefusedError, match="only securityGroupRefs and qos of a NIC may change while it is listed"
    ):
        await it.change("web", networks=[nic("eth0"), nic("eth1", "green")])
    await it.change("web", networks=[nic("eth0")])
    await it.change("web", networks=[nic("eth0"), nic("eth1", "green")])
    message = await it.because("web", "Detaching")
    assert message == "NIC eth1 waits until the one before it is detached"
    assert list(await order(it, uid)) == ["eth0"]
    node.clinging.clear()
    await it.change("web", restartPolicy="Never")
    await it.ready("web")
    assert (await order(it, uid))["eth1"].startswith("10.20.0.")
    await it.delete("web")
    assert await it.left_of(uid) == []


async def test_those_that_stay_keep_their_order(user: Api, agents: Agents) -> None:
    it = await prepared(user, "nic-order")
    a, b, c = nic("a"), nic("b"), nic("c")
    await it.boot("web", networks=[a, b])
    for wrong in ([b, a], [c, a, b], [a, c, b]):
        with pytest.raises(
            RefusedError, match="NICs that stay keep their order, and new ones come after them"
        ):
            await it.change("web", networks=wrong)
    for right in ([a, b, c], [c], [], [b, a]):
        await it.change("web", networks=right)
    await it.ready("web")
    await it.delete("web")


async def test_a_users_port_comes_and_goes_and_keeps_its_address(user: Api, agents: Agents) -> None:
    it = await prepared(user, "nic-port")
    await it.make("ports", wishes.port("nic-port", "mine", "green"))
    address = (await it.ready("mine", "ports"))["status"]["addresses"][0]
    with_port = [nic("eth0"), {"name": "eth1", "portRef": {"name": "mine"}}]
    one = await it.boot("one", networks=[nic("eth0")])
    two = await it.boot("two", networks=[nic("eth0")])
    await it.change("one", networks=with_port)
    await it.ready("one")
    assert (await order(it, one["metadata"]["uid"]))["eth1"] == address
    await it.change("two", networks=with_port)
    assert await it.because("two", "PortInUse") == "Port nic-port/mine is bound to Instance nic-port/one"
    assert list(await order(it, two["metadata"]["uid"])) == ["eth0"], "what it has is not touched"
    await it.change("one", networks=[nic("eth0")])
    await it.ready("two")
    assert (await order(it, two["metadata"]["uid"]))["eth1"] == address
    for name in ("one", "two"):
        await it.delete(name)


async def test_a_nic_on_a_network_that_the_requester_may_not_use_is_refused(
    user: Api, admin: Rest, agents: Agents, cloud: ApiServer
) -> None:
    it = await prepared(user, "nic-rights")
    rights = (("create", "instances", ""), ("patch", "instances", ""), ("use", "images", ""))
    for verb, kind, name in (*rights, ("use", "networks", "blue")):
        grant(admin, it.namespace, "erin", Right(verb, kind, name))
    path = it.path("instances")
    async with api(cloud, User("erin")) as erin:
        hers = wishes.instance(it.namespace, "web", networks=[nic("eth0")])
        await erin.call("POST", path, wishes.asked_for(hers, ERIN))
        with pytest.raises(RefusedError, match=r"you may not use networks.orlop.dev nic-rights/green"):
            await erin.call(
                "PATCH", f"{path}/web", {"spec": {"networks": [nic("eth0"), nic("eth1", "green")]}}
            )
        await erin.call("PATCH", f"{path}/web", {"spec": {"networks": [nic("eth0"), nic("eth1")]}})
    await it.ready("web")
    await it.delete("web")


async def test_a_stopped_instance_changes_its_list_too(user: Api, agents: Agents) -> None:
    it = await prepared(user, "nic-still")
    ready = await it.boot("web", networks=[nic("eth0"), nic("eth1")])
    uid = ready["metadata"]["uid"]
    await it.change("web", powerState="Stopped")
    await it.because("web", "Stopped")
    await it.change("web", networks=[nic("eth0"), nic("eth2", "green")])
    await until_gone(it, "web-eth1")
    await it.change("web", powerState="Running")
    await it.ready("web")
    assert list(await order(it, uid)) == ["eth0", "eth2"]
    await it.delete("web")


async def test_an_unplaced_instance_frees_what_it_does_not_list(user: Api, agents: Agents) -> None:
    it = await prepared(user, "nic-unplaced")
    nowhere = {"nodeSelector": {"kubernetes.io/hostname": "nowhere"}}
    spec = {"networks": [nic("eth0"), nic("eth1")], "placement": nowhere}
    await it.make("instances", wishes.instance("nic-unplaced", "web", **spec))
    await it.because("web", "Unschedulable")
    await it.change("web", networks=[nic("eth0")])
    await until_gone(it, "web-eth1")
    await it.delete("web")


async def test_an_agent_that_does_not_tell_keeps_its_addresses_until_the_guest_is_stopped(
    user: Api, agents: Agents
) -> None:
    it = await prepared(user, "nic-old")
    for agent in agents.values():
        agent.old = True
    ready = await it.boot("web", networks=[nic("eth0"), nic("eth1")])
    node = ready["status"]["nodeName"]
    await it.change("web", networks=[nic("eth0")])
    message = await it.because("web", "Detaching")
    assert (
        message
        == f"{node}'s agent cannot take a NIC from a guest that runs: it goes once the guest is stopped"
    )
    assert len(await held(it, "web-eth1")) == 1
    await it.change("web", powerState="Stopped")
    await until_gone(it, "web-eth1")
    await it.delete("web")
