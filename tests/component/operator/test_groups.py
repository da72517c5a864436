"""SecurityGroups from the Instance's list to what agents read, with scripted agents."""

import pytest

from orlop_api.requester import Requester
from support import wishes
from support.apiserver import ApiServer
from support.prepared import Tenant, tenant
from support.rest import Rest, User
from support.rights import Right, grant
from support.scripted import Api, ScriptedAgent, api

pytestmark = pytest.mark.component

Agents = dict[str, ScriptedAgent]
ALL = [{"cidr": "0.0.0.0/0"}]


ERIN = Requester("erin", "", ("system:authenticated",))


def group(namespace: str, name: str, **spec: object) -> wishes.Body:
    return wishes.thing("SecurityGroup", namespace, name, {"egress": ALL, **spec})


def nic(*names: str) -> wishes.Body:
    listed = [{"name": name} for name in names]
    return {"name": "eth0", "networkRef": {"name": "blue"}, "securityGroupRefs": listed}


async def made(it: Tenant, name: str) -> str:
    return (await it.make("securitygroups", group(it.namespace, name)))["metadata"]["uid"]


async def in_force(user: Api, it: Tenant, port: str, *uids: str) -> None:
    def told(thing: wishes.Body | None) -> bool:
        assert thing
        return thing["status"].get("securityGroups", []) == sorted(uids)

    await user.until(it.path("ports"), port, told)


async def test_lists_are_followed_while_the_guest_runs(user: Api, agents: Agents) -> None:
    it = await tenant(user, "groups")
    web, app = await made(it, "web"), await made(it, "app")
    await it.ready("web", "securitygroups")
    ready = await it.boot("one", networks=[nic("web")])
    order = await it.assignment(ready["metadata"]["uid"])
    assert order["spec"]["nics"][0]["security"] == {"namespace": "groups", "groups": [web]}
    await in_force(user, it, "one-eth0", web)

    await it.change("one", networks=[nic("web", "app")])
    await in_force(user, it, "one-eth0", web, app)
    await it.change("one", networks=[nic()])
    await in_force(user, it, "one-eth0")
    # The order is not written again: agents follow the Port.
    after = await it.assignment(ready["metadata"]["uid"])
    assert after["metadata"]["generation"] == order["metadata"]["generation"]

    await it.change("one", networks=[nic("no-such")])
    message = await it.because("one", "SecurityGroupNotFound")
    assert message == "SecurityGroup groups/no-such does not exist"
    late = await made(it, "no-such")
    await in_force(user, it, "one-eth0", late)
    await it.ready("one")


async def test_default_is_for_who_lists_none(user: Api, agents: Agents) -> None:
    it = await tenant(user, "default-group")
    web = await made(it, "web")
    await it.boot("free")
    await it.boot("listed", networks=[nic("web")])
    await it.make("ports", wishes.port("default-group", "mine"))
    await it.ready("mine", "ports")
    await in_force(user, it, "free-eth0")

    default = await made(it, "default")
    await in_force(user, it, "free-eth0", default)
    await in_force(user, it, "mine", default)
    await in_force(user, it, "listed-eth0", web)

    await it.delete("default", "securitygroups")
    await in_force(user, it, "free-eth0")
    await in_force(user, it, "mine")


async def test_a_group_goes_after_those_that_list_it(user: Api, agents: Agents) -> None:
    it = await tenant(user, "group-ends")
    web = await made(it, "web")
    port = wishes.port("group-ends", "mine")
    port["spec"]["securityGroupRefs"] = [{"name": "web"}]
    await it.make("ports", port)
    await it.ready("mine", "ports")
    await it.boot("one", networks=[{"name": "eth0", "portRef": {"name": "mine"}}])
    await it.boot("two", networks=[nic("web")])
    await user.call("DELETE", it.path("securitygroups") + "/web")
    message = await it.because("web", "InUse", "securitygroups")
    assert message == "being deleted; stays in force until it is listed no more for Port mine, two-eth0"
    await in_force(user, it, "mine", web)

    await it.make("instances", wishes.instance("group-ends", "three", networks=[nic("web")]))
    message = await it.because("three", "SecurityGroupNotReady")
    assert message == "SecurityGroup group-ends/web is being deleted"

    change = {"spec": {"securityGroupRefs": []}}
    await user.call("PATCH", it.path("ports") + "/mine", change)
    await it.delete("two")
    await user.until(it.path("securitygroups"), "web", lambda thing: thing is None)
    await in_force(user, it, "mine")


async def test_a_group_that_the_requester_may_not_use_is_not_in_force(
    user: Api, admin: Rest, agents: Agents, cloud: ApiServer
) -> None:
    it = await tenant(user, "lent-groups")
    web, _ = await made(it, "web"), await made(it, "app")
    for verb, kind, name in (
        ("create", "instances", ""),
        ("patch", "instances", ""),
        ("use", "images", ""),
        ("use", "networks", ""),
        ("use", "securitygroups", "web"),
    ):
        grant(admin, it.namespace, "erin", Right(verb, kind, name))
    async with api(cloud, User("erin")) as erin:
        hers = wishes.instance(it.namespace, "one", networks=[nic("web")])
        await erin.call("POST", it.path("instances"), wishes.asked_for(hers, ERIN))
        await it.ready("one")
        await in_force(user, it, "one-eth0", web)
        change = {"spec": {"networks": [nic("app")]}}
        await erin.call("PATCH", it.path("instances") + "/one", change)
    message = await it.because("one", "Forbidden")
    assert message == (
        "erin may not use securitygroups lent-groups/app: a RoleBinding in namespace lent-groups to the ClusterRole"
        " orlop-editor would allow it"
    )
    await in_force(user, it, "one-eth0", web)
