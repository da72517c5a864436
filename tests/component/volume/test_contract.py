"""What every driver of Volumes must do, asked of each with real data in real places."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from orlop_agent.domain.spec import BaseImage, Disk, DiskFile
from orlop_agent.failure import StepError
from orlop_agent.volume import qemu_img
from orlop_agent.volume.driver import VolumeData
from orlop_agent.volume.drivers import Drivers
from orlop_api.assignment import AssignedOrigin, AssignedVolume
from support.disks import MIB, RefusedError, held, holds, write

pytestmark = pytest.mark.component
UID = "7e7e7e7e-0000-4000-8000-00000000000a"
OTHER = "7e7e7e7e-0000-4000-8000-00000000000b"
SIZE = 4 * MIB


def order(rig, created="Unknown"):
    return AssignedVolume(
        name="data", volume_uid=UID, location=rig.data(UID).location, size_bytes=SIZE, created=created
    )


def no_origin(_):
    raise AssertionError("it begins empty")


def drivers(rig):
    return Drivers({rig.location.driver: rig.driver})


async def test_data_is_made_once(maker):
    data = maker.data(UID)
    assert not await maker.driver.exists(data)
    await maker.driver.create(data, SIZE)
    assert await maker.driver.exists(data)
    assert await maker.driver.size(data) == SIZE
    disk = maker.driver.disk(data)
    await maker.blank(disk, 0, SIZE)
    await write(disk, 0x5A, MIB, MIB)
    await maker.driver.create(data, SIZE)
    await holds(disk, 0x5A, MIB, MIB)


async def test_lost_data_is_never_made_anew(maker):
    made = drivers(maker)
    with pytest.raises(StepError) as lost:
        await made.ensure(order(maker, created="Created"), no_origin)
    assert (lost.value.reason, lost.value.permanent) == ("DiskLost", True)
    assert UID in lost.value.message
    assert not await maker.driver.exists(maker.data(UID))


async def test_what_is_there_is_known(rig):
    made = drivers(rig)
    await made.look([order(rig)])
    assert made.there([order(rig)]) == (() if rig.makes else (UID,))
    disk = await made.ensure(order(rig), no_origin, rig.passphrase)
    assert disk == rig.driver.disk(rig.data(UID))
    assert made.there([order(rig)]) == (UID,)
    await write(disk, 0x5A, MIB, MIB)
    restarted = drivers(rig)
    await restarted.look([order(rig)])
    assert restarted.there([order(rig)]) == (UID,)
    assert await restarted.ensure(order(rig, created="Created"), no_origin, rig.passphrase) == disk
    await holds(disk, 0x5A, MIB, MIB)
    await rig.blank(disk, 2 * MIB, 2 * MIB)
    await restarted.delete(rig.data(UID))
    assert restarted.there([order(rig)]) == ()


async def test_deleted_data_is_gone_and_may_be_deleted_again(maker):
    data = maker.data(UID)
    await maker.driver.create(data, SIZE)
    await write(maker.driver.disk(data), 0x5A, 0, MIB)
    await maker.driver.delete(data)
    assert not await maker.driver.exists(data)
    await maker.driver.delete(data)
    await maker.driver.create(data, SIZE)
    await maker.blank(maker.driver.disk(data), 0, SIZE)


async def test_growing_keeps_the_data(maker):
    data = maker.data(UID)
    await maker.driver.create(data, SIZE)
    await write(maker.driver.disk(data), 0x5A, SIZE - MIB, MIB)
    for _ in range(2):
        await maker.driver.grow(data, 2 * SIZE)
        assert await maker.driver.size(data) == 2 * SIZE
    await maker.driver.grow(data, SIZE)
    assert await maker.driver.size(data) == 2 * SIZE
    await holds(maker.driver.disk(data), 0x5A, SIZE - MIB, MIB)
    await maker.blank(maker.driver.disk(data), SIZE, SIZE)


async def test_a_volume_that_runs_has_a_size(rig):
    data = rig.data(UID)
    await rig.driver.create(data, SIZE)
    async with held(rig.driver.disk(data)):
        assert await rig.driver.size(data) == SIZE


async def test_two_cannot_write(filed):
    """QEMU's own locks are the last line (qemu(1), "Disk image file locking")."""
    data = filed.data(UID)
    await filed.driver.create(data, SIZE)
    async with held(filed.driver.disk(data)):
        with pytest.raises(RefusedError, match="lock"):
            async with held(filed.driver.disk(data)):
                pass


async def test_a_copy_stands_alone(maker):
    first, copy = maker.data(UID), maker.data(OTHER)
    await maker.driver.create(first, SIZE)
    await write(maker.driver.disk(first), 0x11, 0, MIB)
    for _ in range(2):
        async with maker.driver.origin(first) as origin:
            assert not origin.in_use
            await maker.driver.copy_from(copy, origin.disk, 2 * SIZE)
    await write(maker.driver.disk(first), 0x22, 0, SIZE)
    await write(maker.driver.disk(copy), 0x33, 2 * MIB, MIB)
    await maker.driver.delete(first)
    assert await maker.driver.size(copy) == 2 * SIZE
    for pattern, at in ((0x11, 0), (0x33, 2 * MIB)):
        await holds(maker.driver.disk(copy), pattern, at, MIB)
    for at, length in ((MIB, MIB), (SIZE, SIZE)):
        await maker.blank(maker.driver.disk(copy), at, length)


async def test_what_is_kept_of_a_volume_stands_beside_it(maker):
    """In the same place, under a uid of its own: nobody attaches it, and its end is not the Volume's."""
    first = maker.data(UID)
    kept = VolumeData(OTHER, first.location, first.passphrase, kept=True)
    await maker.driver.create(first, SIZE)
    await write(maker.driver.disk(first), 0x11, 0, MIB)
    await maker.driver.note(kept, b"how")
    async with maker.driver.origin(first) as origin:
        await maker.driver.copy_from(kept, origin.disk, SIZE)
    await write(maker.driver.disk(first), 0x22, 0, SIZE)
    async with maker.driver.origin(VolumeData(OTHER, first.location, first.passphrase)) as origin:
        await holds(origin.disk, 0x11, 0, MIB)
    assert await maker.driver.noted(kept) == b"how"
    await maker.driver.delete(kept)
    assert not await maker.driver.exists(kept)
    await holds(maker.driver.disk(first), 0x22, 0, SIZE)


@pytest.mark.parametrize("form", ["qcow2", "raw"])
async def test_a_copy_of_an_image(maker, form, tmp_path):
    image = Disk(DiskFile(tmp_path / "image"), form)
    await qemu_img.create(tmp_path / "image", SIZE, form=form)
    await write(image, 0x77, MIB, MIB)
    await maker.driver.copy_from(maker.data(UID), image, SIZE)
    await holds(maker.driver.disk(maker.data(UID)), 0x77, MIB, MIB)
    await holds(maker.driver.disk(maker.data(UID)), 0, 2 * MIB, 2 * MIB)


async def test_a_copy_of_an_overlay_has_what_is_below_it(maker, tmp_path):
    base = Disk(DiskFile(tmp_path / "image"), "raw")
    await qemu_img.create(tmp_path / "image", SIZE, form="raw")
    await write(base, 0x77, 0, 2 * MIB)
    overlay = Disk(DiskFile(tmp_path / "root"), "qcow2", base=BaseImage(tmp_path / "image", "raw"))
    await qemu_img.create(tmp_path / "root", SIZE, base=base)
    await write(overlay, 0x66, MIB, MIB)
    await maker.driver.copy_from(maker.data(UID), overlay, SIZE)
    (tmp_path / "image").unlink()
    await holds(maker.driver.disk(maker.data(UID)), 0x77, 0, MIB)
    await holds(maker.driver.disk(maker.data(UID)), 0x66, MIB, MIB)


async def test_a_copy_has_room_for_the_origin(maker, tmp_path):
    image = Disk(DiskFile(tmp_path / "image"), "raw")
    await qemu_img.create(tmp_path / "image", SIZE, form="raw")
    with pytest.raises(StepError) as small:
        await maker.driver.copy_from(maker.data(UID), image, SIZE - MIB)
    assert small.value.reason == "VolumeTooSmall"
    assert not await maker.driver.exists(maker.data(UID))


async def test_a_copy_that_is_broken_off_is_not_there(maker, tmp_path):
    image = Disk(DiskFile(tmp_path / "image"), "raw")
    await qemu_img.create(tmp_path / "image", 64 * MIB, form="raw")
    await write(image, 0x44, 0, 64 * MIB)
    for seconds in (0.0, 0.01, 0.03):
        work = asyncio.create_task(maker.driver.copy_from(maker.data(UID), image, 64 * MIB))
        await asyncio.wait({work}, timeout=seconds)
        work.cancel()
        await asyncio.wait({work})
        if await maker.driver.exists(maker.data(UID)):
            break
    await maker.driver.copy_from(maker.data(UID), image, 64 * MIB)
    await holds(maker.driver.disk(maker.data(UID)), 0x44, 0, 64 * MIB)


async def test_a_note_is_there_with_the_data_and_goes_with_it(maker):
    """Whoever reaches the data reaches what is noted of it: another node may have to go on."""
    data = maker.data(UID)
    assert await maker.driver.noted(data) is None
    for text in (b"one", b"another"):
        await maker.driver.note(data, text)
    await maker.driver.create(data, SIZE)
    assert await maker.driver.noted(data) == b"another"
    await maker.driver.delete(data)
    assert await maker.driver.noted(data) is None


@pytest.mark.parametrize("uid", ["../../etc/passwd", "", ".", "a/b", "-o", "x" * 65, "json:{}"])
async def test_what_is_no_uid_is_no_name(maker, uid):
    for call in (maker.driver.exists, maker.driver.delete):
        with pytest.raises(StepError):
            await call(maker.data(uid))


async def test_a_volume_begins_as_what_it_is_told_and_only_once(maker):
    origin = maker.data(OTHER)
    await maker.driver.create(origin, SIZE)
    await write(maker.driver.disk(origin), 0x5A, MIB, MIB)
    opened = []

    @asynccontextmanager
    async def opening(told):
        opened.append(told)
        async with maker.driver.origin(origin) as found:
            yield found.disk

    told = AssignedOrigin(volume_uid=OTHER, location=maker.location)
    wanted = order(maker).model_copy(update={"origin": told})
    for _ in range(2):
        disk = await drivers(maker).ensure(wanted, opening, maker.passphrase)
        await holds(disk, 0x5A, MIB, MIB)
        await write(disk, 0x11, 2 * MIB, MIB)
    assert opened == [told]
    await maker.blank(maker.driver.disk(origin), 2 * MIB, MIB)
