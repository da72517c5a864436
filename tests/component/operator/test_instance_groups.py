"""InstanceGroups with the operator's process: kept by creates at once, given back, and ended after their Instances."""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from subprocess import Popen

import pytest

from orlop_api.requester import Requester
from support import wishes
from support.apiserver import ApiServer
from support.cloud import Start
from support.prepared import Tenant, tenant
from support.rest import Rest, User
from support.rights import Right, grant
from support.scripted import ASSIGNMENTS, Api, RefusedError, ScriptedAgent, agent, api

pytestmark = pytest.mark.component

Agents = dict[str, ScriptedAgent]
ERIN = Requester("erin", "", ("system:authenticated",))


@pytest.fixture
async def agents(cloud: ApiServer, operator: object) -> AsyncIterator[Agents]:
    """Of nodes with room for all that these tests ask for, whatever others left there."""
    room = {"vcpus": 64, "memory": 64 << 30, "disk": 800 << 30}
    async with agent(cloud, "node-1", **room) as one, agent(cloud, "node-2", **room) as two:
        await asyncio.gather(one.reported.wait(), two.reported.wait())
        yield {"node-1": one, "node-2": two}


async def grouped(user: Api, namespace: str, policy: str, **spec: object) -> Tenant:
    it = await tenant(user, namespace)
    body = wishes.thing("InstanceGroup", namespace, "web", {"policy": policy, **spec})
    await it.make("instancegroups", body)
    await it.ready("web", "instancegroups")
    return it


def member(namespace: str, name: str) -> wishes.Body:
    return wishes.instance(namespace, name, placement={"groupRef": {"name": "web"}})


async def nodes(it: Tenant, *names: str) -> Counter[str]:
    ready = await asyncio.gather(*(it.ready(name) for name in names))
    return Counter(thing["status"]["nodeName"] for thing in ready)


async def test_each_on_its_own_node_and_a_place_comes_back(user: Api, agents: Agents) -> None:
    it = await grouped(user, "apart", "AntiAffinity")
    await asyncio.gather(*(it.make("instances", member("apart", name)) for name in ("one", "two")))
    assert await nodes(it, "one", "two") == {"node-1": 1, "node-2": 1}
    await it.make("instances", member("apart", "three"))
    said = await it.because("three", "Unschedulable", kind="Scheduled")
    assert said == (
        "0/2 hypervisors: 2 taken by InstanceGroup apart/web (at most 1 for each kubernetes.io/hostname)"
    )
    await it.delete("one")
    await it.ready("three")
    group = await user.call("GET", it.path("instancegroups") + "/web")
    members = {each["name"]: each["domain"] for each in group["status"]["members"]}
    assert (set(members), set(members.values())) == ({"two", "three"}, {"node-1", "node-2"})
    with pytest.raises(RefusedError, match=r"placement\.groupRef is immutable: create another Instance"):
        await it.change("two", placement=None)

    await user.call("DELETE", it.path("instancegroups") + "/web")
    said = await it.because("web", "InUse", "instancegroups")
    assert said == "being deleted; stays in force until it is named no more by Instance three, two"
    await it.make("instances", member("apart", "four"))
    said = await it.because("four", "InstanceGroupNotReady", kind="Scheduled")
    assert said == "InstanceGroup apart/web is being deleted"
    await asyncio.gather(*(it.delete(name) for name in ("two", "three", "four")))
    await user.until(it.path("instancegroups"), "web", lambda thing: thing is None)


async def test_many_at_once_fill_it_to_the_last_place(user: Api, agents: Agents) -> None:
    it = await grouped(user, "filled", "AntiAffinity", maxPerDomain=8)
    names = [f"web-{number}" for number in range(20)]
    await asyncio.gather(*(it.make("instances", member("filled", name)) for name in names))

    def settled(things: dict[str, wishes.Body]) -> bool:
        found = Counter(wishes.condition(thing, "Ready").get("reason") for thing in things.values())
        return found["Running"] == 16 and found["Unschedulable"] == 4

    seen: dict[str, wishes.Body] = {}
    async with asyncio.timeout(120):
        while not settled(seen):
            listed = await user.call("GET", it.path("instances"))
            seen = {item["metadata"]["name"]: item for item in listed["items"]}
            await asyncio.sleep(0.2)
    homes = Counter(thing["status"]["nodeName"] for thing in seen.values() if wishes.is_ready(thing))
    assert homes == {"node-1": 8, "node-2": 8}
    leave = [name for name, thing in seen.items() if wishes.is_ready(thing)][:4]
    await asyncio.gather(*(it.delete(name) for name in leave))
    assert await nodes(it, *(name for name in names if name not in leave)) == {"node-1": 8, "node-2": 8}
    await asyncio.gather(*(it.delete(name) for name in names if name not in leave))
    await it.delete("web", "instancegroups")


async def test_a_leader_that_slept_wakes_up_to_another_one(
    user: Api, agents: Agents, start: Start, operator: "Popen[bytes]"
) -> None:
    """It goes on by what it knew; so for a moment two decide."""
    it = await grouped(user, "slept", "AntiAffinity", maxPerDomain=4)
    names = [f"web-{number}" for number in range(12)]

    def orders(found: wishes.Body) -> Counter[str]:
        mine = (o["spec"] for o in found["items"] if o["spec"]["instance"]["namespace"] == "slept")
        return Counter(spec["nodeName"] for spec in mine if "nodeName" in spec)

    with start("sleepless"):
        lease = "/apis/coordination.k8s.io/v1/namespaces/orlop-system/leases/orlop-operator"
        assert (await user.call("GET", lease))["spec"]["holderIdentity"] == "one"
        await asyncio.gather(*(it.make("instances", member("slept", name)) for name in names))
        operator.send_signal(signal.SIGSTOP)
        try:
            async with asyncio.timeout(60):
                while (await user.call("GET", lease))["spec"]["holderIdentity"] == "one":
                    await asyncio.sleep(0.2)
        finally:
            operator.send_signal(signal.SIGCONT)
        async with asyncio.timeout(120):
            while (placed := orders(await user.call("GET", ASSIGNMENTS))) != {"node-1": 4, "node-2": 4}:
                assert max(placed.values(), default=0) <= 4
                await asyncio.sleep(0.1)
        group = await user.call("GET", it.path("instancegroups") + "/web")
        members = Counter(each["domain"] for each in group["status"]["members"])
        assert members == {"node-1": 4, "node-2": 4}
        await asyncio.gather(*(it.delete(name) for name in names))
        await it.delete("web", "instancegroups")


async def test_together_and_softly(user: Api, agents: Agents) -> None:
    it = await grouped(user, "together", "Affinity")
    names = [f"web-{number}" for number in range(6)]
    await asyncio.gather(*(it.make("instances", member("together", name)) for name in names))
    assert len(await nodes(it, *names)) == 1
    soft = await grouped(user, "softly", "SoftAntiAffinity")
    for name in names[:3]:
        await soft.make("instances", member("softly", name))
        await soft.ready(name)
    assert sorted((await nodes(soft, *names[:3])).values()) == [1, 2]
    group = await user.call("GET", soft.path("instancegroups") + "/web")
    assert group["status"]["members"] == []
    await asyncio.gather(*(it.delete(name) for name in names), *(soft.delete(name) for name in names[:3]))


async def test_it_is_waited_for_and_takes_the_right_to_use_it(
    user: Api, admin: Rest, agents: Agents, cloud: ApiServer
) -> None:
    it = await tenant(user, "regrouped")
    await it.make("instances", member("regrouped", "one"))
    said = await it.because("one", "InstanceGroupNotFound", kind="Scheduled")
    assert said == "InstanceGroup regrouped/web does not exist"
    spec = {"policy": "Affinity", "topologyKey": "example.com/rack"}
    await it.make("instancegroups", wishes.thing("InstanceGroup", "regrouped", "web", spec))
    said = await it.because("one", "Unschedulable", kind="Scheduled")
    assert said == (
        "0/2 hypervisors: 2 have no label example.com/rack, which InstanceGroup regrouped/web goes by"
    )
    for verb, kind, name in (
        ("create", "instances", ""),
        ("use", "images", ""),
        ("use", "networks", ""),
    ):
        grant(admin, "regrouped", "erin", Right(verb, kind, name))
    async with api(cloud, User("erin")) as erin:
        hers = wishes.asked_for(member("regrouped", "hers"), ERIN)
        with pytest.raises(RefusedError, match=r"you may not use instancegroups\.orlop\.dev regrouped/web"):
            await erin.call("POST", it.path("instances"), hers)
