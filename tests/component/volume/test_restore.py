"""A Volume is put back to a snapshot by an agent that is killed between any two steps: old or new, never neither."""

import asyncio
import os
import signal
import subprocess
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from orlop_agent import durable
from orlop_agent.api.errors import NotFoundError
from orlop_agent.credentials import Credentials
from orlop_agent.origins import Origins
from orlop_agent.paths import Layout
from orlop_agent.simulate import SimulatedHypervisor
from orlop_agent.snapshots import Snapshots
from orlop_agent.storage import StorageWork
from orlop_agent.volume import qemu_img
from orlop_agent.volume.driver import VolumeData
from orlop_agent.volume.drivers import Drivers
from orlop_agent.volume.file import sweep
from orlop_agent.volume.local import LocalVolumes
from orlop_agent.volume.pools import SharedPools
from orlop_agent.volume.shared import SharedVolumes
from orlop_api.assignment import AssignedOrigin
from orlop_api.storage import StorageAction, StorageOrder, StorageState
from orlop_api.volume_class import Driver, LocalParameters, SharedLocation, VolumeLocation
from support.disks import MIB, RefusedError, held, holds, write

pytestmark = pytest.mark.component

VOLUME, KEPT = "7e7e7e7e-0000-4000-8000-00000000000a", "7e7e7e7e-0000-4000-8000-00000000000c"
OLD, NEW, LATER = 0x11, 0x5A, 0x77
SIZE = 6 * MIB
"""The Volume has grown since the snapshot was taken."""


class Pool:
    """A place with a Volume, and a snapshot of it."""

    def __init__(self, layout: Layout, place: Path, driver: Driver, location: VolumeLocation) -> None:
        self.layout, self.place, self.driver, self.location = layout, place, driver, location

    def drivers(self) -> Drivers:
        """As a new agent process has them."""
        if self.driver is Driver.LOCAL:
            return Drivers({Driver.LOCAL: LocalVolumes(self.layout.volumes)})
        return Drivers({Driver.SHARED: SharedVolumes(SharedPools(self.layout.shared))})

    def data(self, generation: int | None = None, uid: str = VOLUME) -> VolumeData:
        return VolumeData(uid, self.location.model_copy(update={"generation": generation}))

    def order(self, action: StorageAction, generation: int) -> StorageOrder:
        return StorageOrder(
            uid=VOLUME,
            action=action,
            location=self.data(generation or None).location,
            generation=generation,
            size_bytes=SIZE,
            origin=AssignedOrigin(volume_uid=KEPT, location=self.location),
        )

    async def prepare(self) -> None:
        driver = self.drivers().of(self.location)
        for data, size, pattern in ((self.data(), SIZE, OLD), (self.data(uid=KEPT), 4 * MIB, NEW)):
            await driver.create(data, size)
            await write(driver.disk(data), pattern, MIB, MIB)

    def files(self) -> list[str]:
        return sorted(path.name for path in self.place.iterdir())

    async def has(self, generation: int | None, pattern: int) -> bool:
        """Whether this data is there; where it is, it is whole."""
        driver, data = self.drivers().of(self.location), self.data(generation)
        if not await driver.exists(data):
            return False
        await holds(driver.disk(data), pattern, MIB, MIB)
        assert await driver.size(data) == SIZE
        return True


class NoSecrets:
    """A node that was given none."""

    async def secret(self, namespace: str, name: str) -> dict[str, str]:
        raise NotFoundError(f"{namespace}/{name}")


def work(pool: Pool, in_use: set[tuple[str, int | None]] | None = None) -> StorageWork:
    drivers, hypervisor = pool.drivers(), SimulatedHypervisor()
    snapshots = Snapshots(pool.layout, drivers, hypervisor)
    opened = Origins(None, snapshots).open
    credentials = Credentials(NoSecrets(), hypervisor)
    return StorageWork(drivers, snapshots, opened, lambda: in_use or set(), credentials)


async def obey(pool: Pool, order: StorageOrder) -> None:
    """An agent that starts with this order, until it is done."""
    sweep(pool.layout.volumes)
    at_it, changed = work(pool), asyncio.Event()
    at_it.listen(changed.set)
    at_it.follow([order])
    async with asyncio.timeout(60):
        while (report := at_it.reports()[0]).state is StorageState.PENDING:
            await changed.wait()
            changed.clear()
    await at_it.close()
    assert report.state is StorageState.DONE, report


@contextmanager
def killed_at(step: int):
    """The process kills itself before the step of this number, of those that leave something on the disk."""
    count = 0

    def tick() -> None:
        nonlocal count
        count += 1
        if count == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(call):
        def called(*args, **kwargs):
            tick()
            made = call(*args, **kwargs)
            tick()
            return made

        return called

    def around_async(call):
        async def called(*args, **kwargs):
            tick()
            made = await call(*args, **kwargs)
            tick()
            return made

        return called

    with (
        patch.object(qemu_img, "convert", around_async(qemu_img.convert)),
        patch.object(qemu_img, "resize", around_async(qemu_img.resize)),
        patch.object(asyncio, "create_subprocess_exec", around_async(asyncio.create_subprocess_exec)),
        patch.object(os, "fsync", around(os.fsync)),
        patch.object(Path, "hardlink_to", around(Path.hardlink_to)),
        patch.object(Path, "unlink", around(Path.unlink)),
        patch.object(durable, "sync_directory", around(durable.sync_directory)),
    ):
        yield


def run_killed(pool: Pool, order: StorageOrder, step: int) -> bool:
    """Whether an agent, in a process of its own, was killed before it was done."""
    child = os.fork()
    if child == 0:
        try:
            with killed_at(step):
                asyncio.run(obey(pool, order))
        except BaseException:
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in {0, -signal.SIGKILL}
    return code != 0


@pytest.fixture(params=["local", "shared"])
def pool(request, tmp_path):
    layout = Layout(tmp_path)
    layout.prepare()
    if request.param == "local":
        made = Pool(layout, layout.volumes, Driver.LOCAL, VolumeLocation(local=LocalParameters()))
        asyncio.run(made.prepare())
        yield made
        return
    if os.geteuid() != 0:
        pytest.skip("only root can mount a pool")
    server, mounted = tmp_path / "server", layout.shared / "nfs-a"
    for directory in (server, mounted):
        directory.mkdir()
    (server / "pool-id").write_text("p-1\n")
    subprocess.run(["mount", "--bind", server, mounted], check=True)
    try:
        kept = SharedLocation(pool="nfs-a", pool_id="p-1")
        made = Pool(layout, mounted / "volumes", Driver.SHARED, VolumeLocation(shared=kept))
        asyncio.run(made.prepare())
        yield made
    finally:
        subprocess.run(["umount", mounted], check=True)


def test_whenever_the_agent_is_killed_there_is_the_old_or_the_new(pool: Pool):
    restore, discard = pool.order(StorageAction.RESTORE, 1), pool.order(StorageAction.DISCARD, 0)
    kills = 0
    while run_killed(pool, restore, kills + 1):
        kills += 1
        assert asyncio.run(pool.has(None, OLD)), "what the Volume has now is not touched"
        asyncio.run(pool.has(1, NEW))  # or not there; never half
    assert kills >= 8, "a step is not looked at any more"
    asyncio.run(obey(pool, restore))
    assert asyncio.run(pool.has(1, NEW))
    # The operator points at it; only then this is ordered.
    kills = 0
    while run_killed(pool, discard, kills + 1):
        kills += 1
        assert asyncio.run(pool.has(1, NEW))
    assert kills >= 2
    asyncio.run(obey(pool, discard))
    assert pool.files() == sorted((f"{KEPT}.qcow2", f"{VOLUME}.1.qcow2")), "nothing is left, half nor whole"


def test_what_was_put_back_and_written_to_since_is_never_made_again(pool: Pool):
    """The order is carried out again, by an agent that is late."""
    restore = pool.order(StorageAction.RESTORE, 1)
    asyncio.run(obey(pool, restore))
    asyncio.run(write(pool.drivers().of(pool.location).disk(pool.data(1)), LATER, MIB, MIB))
    asyncio.run(obey(pool, restore))
    assert asyncio.run(pool.has(1, LATER))


def test_a_machine_keeps_what_it_has_while_the_old_goes_and_all_goes_with_the_volume(pool: Pool):
    async def story() -> None:
        await obey(pool, pool.order(StorageAction.RESTORE, 1))
        driver = pool.drivers().of(pool.location)
        async with held(driver.disk(pool.data(1))):
            await obey(pool, pool.order(StorageAction.DISCARD, 0))
            with pytest.raises(RefusedError):
                await write(driver.disk(pool.data(1)), LATER, MIB, MIB)
        assert await pool.has(1, NEW)
        await obey(pool, pool.order(StorageAction.RESTORE, 2))
        delete = StorageOrder(uid=VOLUME, action=StorageAction.DELETE, location=pool.data(1).location)
        await obey(pool, delete)
        assert pool.files() == [f"{KEPT}.qcow2"]

    asyncio.run(story())


def test_it_waits_for_an_instance_of_the_node_and_tells_a_snapshot_that_is_lost(pool: Pool):
    async def report(order: StorageOrder, in_use: set[tuple[str, int | None]]) -> tuple[StorageState, str]:
        at_it, changed = work(pool, in_use), asyncio.Event()
        at_it.listen(changed.set)
        at_it.follow([order])
        async with asyncio.timeout(30):
            while not at_it.reports()[0].reason:
                await changed.wait()
                changed.clear()
        found = at_it.reports()[0]
        await at_it.close()
        return found.state, found.reason

    async def story() -> None:
        restore, discard = pool.order(StorageAction.RESTORE, 1), pool.order(StorageAction.DISCARD, 0)
        assert await report(restore, {(VOLUME, None)}) == (StorageState.PENDING, "InUse")
        assert await report(discard, {(VOLUME, None)}) == (StorageState.PENDING, "InUse")
        await pool.drivers().delete(pool.data(uid=KEPT))
        assert await report(restore, set()) == (StorageState.FAILED, "DiskLost")
        assert await pool.has(None, OLD)
        assert not await pool.has(1, NEW)

    asyncio.run(story())
