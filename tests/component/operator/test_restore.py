"""A Volume is put back to a VolumeSnapshot: after the Instance that has it, before the next one, once for each wish."""

from collections.abc import AsyncIterator

import pytest

from support import wishes
from support.prepared import Tenant, tenant
from support.scripted import ORLOP, Api, Body, ScriptedAgent

pytestmark = pytest.mark.component

Agents = dict[str, ScriptedAgent]


@pytest.fixture(autouse=True)
async def no_instance_left(user: Api, agents: Agents) -> AsyncIterator[None]:
    """The nodes are small, and other tests count what is on them."""
    yield
    for thing in (await user.call("GET", f"{ORLOP}/instances"))["items"]:
        await Tenant(user, thing["metadata"]["namespace"]).delete(thing["metadata"]["name"])


def mount(name: str) -> list[Body]:
    return [{"name": name, "volumeRef": {"name": name}}]


def back_to(snapshot: str, requested_at: str) -> Body:
    return {"snapshotRef": {"name": snapshot}, "requestedAt": requested_at}


async def restored(it: Tenant, requested_at: str) -> Body:
    """Wait until the Volume says so."""

    def done(thing: Body | None) -> bool:
        status = (thing or {}).get("status", {})
        return status.get("restored", {}).get("requestedAt") == requested_at and not status.get("leftovers")

    found = await it.api.until(it.path("volumes"), "data", done)
    assert found is not None
    return found


async def test_it_waits_for_its_instance_and_the_next_one_waits_for_it(user: Api, agents: Agents) -> None:
    it = await tenant(user, "back")
    await it.make("volumes", wishes.volume("back", "data", restore=back_to("moment", "0")))
    web = await it.boot("web", volumes=mount("data"))
    node = web["status"]["nodeName"]
    data = await it.ready("data", "volumes")
    assert data["status"]["restored"] == back_to("moment", "0"), (
        "it was there before the data: it asks for nothing"
    )
    assert wishes.condition(data, "Restoring") == {}
    await it.make("volumesnapshots", wishes.snapshot("back", "moment"))
    moment = await it.ready("moment", "volumesnapshots")

    await it.change("data", "volumes", restore=back_to("moment", "1"))
    message = await it.because("data", "WaitsForInstance", "volumes", "Restoring")
    assert message == "waits until Instance back/web does not have it any more"
    await it.ready("data", "volumes")
    await it.change("web", volumes=[])
    status = (await restored(it, "1"))["status"]
    assert status["location"] == {"local": status["location"]["local"], "generation": 1}
    assert status["restored"]["snapshotUID"] == moment["metadata"]["uid"]
    assert (status["capacityBytes"], status["restores"]) == (1 << 30, 1)
    other = await it.boot("other", volumes=mount("data"))
    assert other["status"]["nodeName"] == node
    [listed] = (await it.assignment(other["metadata"]["uid"]))["spec"]["volumes"]
    assert (listed["location"]["generation"], listed["created"]) == (1, "Created")

    await it.change("data", "volumes", restore=back_to("missing", "2"))
    await it.because("data", "VolumeSnapshotNotFound", "volumes", "Restoring")
    await it.delete("other")
    await it.make("instances", wishes.instance("back", "third", volumes=mount("data")))
    assert await it.because("third", "VolumeRestoring") == (
        "Volume back/data is to be put back to VolumeSnapshot back/missing first: its condition Restoring says more"
    )
    await it.change("data", "volumes", restore=None)
    await it.ready("third")
    await it.change("data", "volumes", restore=back_to("moment", "3"))
    await it.because("data", "WaitsForInstance", "volumes", "Restoring")
    await it.delete("third")
    status = (await restored(it, "3"))["status"]
    assert (status["location"]["generation"], status["restores"]) == (2, 2)

    def idle(host: Body | None) -> bool:
        return not (host or {})["spec"].get("storage")

    await it.api.until(f"{ORLOP}/hypervisors", node, idle)
    await it.delete("moment", "volumesnapshots")
    await it.delete("data", "volumes")
