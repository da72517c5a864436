"""Copies of a Volume that one node serves and a guest of another has: real tgtd, NBD and TLS."""

import asyncio
import shutil
from contextlib import suppress

import pytest

from orlop_agent.failure import StepError
from orlop_agent.hypervisor import Moved
from orlop_agent.snapshots import NoGuestError
from orlop_api.snapshot import Consistency
from support import guardian
from support.disks import MIB, RefusedError, held, holds, write
from support.offering import GUEST
from support.peers import Asked, Source, authority
from support.serving import HOST, KEPT, SERVER, VOLUME, Serving
from support.targets import Tgtd

pytestmark = pytest.mark.component
SIZE = 8 * MIB
VOLUMES_OWN = [f"{VOLUME}.json", f"{VOLUME}.raw"]
BOTH = [*VOLUMES_OWN, f"{KEPT}.note", f"{KEPT}.raw"]


@pytest.fixture
async def world():
    # Short: the name of a socket has at most 107 bytes.
    root = guardian.directory("orlop-vol")
    source, trust = Source(), authority()
    await source.server.start_server()
    async with Tgtd() as tgtd:
        made = Serving(root, tgtd, source)
        for node in made.peers.values():
            await node.join(trust)
        await made.volumes.create(made.data, SIZE)
        await write(made.volumes.disk(made.data), 0x5A, MIB, MIB)
        yield made
        for node in made.peers.values():
            await node.leave()
        await made.guest.closed()
    await source.server.close()
    shutil.rmtree(root)


async def test_what_a_guest_of_another_node_has_comes_out_of_its_machine(world):
    world.run_guest()
    async with held(world.volumes.disk(world.data)):
        taken = await world.snapshots().take(world.order())
        assert (taken.size_bytes, taken.consistency) == (SIZE, Consistency.FILE_SYSTEM)
        await write(world.volumes.disk(world.data), 0x11, MIB, MIB)  # nobody was thrown out
    kept = world.volumes._file(world.kept).disk
    await holds(kept, 0x5A, MIB, MIB)
    await holds(kept, 0, 2 * MIB, SIZE - 2 * MIB)
    assert world.volumes._file(world.kept).path.stat().st_blocks * 512 < 4 * MIB, "holes stay holes"
    assert await world.snapshots().take(world.order()) == taken
    assert (world.guest.begun, world.guest.server) == (1, None)
    assert world.left() == BOTH, "no scratch, no socket"
    with pytest.raises(RefusedError):
        await holds(world.volumes.disk(world.kept), 0x5A, 0, MIB)


@pytest.mark.parametrize("held_by", [HOST, SERVER, None])
async def test_what_no_guest_has_is_copied_by_who_serves_it(world, held_by):
    """HOST: an Instance that is stopped there."""
    taken = await world.snapshots().take(world.order(held_by))
    assert taken.consistency is Consistency.DETACHED
    await write(world.volumes.disk(world.data), 0x11, MIB, MIB)
    await holds(world.volumes._file(world.kept).disk, 0x5A, MIB, MIB)
    assert world.left() == BOTH


@pytest.mark.parametrize("held_by", [HOST, None])
async def test_what_somebody_unknown_writes_to_is_not_copied(world, held_by):
    """A guest that starts now, or of an Instance that the operator did not know of when it gave the order."""
    async with held(world.volumes.disk(world.data)):
        with pytest.raises(StepError) as busy:
            await world.snapshots().take(world.order(held_by))
    assert (busy.value.reason, busy.value.permanent) == ("InUse", False)
    assert world.left() == sorted([*VOLUMES_OWN])
    await world.snapshots().take(world.order(held_by))


async def test_only_who_serves_it_may_read_it(world):
    world.run_guest()
    with pytest.raises(NoGuestError):
        async with world.moments("node-3").of(HOST, VOLUME, quiesce=False):
            pass
    stranger = world.peers["node-3"]
    asked = Asked(world.peers[HOST], stranger.peering.context())
    assert (await asked.get(f"/v1/volumes/{VOLUME}/moment"))[0] == 404
    assert (await asked.get(f"/v1/volumes/{KEPT}/moment"))[0] == 404
    async with world.moments().of(HOST, VOLUME, quiesce=False):
        [token] = world.giver._moments
        assert (await asked.get(f"/v1/moments/{token}"))[0] == 404
    world.assigned = None
    with pytest.raises(NoGuestError):
        async with world.moments().of(HOST, VOLUME, quiesce=False):
            pass
    assert world.guest.begun == 1


async def test_a_node_without_its_guest_says_so(world):
    with pytest.raises(NoGuestError):
        async with world.moments().of(HOST, VOLUME, quiesce=False):
            pass


async def read_until_it_ends(world, end):
    """Read something, have something done, which goes on to its end, and read no further."""
    ending = None
    try:
        async with world.moments().of(HOST, VOLUME, quiesce=True) as (disk, consistency):
            assert consistency is Consistency.FILE_SYSTEM
            await holds(disk, 0x5A, MIB, MIB)
            ending = asyncio.create_task(end())
            async with asyncio.timeout(20):
                await asyncio.Event().wait()
    finally:
        if ending is not None:
            await ending


async def test_a_guest_that_is_halted_goes_first(world):
    """The scratch file of its node is full: the reader far away goes, then the offer, and it is told why."""
    world.run_guest()

    async def halt() -> None:
        world.giving._heard(Moved(GUEST, halted=True))

    with pytest.raises(StepError) as error:
        await read_until_it_ends(world, halt)
    assert (error.value.reason, error.value.permanent) == ("DiskFull", False)
    assert error.value.message.startswith(f"{HOST}: there was no room left for what the guest overwrites")
    assert world.guest.server is None
    assert world.left() == VOLUMES_OWN


async def test_a_reader_that_is_killed_leaves_no_offer(world):
    world.run_guest()
    reading = asyncio.Event()

    async def read() -> None:
        async with world.moments().of(HOST, VOLUME, quiesce=True) as (disk, _):
            await holds(disk, 0x5A, MIB, MIB)
            reading.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(read())
    async with asyncio.timeout(20):
        await reading.wait()
    assert world.guest.server is not None
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    async with asyncio.timeout(20):
        while world.guest.server is not None:
            await asyncio.sleep(0.05)
    assert world.left() == VOLUMES_OWN


async def test_a_guests_node_whose_agent_ends_ends_the_copy(world):
    world.run_guest()
    with pytest.raises(StepError) as error:
        await read_until_it_ends(world, world.peers[HOST].leave)
    assert (error.value.reason, error.value.permanent) == ("NotReadable", False)
    assert world.guest.server is None
    with pytest.raises(StepError) as away:
        await world.snapshots().take(world.order())
    assert away.value.reason in {"NodeUnreachable", "PeersDisabled"}
    assert world.left() == VOLUMES_OWN
