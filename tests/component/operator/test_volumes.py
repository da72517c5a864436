"""Volumes that come and go while their Instances are there: who has one, and in which order that is written."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from support import wishes
from support.prepared import Tenant, tenant
from support.scripted import ASSIGNMENTS, ORLOP, Api, Body, ScriptedAgent

pytestmark = pytest.mark.component

Agents = dict[str, ScriptedAgent]


@pytest.fixture(autouse=True)
async def no_instance_left(user: Api, agents: Agents) -> AsyncIterator[None]:
    """The nodes are small, and other tests count what is on them."""
    yield
    path = f"{ORLOP}/instances"
    for thing in (await user.call("GET", path))["items"]:
        meta = thing["metadata"]
        await Tenant(user, meta["namespace"]).delete(meta["name"])


def mounts(*names: str) -> list[Body]:
    return [{"name": name, "volumeRef": {"name": name}} for name in names]


async def attachment(it: Tenant, name: str) -> Body:
    volume = await it.api.call("GET", f"{it.path('volumes')}/{name}")
    return next(iter(volume["status"].get("attachments", [])), {})


async def until_free(it: Tenant, name: str) -> Body:
    def free(thing: Body | None) -> bool:
        return not (thing or {}).get("status", {}).get("attachments")

    found = await it.api.until(it.path("volumes"), name, free)
    assert found is not None
    return found


def listed(order: Body) -> list[str]:
    return [volume["name"] for volume in order["spec"].get("volumes", [])]


async def prepared(user: Api, namespace: str, *names: str) -> Tenant:
    it = await tenant(user, namespace)
    for name in names:
        await it.make("volumes", wishes.volume(namespace, name))
    return it


async def test_a_volume_is_claimed_listed_let_go_and_free(user: Api, agents: Agents) -> None:
    it = await prepared(user, "plug", "a", "b")
    ready = await it.boot("web", volumes=mounts("a"))
    uid, node = ready["metadata"]["uid"], agents[ready["status"]["nodeName"]]
    await it.change("web", volumes=mounts("a", "b"))
    await it.ready("web")
    order = await it.assignment(uid)
    assert listed(order) == ["a", "b"]
    held = await attachment(it, "b")
    assert (held["instanceUID"], held["nodeName"], held["generation"]) == (uid, node.node, 1)
    assert order["spec"]["volumes"][1]["attachment"] == 1
    await it.ready("b", "volumes")

    a = (await it.api.call("GET", f"{it.path('volumes')}/a"))["metadata"]["uid"]
    node.clinging.add(a)
    await it.change("web", volumes=mounts("b"))
    message = await it.because("web", "Detaching")
    assert message == f"{node.node} detaches Volume plug/a"
    assert listed(await it.assignment(uid)) == ["b"]
    assert (await attachment(it, "a"))["instanceUID"] == uid, "kept until the node says that it is gone"
    node.clinging.clear()
    await it.change("web", restartPolicy="Never")  # any order makes the scripted agent look again
    await until_free(it, "a")
    await it.ready("web")

    other = await it.boot("other", volumes=mounts("a"))
    assert other["status"]["nodeName"] == node.node, "where the data is"
    assert (await attachment(it, "a"))["generation"] == 2


async def test_a_volume_moves_on_when_it_is_let_go(user: Api, agents: Agents) -> None:
    it = await prepared(user, "move", "data")
    first = await it.boot("one", volumes=mounts("data"))
    where = {"nodeSelector": {"kubernetes.io/hostname": "nowhere"}}
    await it.make("instances", wishes.instance("move", "never", volumes=mounts("data"), placement=where))
    assert await it.because("never", "VolumeInUse") == "Volume move/data is attached to Instance move/one"
    await it.make("instances", wishes.instance("move", "two", volumes=mounts("data")))
    assert await it.because("two", "VolumeInUse") == "Volume move/data is attached to Instance move/one"
    await it.delete("never")
    await it.change("one", volumes=[])
    second = await it.ready("two")
    assert second["status"]["nodeName"] == first["status"]["nodeName"]
    assert (await attachment(it, "data"))["instanceName"] == "two"
    assert not listed(await it.assignment(first["metadata"]["uid"]))


async def test_a_stopped_instance_changes_its_list_too(user: Api, agents: Agents) -> None:
    it = await prepared(user, "still", "a", "b")
    ready = await it.boot("web", volumes=mounts("a"))
    uid = ready["metadata"]["uid"]
    await it.change("web", powerState="Stopped")
    await it.because("web", "Stopped")
    await it.change("web", volumes=mounts("b"))
    await until_free(it, "a")
    await it.api.until(
        it.path("volumes"), "b", lambda t: bool((t or {}).get("status", {}).get("attachments"))
    )
    await it.change("web", powerState="Running")
    await it.ready("web")
    assert listed(await it.assignment(uid)) == ["b"]


async def test_what_cannot_come_says_why_and_comes_later(user: Api, agents: Agents) -> None:
    it = await prepared(user, "wait", "mine", "theirs")
    ready = await it.boot("web", volumes=mounts("mine"))
    await it.boot("other", volumes=mounts("theirs"))
    await it.change("web", volumes=mounts("mine", "theirs", "later"))
    message = await it.because("web", "VolumeInUse", kind="VolumesReady")
    assert message == "Volume wait/theirs is attached to Instance wait/other"
    await it.delete("other")
    theirs = await it.api.call("GET", f"{it.path('volumes')}/theirs")
    if theirs["status"]["nodeName"] != ready["status"]["nodeName"]:
        message = await it.because("web", "VolumeElsewhere", kind="VolumesReady")
        assert message.startswith(f"the data of Volume wait/theirs is on {theirs['status']['nodeName']}, ")
        await it.delete("theirs", "volumes")
        await it.make("volumes", wishes.volume("wait", "theirs"))
    last = "Volume wait/later does not exist"
    await it.api.until(
        it.path("instances"),
        "web",
        lambda thing: wishes.condition(thing, "VolumesReady").get("message") == last,
    )
    assert listed(await it.assignment(ready["metadata"]["uid"])) == ["mine", "theirs"]
    await it.make("volumes", wishes.volume("wait", "later"))
    await it.ready("web")


async def test_a_deleted_volume_stays_until_its_instance_lets_go(user: Api, agents: Agents) -> None:
    it = await prepared(user, "doomed", "data")
    ready = await it.boot("web", volumes=mounts("data"))
    node = agents[ready["status"]["nodeName"]]
    uid = (await it.ready("data", "volumes"))["metadata"]["uid"]
    await it.api.call("DELETE", f"{it.path('volumes')}/data")
    message = await it.because("data", "InUse", "volumes")
    assert message == "being deleted; waits until Instance doomed/web does not list it any more, or is gone"
    assert listed(await it.assignment(ready["metadata"]["uid"])) == ["data"]
    await it.change("web", volumes=[])
    await it.api.until(it.path("volumes"), "data", lambda thing: thing is None)
    assert uid not in node.volumes
    await it.ready("web")


async def test_a_deleted_instance_frees_what_it_did_not_list_any_more(user: Api, agents: Agents) -> None:
    it = await prepared(user, "left", "data")
    ready = await it.boot("web", volumes=mounts("data"))
    uid = (await it.ready("data", "volumes"))["metadata"]["uid"]
    agents[ready["status"]["nodeName"]].clinging.add(uid)
    await it.change("web", volumes=[])
    await it.because("web", "Detaching")
    await it.delete("web")
    await until_free(it, "data")


async def test_data_that_was_made_and_not_heard_of_is_found(user: Api, agents: Agents) -> None:
    it = await prepared(user, "mute", "data")
    for agent in agents.values():
        agent.mute.add("web")
    ready = await it.boot("web", volumes=mounts("data"))
    assert wishes.condition(await _get(it, "data", "volumes"), "Ready")["status"] == "False"
    await it.change("web", volumes=[])
    data = await it.ready("data", "volumes")
    assert (wishes.condition(data, "Ready")["reason"], data["status"].get("attachments", [])) == (
        "Created",
        [],
    )
    assert data["status"]["nodeName"] == ready["status"]["nodeName"]


async def test_an_unplaced_instance_lets_go_too(user: Api, agents: Agents) -> None:
    it = await prepared(user, "early", "data")
    for agent in agents.values():
        agent.refuses.add("shy")
    await it.make("instances", wishes.instance("early", "shy", volumes=mounts("data")))

    def claimed(thing: Body | None) -> bool:
        return bool((thing or {}).get("status", {}).get("attachments"))

    await it.api.until(it.path("volumes"), "data", claimed)
    await it.because("shy", "Unschedulable")
    await it.change("shy", volumes=[])
    await until_free(it, "data")
    for agent in agents.values():
        agent.refuses.discard("shy")


async def test_a_list_that_changes_all_the_time_ends_where_the_user_left_it(
    user: Api, agents: Agents
) -> None:
    it = await prepared(user, "storm", "a", "b", "c")
    ready = await it.boot("web")
    for names in ("ab", "b", "bc", "a", "", "cab", "c", "ca"):
        await it.change("web", volumes=mounts(*names))
        await asyncio.sleep(0.03)
    await it.ready("web")
    order = await it.assignment(ready["metadata"]["uid"])
    assert listed(order) == ["c", "a"]
    assert order["spec"]["instanceGeneration"] <= (await _get(it, "web"))["metadata"]["generation"]
    await until_free(it, "b")
    holders = [(await attachment(it, name)).get("instanceName") for name in "abc"]
    assert holders == ["web", None, "web"]


async def _get(it: Tenant, name: str, plural: str = "instances") -> dict[str, Any]:
    return await it.api.call("GET", f"{it.path(plural)}/{name}")


async def test_a_volume_grows_with_its_guest_and_says_how_far_it_is(user: Api, agents: Agents) -> None:
    it = await prepared(user, "grow", "data")
    ready = await it.boot("web", volumes=mounts("data"))

    def capacity(size: int) -> Callable[[Body | None], bool]:
        return lambda thing: (thing or {})["status"].get("capacityBytes") == size

    data = await it.api.until(it.path("volumes"), "data", capacity(1 << 30))
    assert data is not None
    assert wishes.condition(data, "Ready")["reason"] == "Created"
    node = agents[ready["status"]["nodeName"]]
    node.clinging.add(data["metadata"]["uid"])
    await it.change("data", "volumes", size="2Gi", qos={"iopsPerSecond": 100, "bytesPerSecond": "10Mi"})
    message = await it.because("data", "Growing", "volumes", "Resizing")
    assert message == f"1Gi grow to 2Gi on {node.node}, by Instance grow/web; its VolumesReady says more"
    assert wishes.condition(await it.ready("data", "volumes"), "Ready")["reason"] == "Created"

    def ordered(*wanted: int) -> Callable[[Body | None], bool]:
        """Bytes, IOPS and bandwidth in the order."""

        def there(order: Body | None) -> bool:
            (told,) = (order or {})["spec"]["volumes"]
            limits = told["limits"]
            return (told["sizeBytes"], limits["iopsPerSecond"], limits["bytesPerSecond"]) == wanted

        return there

    await user.until(ASSIGNMENTS, ready["metadata"]["uid"], ordered(2 << 30, 100, 10 << 20))
    node.clinging.clear()
    await it.change("data", "volumes", qos=None)
    data = await it.api.until(it.path("volumes"), "data", capacity(2 << 30))
    assert wishes.condition(data, "Resizing") == {}
    await user.until(ASSIGNMENTS, ready["metadata"]["uid"], ordered(2 << 30, 0, 0))


async def test_a_volume_that_nobody_has_grows_on_its_node(user: Api, agents: Agents) -> None:
    it = await prepared(user, "alone", "data")
    ready = await it.boot("web", volumes=mounts("data"))
    data = await it.ready("data", "volumes")
    await it.delete("web")
    await it.change("data", "volumes", size="3Gi")
    data = await it.api.until(
        it.path("volumes"), "data", lambda thing: (thing or {})["status"].get("capacityBytes") == 3 << 30
    )
    assert data is not None
    assert wishes.condition(data, "Resizing") == {}
    node = ready["status"]["nodeName"]

    def through(thing: Body | None) -> bool:
        return not (thing or {})["spec"].get("storage")

    await it.api.until(f"{ORLOP}/hypervisors", node, through)
    assert data["metadata"]["uid"] in agents[node].volumes
