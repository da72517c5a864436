"""Volumes that come and go while their guest runs, on a real API server; and an agent that is killed meanwhile."""

import asyncio
import random
import uuid
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from orlop_agent.volume.driver import VolumeData
from orlop_agent.volume.local import LocalVolumes
from orlop_api.volume_class import LocalParameters, VolumeLocation
from support.scripted import Api, Body
from support.simnode import SimNode, Story

pytestmark = pytest.mark.component


def volume(uid: str, **more: Any) -> Body:
    return {"name": f"v-{uid[:8]}", "volumeUID": uid, "location": {"local": {}}, "sizeBytes": 1 << 20, **more}


def new(count: int) -> list[str]:
    return [str(uuid.uuid4()) for _ in range(count)]


def attached(*uids: str) -> list[Body]:
    return [{"volumeUID": uid} for uid in sorted(uids)]


def has(node: SimNode, story: Story) -> dict[str, str]:
    """Uid and name of each Volume's disk in the domain."""
    disks = node.hypervisor.domains[story.uid].disks
    return {disk.volume_uid: disk.target for disk in disks if disk.volume_uid is not None}


def pool(node: SimNode) -> set[str]:
    return {path.name for path in node.layout.volumes.iterdir()}


async def test_attach_and_detach_while_the_guest_runs(operator: Api, node: SimNode):
    one, two = new(2)
    story = Story(operator, node, volumes=[volume(one)])
    async with node.agent():
        await story.bind()
        first = await story.until("Running", attachedVolumes=attached(one))
        await story.change(volumes=[volume(one), volume(two)])
        await story.until("Running", attachedVolumes=attached(one, two), createdVolumes=[one, two])
        # vda is the root disk, vdc the seed: what was there keeps its name.
        assert has(node, story) == {one: "vdb", two: "vdd"}
        await story.change(volumes=[volume(two)])
        status = await story.until("Running", attachedVolumes=attached(two))
        assert status["startID"] == first["startID"], "no restart"
        await story.change(volumes=[])
        await story.until("Running", attachedVolumes=[])
        assert pool(node) == {f"{one}.qcow2", f"{two}.qcow2"}, "what is detached is kept"


async def test_a_guest_that_holds_on_is_told_until_it_lets_go_or_ends(operator: Api, node: SimNode):
    one, two = new(2)
    node.hypervisor.clinging |= {one, two}
    story = Story(operator, node, volumes=[volume(one), volume(two)])
    async with node.agent():
        await story.bind()
        await story.until("Running", attachedVolumes=attached(one, two))
        await story.change(volumes=[])
        told = await story.until_condition("VolumesReady", "GuestHoldsDisk")
        assert told["message"].startswith("the guest has not released the disk with the serial ")
        assert (await story.until("Running"))["attachedVolumes"] == attached(one, two)
        node.hypervisor.let_go(story.uid, one)
        await story.until("Running", attachedVolumes=attached(two))
        await story.change(desired="Stopped")
        await story.until("Stopped", attachedVolumes=[])


async def test_a_stopped_instance_answers_for_its_list_too(operator: Api, node: SimNode):
    one, two = new(2)
    story = Story(operator, node, volumes=[volume(one)])
    async with node.agent():
        await story.bind()
        await story.until("Running")
        await story.change(desired="Stopped")
        await story.until("Stopped")
        await story.change(volumes=[volume(two)])
        await story.until("Stopped", attachedVolumes=[])
        await story.change(desired="Running")
        await story.until("Running", attachedVolumes=attached(two))


async def test_another_access_is_another_disk(operator: Api, node: SimNode):
    (one,) = new(1)
    story = Story(operator, node, volumes=[volume(one)])
    async with node.agent():
        await story.bind()
        await story.until("Running")
        await story.change(volumes=[volume(one, access="ReadOnly")])
        await story.until("Running", attachedVolumes=attached(one))
        (disk,) = [d for d in node.hypervisor.domains[story.uid].disks if d.volume_uid == one]
        assert disk.readonly


async def test_what_others_write_too_is_shareable_and_never_cached(operator: Api, node: SimNode):
    one, two, torn = new(3)
    raw = {"location": {"local": {"format": "raw"}}, "multiAttach": "Enabled"}
    stories = [Story(operator, node, volumes=[volume(one, **raw)]) for _ in range(2)]
    async with node.agent():
        for story in stories:
            await story.bind()
            await story.until("Running", attachedVolumes=attached(one))
            (found,) = ET.fromstring(node.hypervisor.xml[story.uid]).findall("devices/disk[shareable]")
            assert (found.find("driver").get("cache"), found.find("driver").get("type")) == ("none", "raw")
        story = stories[0]
        await story.change(volumes=[volume(one, **raw), volume(two, **raw)])
        await story.until("Running", attachedVolumes=attached(one, two))
        disks = [d for d in node.hypervisor.domains[story.uid].disks if d.volume_uid in {one, two}]
        assert [disk.shareable for disk in disks] == [True, True]
        await story.change(volumes=[volume(torn, multiAttach="Enabled")])
        told = await story.until_condition("VolumesReady", "BadOrder")
        assert told["message"].endswith("only raw data can be written to by several guests")


async def test_size_and_limits_follow_the_order_while_the_guest_runs(operator: Api, node: SimNode):
    (one,) = new(1)
    story = Story(operator, node, volumes=[volume(one)])

    def sizes(count: int) -> list[Body]:
        return [{"volumeUID": one, "sizeBytes": count}]

    async with node.agent():
        await story.bind()
        first = await story.until("Running", volumeSizes=sizes(1 << 20))
        limits = {"iopsPerSecond": 50, "bytesPerSecond": 1 << 20}
        await story.change(volumes=[volume(one, sizeBytes=3 << 20, limits=limits)])
        await story.until("Running", volumeSizes=sizes(3 << 20))
        (disk,) = [d for d in node.hypervisor.domains[story.uid].disks if d.volume_uid == one]
        assert (disk.limits.iops, disk.limits.bandwidth) == (50, 1 << 20)
    async with node.agent():
        await story.change(volumes=[volume(one, sizeBytes=2 << 20)])
        status = await story.until("Running", volumeSizes=sizes(3 << 20))
        assert status["startID"] == first["startID"]
        (disk,) = [d for d in node.hypervisor.domains[story.uid].disks if d.volume_uid == one]
        assert disk.limits.iops == 0


async def test_a_stopped_instance_has_its_volumes_grow(operator: Api, node: SimNode):
    (one,) = new(1)
    story = Story(operator, node, volumes=[volume(one)])
    async with node.agent():
        await story.bind()
        await story.until("Running")
        await story.change(desired="Stopped")
        await story.until("Stopped")
        await story.change(volumes=[volume(one, sizeBytes=3 << 20)])
        await story.until("Stopped", volumeSizes=[{"volumeUID": one, "sizeBytes": 3 << 20}])
        data = VolumeData(one, VolumeLocation(local=LocalParameters()))
        assert await LocalVolumes(node.layout.volumes).size(data) == 3 << 20


async def test_a_full_disk_halts_its_guest_alone_until_there_is_room(operator: Api, node: SimNode):
    (one,) = new(1)
    story, other = Story(operator, node, volumes=[volume(one)]), Story(operator, node)
    async with node.agent():
        for each in (story, other):
            await each.bind()
            await each.until("Running")
        node.hypervisor.full[story.uid] = ("vda", "vdb")
        node.hypervisor.halt(story.uid)
        status = await story.until("Failed", reason="DiskFull")
        assert (
            f"no room left for what it writes to the root disk, disk v-{one[:8]}; it goes"
            in status["message"]
        )
        before = await story.seen()
        await asyncio.sleep(2.5)
        assert await story.seen() == before, "in vain is not worth a word"
        assert node.hypervisor.calls.count(("resume", story.uid)) <= 3
    async with node.agent():
        node.hypervisor.full.clear()
        await story.until("Running")
        assert node.hypervisor.domains[story.uid].failed is None
        await other.until("Running")


async def test_a_guest_that_is_paused_by_hand_stays_paused(operator: Api, node: SimNode):
    story = Story(operator, node)
    async with node.agent() as agent:
        await story.bind()
        await story.until("Running")
        node.hypervisor.calls.clear()
        node.hypervisor.halt(story.uid)
        assert "by hand" in (await story.until("Failed", reason="Halted"))["message"]
        agent.wake(story.uid)
        await asyncio.sleep(0.3)  # nothing tells of nothing
        assert ("resume", story.uid) not in node.hypervisor.calls
        await node.hypervisor.resume(story.uid)
        await story.until("Running")


@pytest.mark.parametrize("when", ["fail_before", "fail_after"])
@pytest.mark.parametrize("call", ["attach_disk", "detach_disk"])
async def test_a_call_that_fails_once(operator: Api, node: SimNode, call: str, when: str):
    one, two = new(2)
    story = Story(operator, node, volumes=[volume(one)])
    async with node.agent():
        await story.bind()
        first = await story.until("Running")
        getattr(node.hypervisor, when).add(call)
        await story.change(volumes=[volume(two)])
        status = await story.until("Running", attachedVolumes=attached(two))
        assert status["startID"] == first["startID"]


async def test_a_lost_volume_is_told_and_the_guest_runs_on(operator: Api, node: SimNode):
    lost, good = new(2)
    story = Story(operator, node)
    async with node.agent():
        await story.bind()
        first = await story.until("Running")
        await story.change(volumes=[volume(lost, created="Created"), volume(good)])
        told = await story.until_condition("VolumesReady", "DiskLost")
        assert told["message"].startswith(f"disk v-{lost[:8]}: ")
        status = await story.until("Running", attachedVolumes=attached(good))
        assert status["startID"] == first["startID"]
        assert pool(node) == {f"{good}.qcow2"}, "no blank one takes its place"


@pytest.mark.parametrize("seed", range(3))
async def test_an_agent_killed_at_any_moment_converges(operator: Api, node: SimNode, seed: int):
    dice = random.Random(seed)
    uids = new(4)
    story = Story(operator, node, volumes=[])
    async with node.agent():
        await story.bind()
        first = await story.until("Running")
    wanted: list[str] = []
    size = 0
    for _ in range(25):
        async with node.agent():
            for _ in range(dice.randrange(1, 3)):
                wanted = dice.sample(uids, dice.randrange(len(uids) + 1))
                if dice.random() < 0.3:
                    call = dice.choice(["attach_disk", "detach_disk", "fit_disk", "lookup"])
                    getattr(node.hypervisor, dice.choice(["fail_before", "fail_after"])).add(call)
                size = dice.randrange(1, 4) << 20
                await story.change(volumes=[volume(uid, sizeBytes=size) for uid in wanted])
                await asyncio.sleep(dice.random() * 0.15)
    node.hypervisor.fail_before.clear()
    node.hypervisor.fail_after.clear()
    async with node.agent():
        status = await story.until("Running", attachedVolumes=attached(*wanted))
        assert status["startID"] == first["startID"], "the guest never ended"
        assert set(has(node, story)) == set(wanted)
        assert all(known["sizeBytes"] >= size for known in status["volumeSizes"])
        assert pool(node) <= {f"{uid}.qcow2" for uid in uids}, "nothing half made is left"
        assert pool(node) >= {f"{uid}.qcow2" for uid in wanted}
