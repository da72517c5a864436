"""A disk that several machines have: QEMU's locks let them in and nobody else, and it grows for each of them."""

from dataclasses import replace

import pytest

from orlop_agent.failure import StepError
from orlop_agent.volume.driver import VolumeData
from orlop_agent.volume.drivers import Drivers
from orlop_agent.volume.local import LocalVolumes
from orlop_api.assignment import AssignedVolume
from orlop_api.image import DiskFormat
from orlop_api.volume_class import Driver, LocalParameters, MultiAttach, VolumeLocation
from support.disks import MIB, RefusedError, held, holds, write

pytestmark = pytest.mark.component
RAW = VolumeLocation(local=LocalParameters(format=DiskFormat.RAW))
DATA, COPY = VolumeData("first", RAW), VolumeData("copy", RAW)


async def test_machines_that_share_it_get_in_and_nobody_else(tmp_path):
    driver = LocalVolumes(tmp_path)
    await driver.create(DATA, 4 * MIB)
    plain = driver.disk(DATA)
    shared = replace(plain, shareable=True, cache="none")
    async with held(shared), held(shared), held(replace(shared, readonly=True)):
        with pytest.raises(RefusedError, match="lock"):
            async with held(plain):
                pass
        with pytest.raises(StepError):
            await driver.copy_from(COPY, plain, 4 * MIB)
        assert not await driver.exists(COPY)
    async with held(plain):
        with pytest.raises(RefusedError, match="lock"):
            async with held(shared):
                pass
    await driver.copy_from(COPY, plain, 4 * MIB)


async def test_it_grows_for_each_of_them(tmp_path):
    driver = LocalVolumes(tmp_path)
    await driver.create(DATA, 4 * MIB)
    shared = replace(driver.disk(DATA), shareable=True, cache="none")
    await write(driver.disk(DATA), 0x5A, 0, 4 * MIB)
    async with held(shared) as one, held(shared) as two:
        await one("block_resize", device="held", size=8 * MIB)
        await driver.grow(DATA, 8 * MIB)  # as for a stopped one: it is as large already
        await two("block_resize", device="held", size=8 * MIB)
    assert await driver.size(DATA) == 8 * MIB
    await holds(driver.disk(DATA), 0x5A, 0, 4 * MIB)
    await holds(driver.disk(DATA), 0, 4 * MIB, 4 * MIB)


async def test_a_late_machine_gets_the_length_that_it_has_by_now_and_cuts_nothing_off(tmp_path):
    """Its order is of before the other one's, and its QEMU knows the length of when it opened the file."""
    driver = LocalVolumes(tmp_path)
    await driver.create(DATA, 4 * MIB)
    parts = Drivers({Driver.LOCAL: driver})
    late = AssignedVolume(
        name="data", volume_uid=DATA.uid, location=RAW, size_bytes=6 * MIB, multi_attach=MultiAttach.ENABLED
    )
    shared = replace(driver.disk(DATA), shareable=True, cache="none")
    async with held(shared) as one, held(shared) as two:
        assert await parts.fitting(late) == 6 * MIB
        await one("block_resize", device="held", size=8 * MIB)
        assert await parts.fitting(late) == 8 * MIB
        await two("block_resize", device="held", size=await parts.fitting(late))
        assert await driver.size(DATA) == 8 * MIB
        # What would have been: QEMU itself does not ask.
        await two("block_resize", device="held", size=6 * MIB)
        assert await driver.size(DATA) == 6 * MIB
    alone = late.model_copy(update={"multi_attach": MultiAttach.DISABLED})
    assert await parts.fitting(alone) == 6 * MIB
