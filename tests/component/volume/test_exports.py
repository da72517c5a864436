"""Driver nbd beyond the contract: what it takes as it is, and what it cannot do, in words."""

import pytest

from orlop_agent.domain.spec import Disk, DiskFile
from orlop_agent.failure import StepError
from orlop_agent.volume.driver import VolumeData
from orlop_agent.volume.nbd import NbdVolumes
from orlop_api.volume_class import NbdLocation, VolumeLocation
from support.disks import MIB
from support.exports import Exports

pytestmark = pytest.mark.component
SIZE = 4 * MIB


def at(port, export):
    return VolumeData("uid", VolumeLocation(nbd=NbdLocation(host="127.0.0.1", port=port, export=export)))


async def refusal(call):
    with pytest.raises(StepError) as error:
        await call
    return error.value.reason, error.value.message


async def test_an_export_is_taken_as_it_is(tmp_path):
    driver = NbdVolumes()
    async with Exports(tmp_path) as server:
        await server.export("good", SIZE)
        good, missing = at(server.port, "good"), at(server.port, "missing")
        assert await driver.exists(good)
        assert not await driver.exists(missing)
        await driver.create(good, SIZE)
        assert await refusal(driver.create(missing, SIZE)) == (
            "ExportNotFound",
            "the NBD server has no such export",
        )
        reason, message = await refusal(driver.create(good, 2 * SIZE))
        assert reason == "VolumeTooSmall"
        assert message.startswith(f"the export has {SIZE} bytes, the volume {2 * SIZE}: ")
        image = Disk(DiskFile(tmp_path / "image"), "raw")
        assert (await refusal(driver.copy_from(good, image, SIZE)))[0] == "NotSupported"
        assert (await refusal(driver.grow(good, 2 * SIZE)))[0] == "NotSupported"
        await driver.grow(good, SIZE)
        await driver.delete(good)
        assert await driver.exists(good)


async def test_a_server_that_is_away_is_no_lost_data():
    """Else a Volume would be given up for a moment without its server."""
    reason, message = await refusal(NbdVolumes().exists(at(1, "good")))
    assert (reason, message) == ("ServerUnreachable", "the NBD server cannot be asked: Connection refused")
