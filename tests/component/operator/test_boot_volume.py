"""Instances that boot from a Volume: they wait for it, hold it as any other, and leave it to the next one."""

from collections.abc import AsyncIterator

import pytest

from support import wishes
from support.prepared import Tenant, tenant
from support.scripted import ORLOP, Api, Body, ScriptedAgent

pytestmark = pytest.mark.component

Agents = dict[str, ScriptedAgent]
DIGEST = "sha256:" + "ab" * 32


@pytest.fixture(autouse=True)
async def no_instance_left(user: Api, agents: Agents) -> AsyncIterator[None]:
    """The nodes are small, and other tests count what is on them."""
    yield
    for agent in agents.values():
        agent.refuses.clear()
    for thing in (await user.call("GET", f"{ORLOP}/instances"))["items"]:
        await Tenant(user, thing["metadata"]["namespace"]).delete(thing["metadata"]["name"])


def boots(namespace: str, name: str, **spec: object) -> Body:
    return wishes.instance(namespace, name, boot={"volumeRef": {"name": "system"}}, **spec)


def attached(thing: Body) -> Body:
    """The one attachment."""
    [found] = thing["status"]["attachments"]
    return dict(found)


async def refused_after_a_stop(it: Tenant, agents: Agents, name: str, *volumes: Body) -> tuple[str, str]:
    """An Instance that ran, was stopped, and is refused by its node when it shall run again; that node, the other."""
    await it.make("instances", boots(it.namespace, name, volumes=list(volumes)))
    node: str = (await it.ready(name))["status"]["nodeName"]
    await it.change(name, powerState="Stopped")
    await it.because(name, "Stopped")
    agents[node].refuses.add(name)
    await it.change(name, powerState="Running")
    return node, next(other for other in agents if other != node)


async def test_the_machine_waits_for_its_volume_and_the_next_one_has_it(user: Api, agents: Agents) -> None:
    it = await tenant(user, "bootvol")
    await it.make("instances", boots("bootvol", "one"))
    assert await it.because("one", "VolumeNotFound") == "Volume bootvol/system does not exist"
    await it.make("volumes", wishes.volume("bootvol", "system", source={"imageRef": {"name": "tiny"}}))
    one = await it.ready("one")
    order = (await it.assignment(one["metadata"]["uid"]))["spec"]
    system = await it.ready("system", "volumes")
    assert (order["bootVolumeUID"], order["rootDiskBytes"]) == (system["metadata"]["uid"], 0)
    [listed] = order["volumes"]
    assert (listed["name"], listed["origin"]["image"]["digest"]) == ("root", DIGEST)
    assert (one["status"]["image"], system["status"]["image"]["digest"]) == ({"digest": DIGEST}, DIGEST)

    await it.make("instances", boots("bootvol", "two"))
    said = "Volume bootvol/system is attached to Instance bootvol/one"
    assert await it.because("two", "VolumeInUse") == said
    await it.api.call("DELETE", f"{it.path('volumes')}/system", {"propagationPolicy": "Background"})
    said = "being deleted; waits until Instance bootvol/one does not list it any more, or is gone"
    assert await it.because("system", "InUse", "volumes") == said
    await it.delete("two")
    await it.delete("one")
    await it.api.until(it.path("volumes"), "system", lambda thing: thing is None)


async def test_the_data_is_made_once_and_the_image_may_be_gone(user: Api, agents: Agents) -> None:
    it = await tenant(user, "bootagain")
    await it.make("images", wishes.image("bootagain", "gone"))
    await it.ready("gone", "images")
    await it.make("volumes", wishes.volume("bootagain", "system", source={"imageRef": {"name": "gone"}}))
    await it.make("instances", boots("bootagain", "one"))
    first = await it.ready("one")
    await it.ready("system", "volumes")
    await it.delete("gone", "images")
    await it.delete("one")
    await it.make("instances", boots("bootagain", "two"))
    second = await it.ready("two")
    assert second["status"]["nodeName"] == first["status"]["nodeName"], "where the data is"
    assert second["status"]["image"] == {"digest": DIGEST}
    [listed] = (await it.assignment(second["metadata"]["uid"]))["spec"]["volumes"]
    assert listed["created"] == "Created"
    assert "origin" not in listed


async def test_data_that_all_nodes_reach_holds_no_machine_on_one(user: Api, agents: Agents) -> None:
    """A node that will not have it any more hands it on; one with a Volume of its own pool is kept waiting."""
    it = await tenant(user, "bootmove")
    await user.call("POST", f"{ORLOP}/volumeclasses", wishes.shared_class("nfs-boot"))
    for agent in agents.values():
        await agent.report(sharedPools=[{"name": "nfs-boot", "poolID": "p-1"}])
    await it.make("volumes", wishes.volume("bootmove", "system", className="nfs-boot"))
    first, other = await refused_after_a_stop(it, agents, "free")
    await it.api.until(
        it.path("instances"), "free", lambda thing: (thing or {}).get("status", {}).get("nodeName") == other
    )
    await it.ready("free")
    held = attached(await it.api.call("GET", f"{it.path('volumes')}/system"))
    assert (held["nodeName"], held["generation"]) == (other, 2)
    agents[first].refuses.clear()
    await it.delete("free")

    await it.make("volumes", wishes.volume("bootmove", "data"))
    first, _ = await refused_after_a_stop(it, agents, "held", {"name": "data", "volumeRef": {"name": "data"}})
    assert f"1 the data is on {first}" in await it.because("held", "PinnedToNode")
    agents[first].refuses.clear()
    await it.delete("held")
    for name in ("system", "data"):
        await it.delete(name, "volumes")
    for agent in agents.values():
        await agent.report(sharedPools=[])


async def test_what_an_image_needs_goes_with_its_volume(user: Api, agents: Agents) -> None:
    it = await tenant(user, "bootneeds")
    url = "https://images.example/large.qcow2"
    image = wishes.image("bootneeds", "large", url)
    image["spec"]["requirements"] = {"minDisk": "3Gi", "minMemory": "600Mi"}
    image["spec"]["kernelBoot"] = {
        "kernel": {"http": {"url": "https://images.example/vmlinuz"}},
        "commandLine": "root=/dev/vda",
    }
    for agent in agents.values():
        agent.imports[url] = {
            "state": "Ready",
            "digest": DIGEST,
            "kernelDigest": DIGEST,
            "format": "qcow2",
            "sizeBytes": 4096,
            "virtualSizeBytes": 1 << 20,
        }
    await it.make("images", image)
    await it.ready("large", "images")
    await it.make("volumes", wishes.volume("bootneeds", "system", source={"imageRef": {"name": "large"}}))
    await it.make("instances", boots("bootneeds", "one"))
    assert await it.because("one", "VolumeTooSmall") == (
        "the image that Volume bootneeds/system began as needs a disk of 3Gi, and it has 1Gi: raise its spec.size"
    )
    await it.change("system", "volumes", size="4Gi")
    assert await it.because("one", "FlavorTooSmall") == (
        "the image that Volume bootneeds/system began as needs 600Mi of memory, Flavor small has 512Mi"
    )
    await it.delete("one")
    await it.make("flavors", wishes.flavor("wide", "1Gi"))
    await it.make("instances", boots("bootneeds", "two", flavorName="wide"))
    two = await it.ready("two")
    order = (await it.assignment(two["metadata"]["uid"]))["spec"]
    assert (order["image"]["commandLine"], "kernel" in order["image"]) == ("root=/dev/vda", True)
    [listed] = order["volumes"]
    assert "kernel" not in listed["origin"]["image"], "the disk alone is copied"
    await it.make("volumesnapshots", wishes.snapshot("bootneeds", "kept", "system"))
    kept = await it.ready("kept", "volumesnapshots")
    needs = {"cpuFeatures": [], "minDisk": "3Gi", "minMemory": "600Mi"}
    assert kept["status"]["image"]["requirements"] == needs
    source = {"snapshotRef": {"name": "kept"}}
    await it.make("volumes", wishes.volume("bootneeds", "copy", size="4Gi", source=source))
    await it.make(
        "instances",
        wishes.instance("bootneeds", "three", flavorName="wide", boot={"volumeRef": {"name": "copy"}}),
    )
    three = await it.ready("three")
    order = (await it.assignment(three["metadata"]["uid"]))["spec"]
    assert order["image"]["commandLine"] == "root=/dev/vda", "also by way of a VolumeSnapshot"
