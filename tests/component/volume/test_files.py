"""What drivers do that keep files, beyond the contract: shared blocks, room that is reserved, holes."""

import os

import pytest

from orlop_agent.failure import StepError
from orlop_agent.volume.driver import VolumeData
from orlop_agent.volume.local import LocalVolumes
from orlop_api.image import DiskFormat
from orlop_api.volume_class import LocalParameters, Preallocation, VolumeLocation
from support.disks import MIB, held, holds, qemu_io, write

pytestmark = pytest.mark.component
SIZE = 64 * MIB
FORMATS = pytest.mark.parametrize("form", list(DiskFormat))


def kept(uid, form, preallocation=Preallocation.OFF):
    return VolumeData(uid, VolumeLocation(local=LocalParameters(format=form, preallocation=preallocation)))


def taken(directory):
    """Bytes in use of the whole file system: what files share is counted once."""
    os.sync()
    found = os.statvfs(directory)
    return (found.f_blocks - found.f_bfree) * found.f_frsize


def allocated(disk):
    return disk.source.path.stat().st_blocks * 512


@FORMATS
async def test_a_copy_shares_its_blocks(sharing, form):
    driver = LocalVolumes(sharing)
    first, copy = kept(f"first-{form}", form), kept(f"copy-{form}", form)
    await driver.create(first, SIZE)
    await write(driver.disk(first), 0x11, 0, SIZE)
    before = taken(sharing)
    await driver.copy_from(copy, driver.disk(first), 2 * SIZE)
    assert taken(sharing) - before < SIZE // 16
    await write(driver.disk(first), 0x22, 0, MIB)
    await holds(driver.disk(copy), 0x11, 0, SIZE)
    await holds(driver.disk(copy), 0, SIZE, SIZE)
    await driver.delete(first)
    await holds(driver.disk(copy), 0x11, 0, SIZE)
    await driver.delete(copy)


async def test_room_that_is_promised_is_not_shared(sharing):
    driver = LocalVolumes(sharing)
    first = kept("first", DiskFormat.RAW)
    copy = kept("copy", DiskFormat.RAW, Preallocation.FALLOC)
    await driver.create(first, SIZE)
    await write(driver.disk(first), 0x11, 0, MIB)
    before = taken(sharing)
    await driver.copy_from(copy, driver.disk(first), SIZE)
    assert taken(sharing) - before >= SIZE
    await holds(driver.disk(copy), 0x11, 0, MIB)
    await driver.delete(first)
    await driver.delete(copy)


@FORMATS
@pytest.mark.parametrize("preallocation", [Preallocation.OFF, Preallocation.FALLOC, Preallocation.FULL])
async def test_room_is_taken_as_the_class_says(tmp_path, form, preallocation):
    driver, data = LocalVolumes(tmp_path), kept("uid", form, preallocation)
    await driver.create(data, SIZE)
    reserved = allocated(driver.disk(data)) >= SIZE
    assert reserved is (preallocation is not Preallocation.OFF)


@FORMATS
async def test_what_a_guest_discards_is_given_back(tmp_path, form):
    driver, data = LocalVolumes(tmp_path), kept("uid", form)
    await driver.create(data, SIZE)
    await write(driver.disk(data), 0x11, 0, SIZE)
    full = allocated(driver.disk(data))
    await qemu_io(driver.disk(data), f"discard 0 {SIZE // 2}", discard=True)
    assert full - allocated(driver.disk(data)) >= SIZE // 2 - MIB


async def test_what_is_no_file_is_never_opened(tmp_path):
    driver, data = LocalVolumes(tmp_path), kept("uid", DiskFormat.RAW)
    (tmp_path / "uid.raw").symlink_to("/etc/passwd")
    for call in (driver.exists(data), driver.create(data, SIZE)):
        with pytest.raises(StepError, match="not a regular file"):
            await call
    await driver.delete(data)
    assert not (tmp_path / "uid.raw").is_symlink()


async def test_no_blocks_are_shared_with_a_disk_that_a_machine_writes_to(sharing):
    """QEMU's own lock, taken where no QEMU is asked: half of what a guest wrote is no copy."""
    driver = LocalVolumes(sharing)
    first, copy = kept("held-1", DiskFormat.RAW), kept("held-2", DiskFormat.RAW)
    await driver.create(first, SIZE)
    async with held(driver.disk(first)):
        with pytest.raises(StepError) as busy:
            await driver.copy_from(copy, driver.disk(first), SIZE)
    assert (busy.value.reason, busy.value.permanent) == ("InUse", False)
    assert not await driver.exists(copy)
    await driver.copy_from(copy, driver.disk(first), SIZE)
    await driver.delete(first)
    await driver.delete(copy)


async def test_a_copy_tells_how_far_it_is(tmp_path):
    driver = LocalVolumes(tmp_path)
    first, copy = kept("first", DiskFormat.RAW), kept("copy", DiskFormat.QCOW2)
    await driver.create(first, SIZE)
    await write(driver.disk(first), 0x5A, 0, SIZE)
    heard = []
    await driver.copy_from(copy, driver.disk(first), SIZE, heard.append)
    assert heard == sorted(heard)
    assert (heard[0] < 100, heard[-1]) == (True, 100)
    await holds(driver.disk(copy), 0x5A, 0, SIZE)
