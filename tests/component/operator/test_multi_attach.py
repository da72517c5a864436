"""A Volume of a class with multiAttach, on a real API server: two Instances on two nodes, and all on one node."""

from collections.abc import AsyncIterator

import pytest

from support import wishes
from support.prepared import Tenant, tenant
from support.scripted import ORLOP, Api, Body, ScriptedAgent

pytestmark = pytest.mark.component

Agents = dict[str, ScriptedAgent]
WIDE = {"driver": "nbd", "multiAttach": "Enabled", "nbd": {"host": "192.0.2.8"}}
NEAR = {"driver": "local", "multiAttach": "Enabled", "local": {"format": "raw"}}


@pytest.fixture(autouse=True)
async def no_instance_left(user: Api, agents: Agents) -> AsyncIterator[None]:
    """The nodes are small, and other tests count what is on them."""
    yield
    for thing in (await user.call("GET", f"{ORLOP}/instances"))["items"]:
        meta = thing["metadata"]
        await Tenant(user, meta["namespace"]).delete(meta["name"])


async def prepared(user: Api, namespace: str, spec: Body) -> Tenant:
    it = await tenant(user, namespace)
    name = f"{namespace}-class"
    await it.make(
        "volumeclasses",
        {"apiVersion": "orlop.dev/v1alpha1", "kind": "VolumeClass", "metadata": {"name": name}, "spec": spec},
    )
    volume = wishes.volume(namespace, "data")
    volume["spec"]["className"] = name
    await it.make("volumes", volume)
    return it


MOUNTS = [{"name": "data", "volumeRef": {"name": "data"}}]


def held_by(*names: str):
    def there(thing: Body | None) -> bool:
        found = (thing or {}).get("status", {}).get("attachments", [])
        return sorted(held["instanceName"] for held in found) == sorted(names)

    return there


async def test_both_have_it_and_it_goes_with_the_last(user: Api, agents: Agents) -> None:
    it = await prepared(user, "wide", WIDE)
    agents["node-1"].refuses.add("wide-two")
    made = [await it.boot(name, volumes=MOUNTS) for name in ("one", "wide-two")]
    assert [thing["status"]["nodeName"] for thing in made] == ["node-1", "node-2"]
    await it.api.until(it.path("volumes"), "data", held_by("one", "wide-two"))
    for thing in made:
        (told,) = (await it.assignment(thing["metadata"]["uid"]))["spec"]["volumes"]
        assert told["multiAttach"] == "Enabled"
    await it.api.call("DELETE", f"{it.path('volumes')}/data")
    message = await it.because("data", "InUse", "volumes")
    assert (
        message
        == "being deleted; waits until Instances wide/one and wide/wide-two do not list it any more, or are gone"
    )
    await it.change("one", volumes=[])
    await it.api.until(it.path("volumes"), "data", held_by("wide-two"))
    await it.delete("wide-two")
    await it.api.until(it.path("volumes"), "data", lambda thing: thing is None)


async def test_a_node_s_own_pool_takes_all_of_them_there(user: Api, agents: Agents) -> None:
    it = await prepared(user, "near", NEAR)
    first = await it.boot("one", volumes=MOUNTS)
    node = first["status"]["nodeName"]
    second = await it.boot("two", volumes=MOUNTS)
    assert second["status"]["nodeName"] == node
    agents[node].refuses.add("three")
    await it.make("instances", wishes.instance("near", "three", volumes=MOUNTS))
    message = await it.because("three", "Unschedulable")
    assert f"1 Volume near/data is on {node}" in message
    assert "no room after all" in message
    await it.api.until(it.path("volumes"), "data", held_by("one", "three", "two"))


async def test_a_plain_class_lets_one_have_it(user: Api, agents: Agents) -> None:
    it = await prepared(user, "plain", WIDE | {"multiAttach": "Disabled"})
    await it.boot("one", volumes=MOUNTS)
    await it.make("instances", wishes.instance("plain", "two", volumes=MOUNTS))
    assert await it.because("two", "VolumeInUse") == "Volume plain/data is attached to Instance plain/one"
