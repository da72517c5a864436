"""Snapshots where there is no room for them: nothing half, and nobody hurt."""

import pytest

from orlop_agent.failure import StepError
from orlop_agent.paths import Layout
from orlop_agent.simulate import SimulatedHypervisor
from orlop_agent.volume import qemu_img
from orlop_agent.volume.local import LocalVolumes
from support.disks import MIB, holds, write
from support.offering import BOTH, KEPT, ORDER, VOLUME, left, offering, snapshots
from support.smallpool import small_pool

pytestmark = pytest.mark.component


async def test_a_snapshot_that_has_no_room_is_not_begun(tmp_path):
    with small_pool(tmp_path / "pool", "6m") as small:
        layout = Layout(small)
        layout.prepare()
        full = LocalVolumes(layout.volumes)
        await full.create(VOLUME, 4 * MIB)
        await write(full.disk(VOLUME), 0x5A, 0, 4 * MIB)
        taking = snapshots(layout, full, SimulatedHypervisor())
        with pytest.raises(StepError) as error:
            await taking.take(ORDER)
        assert (error.value.reason, error.value.permanent) == ("DiskFull", False)
        assert error.value.message.startswith("a copy needs 4.3Mi; where the data is kept 1.")
        assert left(layout) == BOTH[:2], "how it was to be taken, and nothing half"


async def test_a_guest_is_left_alone_where_nothing_could_be_kept_aside(tmp_path):
    """It would be halted by the first block that it overwrites."""
    with small_pool(tmp_path / "pool", "6m") as small:
        layout = Layout(small)
        layout.prepare()
        full = LocalVolumes(layout.volumes)
        await full.create(VOLUME, 4 * MIB)
        running = offering(layout)
        (small / "ballast").write_bytes(bytes(5 * MIB + 600 * 1024))
        with pytest.raises(StepError) as error:
            await snapshots(layout, full, running).take(ORDER)
        assert (error.value.reason, error.value.permanent, running.begun) == ("DiskFull", False, 0)
        assert error.value.message.endswith("stay for what machines write")


async def test_a_copy_that_meets_a_full_disk_leaves_nothing_and_goes_on_later(tmp_path, monkeypatch):
    """Somebody else took the room that was there when it began."""
    with small_pool(tmp_path / "pool", "12m") as small:
        layout = Layout(small)
        layout.prepare()
        full = LocalVolumes(layout.volumes)
        await full.create(VOLUME, 4 * MIB)
        await write(full.disk(VOLUME), 0x5A, 0, 4 * MIB)
        ballast, measure = small / "ballast", qemu_img.measure

        async def taken_meanwhile(origin):
            needed = await measure(origin)
            ballast.write_bytes(bytes(6 * MIB))
            return needed - 6 * MIB

        monkeypatch.setattr(qemu_img, "measure", taken_meanwhile)
        taking = snapshots(layout, full, SimulatedHypervisor())
        with pytest.raises(StepError) as error:
            await taking.take(ORDER)
        assert (error.value.reason, error.value.message) == (
            "DiskFull",
            "there is no room left for the disk that is being written",
        )
        assert left(layout) == BOTH[:2], "how it was to be taken, and nothing half"
        monkeypatch.undo()
        ballast.unlink()
        await taking.take(ORDER)
        await holds(full.disk(KEPT), 0x5A, 0, 4 * MIB)
