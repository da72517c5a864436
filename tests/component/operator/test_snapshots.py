"""VolumeSnapshots, and Volumes that begin as something: ordered where the data is, pinned there, and ended."""

import pytest

from support import wishes
from support.prepared import tenant
from support.scripted import Api, Body, RefusedError, ScriptedAgent

pytestmark = pytest.mark.component

Agents = dict[str, ScriptedAgent]


def mount(name: str) -> list[Body]:
    return [{"name": name, "volumeRef": {"name": name}}]


async def test_a_snapshot_is_taken_where_the_volume_is_and_a_clone_goes_there(
    user: Api, agents: Agents
) -> None:
    it = await tenant(user, "snap")
    await it.make("volumes", wishes.volume("snap", "data"))
    await it.make("volumesnapshots", wishes.snapshot("snap", "early"))
    assert (
        await it.because("early", "VolumeNotReady", "volumesnapshots") == "Volume snap/data has no data yet"
    )
    web = await it.boot("web", volumes=mount("data"))
    node = web["status"]["nodeName"]
    await it.ready("data", "volumes")
    taken = (await it.ready("early", "volumesnapshots"))["status"]
    volume = await it.api.call("GET", f"{it.path('volumes')}/data")
    assert (taken["nodeName"], taken["volumeUID"]) == (node, volume["metadata"]["uid"])
    assert (taken["sizeBytes"], taken["consistency"]) == (1 << 30, "Crash")

    await it.make(
        "volumes", wishes.volume("snap", "small", size="1Mi", source={"snapshotRef": {"name": "early"}})
    )
    await it.make("instances", wishes.instance("snap", "narrow", volumes=mount("small")))
    assert await it.because("narrow", "VolumeTooSmall") == (
        "VolumeSnapshot snap/early has 1Gi, and Volume snap/small, which begins as it, 1Mi: "
        "create one that is as large at least"
    )
    await it.delete("narrow")

    for name, source in {
        "restored": {"snapshotRef": {"name": "early"}},
        "cloned": {"volumeRef": {"name": "data"}},
    }.items():
        await it.make("volumes", wishes.volume("snap", name, source=source))
        ready = await it.boot(f"with-{name}", volumes=mount(name))
        assert ready["status"]["nodeName"] == node, "where what it begins as can be read"
        [listed] = (await it.assignment(ready["metadata"]["uid"]))["spec"]["volumes"]
        expected = {"restored": "early", "cloned": "data"}[name]
        kind = {"restored": "volumesnapshots", "cloned": "volumes"}[name]
        uid = (await it.api.call("GET", f"{it.path(kind)}/{expected}"))["metadata"]["uid"]
        assert listed["origin"]["volumeUID"] == uid

    uid = (await it.api.call("GET", f"{it.path('volumesnapshots')}/early"))["metadata"]["uid"]
    await it.delete("early", "volumesnapshots")

    def forgotten(host: Body | None) -> bool:
        return all(order["uid"] != uid for order in (host or {})["spec"].get("storage", []))

    # The order goes with the object.
    await it.api.until("/apis/orlop.dev/v1alpha1/hypervisors", node, forgotten)
    for name in ("web", "with-restored", "with-cloned"):
        await it.delete(name)


async def test_a_volume_that_begins_as_an_image_waits_for_it(user: Api, agents: Agents) -> None:
    it = await tenant(user, "disk")
    await it.make("volumes", wishes.volume("disk", "tools", source={"imageRef": {"name": "later"}}))
    await it.make("instances", wishes.instance("disk", "web", volumes=mount("tools")))
    assert await it.because("web", "ImageNotFound") == "Image disk/later does not exist"
    await it.make("images", wishes.image("disk", "later"))
    ready = await it.ready("web")
    [listed] = (await it.assignment(ready["metadata"]["uid"]))["spec"]["volumes"]
    assert listed["origin"]["image"]["digest"] == "sha256:" + "ab" * 32
    await it.delete("web")


async def test_a_source_is_one_thing_and_stays(user: Api, agents: Agents) -> None:
    it = await tenant(user, "odd")
    both = {"snapshotRef": {"name": "a"}, "volumeRef": {"name": "b"}}
    with pytest.raises(RefusedError, match="exactly one of imageRef, snapshotRef and volumeRef must be set"):
        await it.make("volumes", wishes.volume("odd", "x", source=both))
    await it.make("volumes", wishes.volume("odd", "y", source={"volumeRef": {"name": "b"}}))
    change = {"spec": {"source": {"volumeRef": {"name": "c"}}}}
    with pytest.raises(RefusedError, match="source is immutable: create another Volume"):
        await it.api.call("PATCH", f"{it.path('volumes')}/y", change)
