"""A guest whose first disk is a Volume: nothing of its own is made, and what it wrote outlives it."""

import uuid
from typing import Any

import pytest

from orlop_agent.hypervisor import DomainDisk
from support.scripted import Api, Body
from support.simnode import SimNode, Story

pytestmark = pytest.mark.component


def volume(uid: str, name: str = "root", **more: Any) -> Body:
    return {"name": name, "volumeUID": uid, "location": {"local": {}}, "sizeBytes": 1 << 20, **more}


def boots(operator: Api, node: SimNode, uid: str, *others: Body, **more: Any) -> Story:
    """It lists the boot Volume last: the machine has it first."""
    spec = {
        "bootVolumeUID": uid,
        "rootDiskBytes": 0,
        "image": None,
        "volumes": [*others, volume(uid, **more)],
    }
    return Story(operator, node, **spec)


def disks(node: SimNode, story: Story) -> list[tuple[str, str | None]]:
    found: tuple[DomainDisk, ...] = node.hypervisor.domains[story.uid].disks
    return [(disk.target, disk.volume_uid) for disk in found]


async def test_the_volume_is_the_first_disk_and_stays(operator: Api, node: SimNode):
    root, data = (str(uuid.uuid4()) for _ in range(2))
    story = boots(operator, node, root, volume(data, "data"))
    async with node.agent():
        await story.bind()
        status = await story.until(
            "Running", attachedVolumes=[{"volumeUID": u} for u in sorted((root, data))]
        )
        assert status["rootDisk"] == "Absent", "nothing of the Instance's own holds it on the node"
        assert disks(node, story) == [("vda", root), ("vdb", data), ("vdc", None)]
        assert node.files(story.uid) == ["seed.iso"]
        await story.change(volumes=[volume(root)])
        await story.until("Running", attachedVolumes=[{"volumeUID": root}])
        await story.change(desired="Purged")
        await story.until("Released", rootDisk="Absent")
        assert node.files(story.uid) == []
        next_one = boots(operator, node, root, created="Created")
        await next_one.bind()
        await next_one.until("Running")
    assert disks(node, next_one)[0] == ("vda", root)
    assert (node.layout.volumes / f"{root}.qcow2").exists()


async def test_it_is_told_when_the_volume_is_lost_and_no_blank_one_takes_its_place(
    operator: Api, node: SimNode
):
    root = str(uuid.uuid4())
    story = boots(operator, node, root, created="Created")
    async with node.agent():
        await story.bind()
        told = await story.until_condition("VolumesReady", "DiskLost")
        assert root in told["message"]
        assert list(node.layout.volumes.iterdir()) == []
        assert story.uid not in node.hypervisor.domains


async def test_an_order_without_its_boot_volume_starts_nothing_and_takes_no_disk_away(
    operator: Api, node: SimNode
):
    root = str(uuid.uuid4())
    story = boots(operator, node, root)
    async with node.agent():
        await story.bind()
        await story.until("Running")
        await story.change(volumes=[])
        await story.until("Running", attachedVolumes=[{"volumeUID": root}])
        assert ("detach_disk", story.uid) not in node.hypervisor.calls
        await story.change(desired="Stopped")
        await story.until("Stopped")
        await story.change(desired="Running")
        status = await story.until("Failed", reason="BadOrder")
        assert status["message"] == "the Assignment does not list the Volume to boot from"


async def test_another_data_pool_gives_it_back_for_there_is_nothing_to_lose(operator: Api, node: SimNode):
    story = boots(operator, node, str(uuid.uuid4()))
    async with node.agent():
        await story.bind()
        await story.until("Running")
        await story.change(desired="Released")
        await story.until("Released", rootDisk="Absent")
        await story.change(poolID="another", epoch=2, desired="Running")
        await story.until("Refused", reason="PoolChanged", rootDisk="Absent")
