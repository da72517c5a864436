"""Orders about data: carried out until they are done, told as they go, forgotten when they are taken back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from orlop_agent.api import backoff
from orlop_agent.api.errors import NotFoundError
from orlop_agent.credentials import Credentials
from orlop_agent.domain.spec import Disk
from orlop_agent.failure import StepError
from orlop_agent.paths import Layout
from orlop_agent.simulate import SimulatedHypervisor
from orlop_agent.snapshots import Snapshots
from orlop_agent.storage import StorageWork
from orlop_agent.volume.driver import VolumeData
from orlop_agent.volume.drivers import Drivers
from orlop_agent.volume.local import LocalVolumes
from orlop_api.assignment import AssignedOrigin
from orlop_api.storage import Found, StorageAction, StorageOrder, StorageState
from orlop_api.volume_class import Driver, LocalParameters, VolumeLocation

ORDER = StorageOrder(uid="v-1", action=StorageAction.DELETE, location=VolumeLocation(local=LocalParameters()))


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    (tmp_path / "v-1.qcow2").write_bytes(b"data")
    return tmp_path


class NoSecrets:
    """A node that was given none."""

    async def secret(self, namespace: str, name: str) -> dict[str, str]:
        raise NotFoundError(f"{namespace}/{name}")


InUse = set[tuple[str, int | None]]


@asynccontextmanager
async def nothing(origin: AssignedOrigin) -> AsyncIterator[Disk]:
    """Nothing is copied here."""
    raise AssertionError(origin)
    yield


def work_in(pool: Path, in_use: Callable[[], InUse]) -> StorageWork:
    drivers = Drivers({Driver.LOCAL: LocalVolumes(pool)})
    hypervisor = SimulatedHypervisor()
    credentials = Credentials(NoSecrets(), hypervisor)
    return StorageWork(drivers, Snapshots(Layout(pool), drivers, hypervisor), nothing, in_use, credentials)


async def settled(work: StorageWork, state: StorageState) -> None:
    changed = asyncio.Event()
    work.listen(changed.set)
    async with asyncio.timeout(5):
        while [report.state for report in work.reports()] != [state] or (
            state is StorageState.PENDING and not work.reports()[0].reason
        ):
            await changed.wait()
            changed.clear()


async def test_data_is_deleted_and_that_is_told(pool: Path):
    work = work_in(pool, set)
    work.follow([ORDER])
    await settled(work, StorageState.DONE)
    assert not (pool / "v-1.qcow2").exists()
    work.follow([])
    assert work.reports() == []
    await work.close()


async def test_data_that_an_instance_has_waits_and_goes_on_when_it_is_woken(pool: Path):
    in_use: InUse = {("v-1", None)}
    work = work_in(pool, lambda: in_use)
    work.follow([ORDER])
    await settled(work, StorageState.PENDING)
    [report] = work.reports()
    assert (report.reason, report.message) == ("InUse", "an Instance on this node still has it")
    assert (pool / "v-1.qcow2").exists()
    in_use.clear()
    work.wake()
    await settled(work, StorageState.DONE)
    assert not (pool / "v-1.qcow2").exists()
    await work.close()


async def test_what_failed_is_tried_again_and_what_cannot_work_is_not(
    pool: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(backoff, "delays", lambda **_: iter([0.0] * 9))
    answers = [OSError(28, "No space left on device"), StepError("Odd", "it is odd", permanent=True)]

    async def fail(*_: object) -> None:
        raise answers.pop(0)

    monkeypatch.setattr(LocalVolumes, "delete", fail)
    work = work_in(pool, set)
    work.follow([ORDER])
    await settled(work, StorageState.FAILED)
    [report] = work.reports()
    assert (report.reason, report.message, answers) == ("Odd", "it is odd", [])
    await work.close()


async def test_an_order_that_is_taken_back_ends(pool: Path, monkeypatch: pytest.MonkeyPatch):
    begun, ended = asyncio.Event(), asyncio.Event()

    async def slow(*_: object) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    monkeypatch.setattr(LocalVolumes, "delete", slow)
    work = work_in(pool, set)
    work.follow([ORDER])
    async with asyncio.timeout(5):
        await begun.wait()
        work.follow([])
        await ended.wait()
    assert work.reports() == []


async def test_data_is_found_or_not_and_nothing_else_is_done(pool: Path):
    drivers = Drivers({Driver.LOCAL: LocalVolumes(pool)})
    in_use: InUse = {("v-2", None)}
    work = work_in(pool, lambda: in_use)
    order = StorageOrder(uid="v-2", action=StorageAction.FIND, location=ORDER.location, generation=3)
    work.follow([order])
    await settled(work, StorageState.PENDING)
    assert work.reports()[0].reason == "InUse", "it may be made at this moment"
    in_use.clear()
    work.wake()
    await settled(work, StorageState.DONE)
    report = work.reports()[0]
    assert (report.found, report.size_bytes, report.generation) == (Found.ABSENT, None, 3)
    assert not (pool / "v-2.qcow2").exists()
    await drivers.of(order.location).create(VolumeData("v-2", order.location), 1 << 20)
    work.follow([order.model_copy(update={"generation": 4})])
    await settled(work, StorageState.DONE)
    report = work.reports()[0]
    assert (report.found, report.size_bytes, report.generation) == (Found.PRESENT, 1 << 20, 4)
    await work.close()


async def test_data_grows_and_its_size_is_told(tmp_path: Path):
    drivers = Drivers({Driver.LOCAL: LocalVolumes(tmp_path)})
    data = VolumeData("v-1", ORDER.location)
    await drivers.of(data.location).create(data, 1 << 20)
    work = work_in(tmp_path, set)
    for wanted, has in ((3 << 20, 3 << 20), (2 << 20, 3 << 20)):
        work.follow([ORDER.model_copy(update={"action": StorageAction.EXPAND, "size_bytes": wanted})])
        await settled(work, StorageState.DONE)
        assert work.reports()[0].size_bytes == has
    await work.close()
