"""What every hypervisor must do: the simulated one, and libvirt's own driver for tests behind the real adapter."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from xml.etree import ElementTree as ET

import pytest

from orlop_agent.domain.mark import metadata
from orlop_agent.hypervisor import (
    Domain,
    DomainEvent,
    Ended,
    EndReason,
    Hypervisor,
    HypervisorError,
    Mark,
    Power,
)
from orlop_agent.libvirt import LibvirtHypervisor
from orlop_agent.simulate import SimulatedHypervisor
from orlop_api.hardware import Firmware, HardwareOffer

pytestmark = pytest.mark.component


class TestDriver(LibvirtHypervisor):
    """libvirt's driver for tests neither creates a domain paused nor knows ways to shut down."""

    __test__ = False

    async def create_paused(self, xml: str) -> None:
        await self._call(lambda connection: connection.createXML(xml).suspend())

    async def shutdown(self, instance_uid: str) -> None:
        await self._on_domain(instance_uid, lambda domain: domain.shutdown())


@pytest.fixture(params=["simulated", "libvirt"])
async def hypervisor(request: pytest.FixtureRequest) -> AsyncIterator[Hypervisor]:
    if request.param == "simulated":
        yield SimulatedHypervisor()
        return
    adapter = TestDriver("test:///default")
    yield adapter
    for domain in await adapter.list_all():
        await adapter.destroy(domain.mark.instance_uid)
    await adapter.close()


@pytest.fixture
def mark() -> Mark:
    return Mark(str(uuid.uuid4()), str(uuid.uuid4()), 2, str(uuid.uuid4()), "demo", "web-1")


def description(mark: Mark) -> str:
    """As little as libvirt's driver for tests takes."""
    return (
        f"<domain type='test'><name>orlop-{mark.instance_uid}</name><uuid>{mark.instance_uid}</uuid>"
        f"{ET.tostring(metadata(mark), encoding='unicode')}"
        "<memory>8192</memory><os><type>hvm</type></os></domain>"
    )


async def test_created_paused_then_runs_then_is_gone(hypervisor: Hypervisor, mark: Mark):
    assert await hypervisor.lookup(mark.instance_uid) is None
    await hypervisor.create_paused(description(mark))
    assert await hypervisor.lookup(mark.instance_uid) == Domain(mark, Power.PAUSED)
    await hypervisor.resume(mark.instance_uid)
    assert await hypervisor.list_all() == [Domain(mark, Power.RUNNING)]
    await hypervisor.destroy(mark.instance_uid)
    assert await hypervisor.lookup(mark.instance_uid) is None
    assert await hypervisor.list_all() == []


async def test_the_same_domain_twice_is_refused_and_the_first_stays(hypervisor: Hypervisor, mark: Mark):
    await hypervisor.create_paused(description(mark))
    with pytest.raises(HypervisorError):
        await hypervisor.create_paused(description(mark))
    assert await hypervisor.lookup(mark.instance_uid) == Domain(mark, Power.PAUSED)


async def test_nothing_is_done_to_a_domain_that_is_not_there(hypervisor: Hypervisor, mark: Mark):
    await hypervisor.resume(mark.instance_uid)
    await hypervisor.shutdown(mark.instance_uid)
    await hypervisor.destroy(mark.instance_uid)


@pytest.mark.parametrize(
    ("act", "reason"), [("shutdown", EndReason.SHUTDOWN), ("destroy", EndReason.DESTROYED)]
)
async def test_an_end_is_told_with_its_reason(
    hypervisor: Hypervisor, mark: Mark, act: str, reason: EndReason
):
    told: asyncio.Queue[DomainEvent] = asyncio.Queue()
    await hypervisor.create_paused(description(mark))
    await hypervisor.resume(mark.instance_uid)
    hypervisor.listen(told.put_nowait)
    await getattr(hypervisor, act)(mark.instance_uid)
    async with asyncio.timeout(5):
        while not isinstance(event := await told.get(), Ended):
            pass
    assert event == Ended(mark.instance_uid, reason)


async def test_a_domain_without_a_mark_is_nobodys(hypervisor: Hypervisor, mark: Mark):
    with contextlib.suppress(HypervisorError):  # or refused at once
        await hypervisor.create_paused(description(mark).replace("<orlop:instance", "<orlop:other"))
    assert await hypervisor.list_all() == []


async def test_versions(hypervisor: Hypervisor):
    assert all(await hypervisor.versions())


async def test_it_says_what_hardware_there_is(hypervisor: Hypervisor):
    found = await hypervisor.hardware("x86_64", "qemu")
    assert Firmware.BIOS in found.firmwares
    told = found.model_dump(mode="json", by_alias=True)
    assert HardwareOffer.model_validate(told) == found
