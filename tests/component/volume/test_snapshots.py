"""Snapshots of real disks: as they are, out of a machine that has them, and over again after a kill."""

import asyncio

import pytest

from orlop_agent.failure import StepError
from orlop_agent.paths import Layout
from orlop_agent.simulate import SimulatedHypervisor
from orlop_agent.volume import qemu_img
from orlop_agent.volume.driver import VolumeData
from orlop_agent.volume.local import LocalVolumes
from orlop_api.snapshot import Consistency, Quiesce
from support.disks import MIB, held, holds, write
from support.offering import BOTH, GUEST, HERE, KEPT, ORDER, VOLUME, left, offering, snapshots

pytestmark = pytest.mark.component


@pytest.fixture
def layout(tmp_path):
    made = Layout(tmp_path)
    made.prepare()
    return made


@pytest.fixture
async def pool(layout):
    driver = LocalVolumes(layout.volumes)
    await driver.create(VOLUME, 4 * MIB)
    await write(driver.disk(VOLUME), 0x5A, MIB, MIB)
    return driver


@pytest.fixture
async def guest(pool, layout):
    made = offering(layout)
    yield made
    await made.closed()


async def test_a_volume_that_nobody_has_is_copied_as_it_is(layout, pool):
    taken = await snapshots(layout, pool, SimulatedHypervisor()).take(ORDER)
    assert (taken.size_bytes, taken.consistency) == (4 * MIB, Consistency.DETACHED)
    await write(pool.disk(VOLUME), 0x11, MIB, MIB)
    await holds(pool.disk(KEPT), 0x5A, MIB, MIB)
    again = await snapshots(layout, pool, SimulatedHypervisor()).take(ORDER)
    assert again == taken, "taken once; another agent process tells the same of it"
    await holds(pool.disk(KEPT), 0x5A, MIB, MIB)


@pytest.mark.parametrize(
    ("quiesce", "consistency"), [(Quiesce.AUTO, Consistency.FILE_SYSTEM), (Quiesce.NEVER, Consistency.CRASH)]
)
async def test_a_volume_that_a_guest_has_comes_out_of_its_machine(layout, pool, guest, quiesce, consistency):
    async with held(pool.disk(VOLUME)):
        taken = await snapshots(layout, pool, guest).take(ORDER.model_copy(update={"quiesce": quiesce}))
    assert taken.consistency is consistency
    await holds(pool.disk(KEPT), 0x5A, MIB, MIB)
    assert not guest.exports
    assert left(layout) == BOTH, "no scratch, no socket"


async def test_a_machine_that_nobody_knows_of_keeps_its_disk(layout, pool):
    """The domain is there and not listed yet: QEMU's own lock says no, and nothing half stays."""
    async with held(pool.disk(VOLUME)):
        with pytest.raises(StepError) as error:
            await snapshots(layout, pool, SimulatedHypervisor()).take(ORDER)
    assert not error.value.permanent
    assert not await pool.exists(KEPT)
    await snapshots(layout, pool, SimulatedHypervisor()).take(ORDER)
    await holds(pool.disk(KEPT), 0x5A, MIB, MIB)


async def test_a_guest_that_cannot_be_read_is_asked_again(layout, pool, guest):
    guest.fail_before.add("begin_export")
    with pytest.raises(StepError) as error:
        await snapshots(layout, pool, guest).take(ORDER)
    assert (error.value.reason, error.value.permanent) == ("NotReadable", False)
    assert (await snapshots(layout, pool, guest).take(ORDER)).size_bytes == 4 * MIB


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_volume_that_grows_while_it_is_to_be_copied_is_copied_in_the_end(
    layout, pool, monkeypatch, moment
):
    """Its size is read more than once, and an EXPAND may come between: that is no fault of the snapshot."""
    measured, taking = qemu_img.virtual_size, snapshots(layout, pool, SimulatedHypervisor())
    sizes = []

    async def grown(disk):
        if not sizes and moment == "before":
            await qemu_img.resize(pool.disk(VOLUME), 8 * MIB)
        sizes.append(await measured(disk))
        if len(sizes) == 1 and moment == "after":
            await qemu_img.resize(pool.disk(VOLUME), 8 * MIB)
        return sizes[-1]

    monkeypatch.setattr(qemu_img, "virtual_size", grown)
    if moment == "after":
        with pytest.raises(StepError, match="grew while it was to be copied") as error:
            await taking.take(ORDER)
        assert not error.value.permanent
    taken = await taking.take(ORDER)
    assert (taken.size_bytes, await measured(pool.disk(KEPT))) == (8 * MIB, 8 * MIB)
    await holds(pool.disk(KEPT), 0x5A, MIB, MIB)


@pytest.mark.parametrize("turns", [1, 3, 6, 10, 15, 25, 40])
async def test_a_taking_that_is_broken_off_begins_anew(layout, pool, guest, turns):
    """As when the agent is killed there: what it left is no hindrance, and the snapshot is whole."""
    work = asyncio.create_task(snapshots(layout, pool, guest).take(ORDER))
    for _ in range(turns):
        await asyncio.sleep(0.002)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    (layout.volumes / f".{VOLUME.uid}.scratch").touch()  # a killed agent cleans nothing up
    guest.exports[GUEST] = guest.exports.get(GUEST)
    again = snapshots(layout, pool, guest)
    await again.tidy()
    await again.take(ORDER)
    assert not guest.exports
    await holds(pool.disk(KEPT), 0x5A, MIB, MIB)
    assert left(layout) == BOTH


async def test_two_snapshots_of_one_guest_are_taken_one_after_the_other(layout, pool, guest):
    taking = snapshots(layout, pool, guest)
    other = ORDER.model_copy(update={"uid": "7e7e7e7e-0000-4000-8000-00000000000d"})
    await asyncio.gather(taking.take(ORDER), taking.take(other))
    assert guest.begun == 2
    await holds(pool.disk(VolumeData(other.uid, HERE)), 0x5A, MIB, MIB)


async def test_a_snapshot_whose_note_is_lost_says_so(layout, pool):
    taking = snapshots(layout, pool, SimulatedHypervisor())
    await taking.take(ORDER)
    (layout.volumes / f"{KEPT.uid}.note").unlink()
    with pytest.raises(StepError) as error:
        await taking.take(ORDER)
    assert (error.value.reason, error.value.permanent) == ("NoteLost", True)


async def test_a_volume_that_is_lost_is_no_snapshot(layout, pool):
    await pool.delete(VOLUME)
    with pytest.raises(StepError) as error:
        await snapshots(layout, pool, SimulatedHypervisor()).take(ORDER)
    assert (error.value.reason, error.value.permanent) == ("DiskLost", True)


async def test_an_offer_that_is_cancelled_while_it_begins_ends(layout, pool, guest, monkeypatch):
    """The call goes on in its thread: its job must not begin after it was ended."""
    going, go = asyncio.Event(), asyncio.Event()
    begin = guest.begin_export

    async def slow(instance_uid, export):
        going.set()
        await go.wait()
        return await begin(instance_uid, export)

    monkeypatch.setattr(guest, "begin_export", slow)
    work = asyncio.create_task(snapshots(layout, pool, guest).take(ORDER))
    await going.wait()
    work.cancel()
    await asyncio.sleep(0)
    go.set()
    await asyncio.gather(work, return_exceptions=True)
    assert (guest.begun, guest.exports, guest.server) == (1, {}, None)
    assert left(layout) == [f"{VOLUME.uid}.qcow2"]


async def test_a_guest_that_is_halted_for_want_of_room_comes_before_its_snapshot(
    layout, pool, guest, monkeypatch
):
    """What it overwrites is kept aside, and there is no room for that: the reading ends, however slow the reader is."""
    reading, order = asyncio.Event(), []
    end = guest.end_export

    async def slow(data, disk, size):
        order.clear()
        reading.set()
        try:
            await asyncio.Event().wait()
        finally:
            order.append("reader")

    async def noted(instance_uid):
        order.append("offer")
        await end(instance_uid)

    monkeypatch.setattr(pool, "copy_from", slow)
    monkeypatch.setattr(guest, "end_export", noted)
    taking = snapshots(layout, pool, guest)
    work = asyncio.create_task(taking.take(ORDER))
    await reading.wait()
    guest.halt(GUEST)
    await asyncio.sleep(0.05)
    assert order == [], "by hand: no want of room"
    guest.full[GUEST] = ("vdb",)
    for _ in range(2):
        guest.halt(GUEST)
    with pytest.raises(StepError) as error:
        await work
    assert (error.value.reason, error.value.permanent) == ("DiskFull", False)
    assert "the guest goes on" in error.value.message
    assert order == ["reader", "offer"], "what was sent to the reader keeps QEMU from hearing"
    assert not guest.exports
    monkeypatch.undo()
    guest.full.clear()
    await guest.resume(GUEST)
    await taking.take(ORDER)
    await holds(pool.disk(KEPT), 0x5A, MIB, MIB)
    assert left(layout) == BOTH
