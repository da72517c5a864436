"""A copy that takes its time: the guest is stopped, and the Volume let go and deleted, as if there were none."""

import asyncio
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from orlop_agent.volume import qemu_img
from orlop_agent.volume.driver import VolumeData
from orlop_agent.volume.local import LocalVolumes
from orlop_api.volume_class import LocalParameters, VolumeLocation
from support.scripted import Api, Body
from support.simnode import SimNode, Story

pytestmark = pytest.mark.component
LOCAL = VolumeLocation(local=LocalParameters())
MIB = 1 << 20


class SlowCopies:
    """Copies that go on only when they are let; the rest of it is the real one's."""

    def __init__(self) -> None:
        self.begun = 0
        self.broken_off = 0
        self.let = asyncio.Event()
        self._convert = qemu_img.convert

    async def convert(self, origin: Any, target: Path, *rest: Any, tell: Any, **more: Any) -> None:
        self.begun += 1
        await self._convert(origin, target, *rest, tell=tell, **more)
        tell(12.4)
        try:
            await self.let.wait()
        except asyncio.CancelledError:
            self.broken_off += 1
            raise


@pytest.fixture
async def copies(monkeypatch: pytest.MonkeyPatch) -> SlowCopies:
    made = SlowCopies()
    monkeypatch.setattr(qemu_img, "convert", made.convert)
    return made


@pytest.fixture
async def origin(node: SimNode) -> str:
    uid = str(uuid.uuid4())
    await LocalVolumes(node.layout.volumes).create(VolumeData(uid, LOCAL), MIB)
    return uid


def copy_of(origin: str, uid: str) -> Body:
    return {
        "name": f"v-{uid[:8]}",
        "volumeUID": uid,
        "location": LOCAL.wire(),
        "sizeBytes": MIB,
        "origin": {"volumeUID": origin, "location": LOCAL.wire()},
    }


def pool(node: SimNode) -> set[str]:
    return {path.name for path in node.layout.volumes.iterdir()}


async def test_a_guest_stops_at_once_and_starts_when_the_copy_is_there(
    operator: Api, node: SimNode, copies: SlowCopies, origin: str
):
    new = str(uuid.uuid4())
    story = Story(operator, node)
    async with node.agent():
        await story.bind()
        await story.until("Running")
        await story.change(volumes=[copy_of(origin, new)])
        told = await story.until_condition("VolumesReady", "Making")
        assert told["message"] == f"disk v-{new[:8]}: 12 % of what it begins as are copied"
        asked = time.monotonic()
        await story.change(desired="Stopped")
        await story.until("Stopped", attachedVolumes=[])
        assert time.monotonic() - asked < 2, "stopping waited for the copy"
        await story.change(desired="Running")
        told = await story.until_condition("VolumesReady", "Making")
        assert "12 %" in told["message"]
        assert (copies.begun, copies.broken_off) == (1, 0), "it is the same copy all the time"
        copies.let.set()
        await story.until("Running", attachedVolumes=[{"volumeUID": new}], createdVolumes=[new])


async def test_what_is_not_listed_any_more_is_not_copied_further(
    operator: Api, node: SimNode, copies: SlowCopies, origin: str
):
    new, plain = str(uuid.uuid4()), str(uuid.uuid4())
    story = Story(operator, node)
    async with node.agent():
        await story.bind()
        await story.until("Running")
        await story.change(volumes=[copy_of(origin, new)])
        await story.until_condition("VolumesReady", "Making")
        asked = time.monotonic()
        await story.change(volumes=[copy_of(origin, plain) | {"origin": None}])
        status = await story.until("Running", attachedVolumes=[{"volumeUID": plain}])
        assert time.monotonic() - asked < 2
        assert status["createdVolumes"] == [plain]
        assert (copies.begun, copies.broken_off) == (1, 1)
        assert pool(node) == {f"{origin}.qcow2", f"{plain}.qcow2"}


@pytest.mark.parametrize("first", [True, False], ids=["start", "running"])
async def test_an_instance_is_deleted_in_the_midst_of_a_copy(
    operator: Api, node: SimNode, copies: SlowCopies, origin: str, first: bool
):
    new = str(uuid.uuid4())
    volumes = [copy_of(origin, new)]
    story = Story(operator, node, volumes=volumes if first else [])
    async with node.agent():
        await story.bind()
        if not first:
            await story.until("Running")
            await story.change(volumes=volumes)
        await story.until_condition("VolumesReady", "Making")
        asked = time.monotonic()
        await story.change(desired="Purged")
        status = await story.until("Released")
        assert time.monotonic() - asked < 2
        assert "createdVolumes" not in status or status["createdVolumes"] == []
        assert pool(node) == {f"{origin}.qcow2"}


async def test_two_guests_that_wait_for_one_volume_have_it_copied_once(
    operator: Api, node: SimNode, copies: SlowCopies, origin: str
):
    new = str(uuid.uuid4())
    one, two = (Story(operator, node, volumes=[copy_of(origin, new)]) for _ in range(2))
    async with node.agent():
        for story in (one, two):
            await story.bind()
            await story.until_condition("VolumesReady", "Making")
        await one.change(volumes=[])
        await one.until("Running", attachedVolumes=[])
        assert (copies.begun, copies.broken_off) == (1, 0), "the other one waits for it"
        copies.let.set()
        await two.until("Running", attachedVolumes=[{"volumeUID": new}])
        assert copies.begun == 1


async def test_an_agent_that_ends_in_the_midst_begins_anew(
    operator: Api, node: SimNode, copies: SlowCopies, origin: str
):
    new = str(uuid.uuid4())
    story = Story(operator, node)
    async with node.agent():
        await story.bind()
        await story.until("Running")
        await story.change(volumes=[copy_of(origin, new)])
        await story.until_condition("VolumesReady", "Making")
    copies.let.set()
    async with node.agent():
        await story.until("Running", attachedVolumes=[{"volumeUID": new}])
        assert copies.begun == 2
        assert pool(node) == {f"{origin}.qcow2", f"{new}.qcow2"}
