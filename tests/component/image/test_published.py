"""What is published of real disks: flattened, alone, looked at, and read only while nobody writes."""

import asyncio
import json
import os
import shutil
import subprocess

import pytest

from orlop_agent.domain.spec import Disk, DiskFile
from orlop_agent.hypervisor import Domain, DomainDisk, Mark, Power
from orlop_agent.image import published
from orlop_agent.image.published import Publisher
from orlop_agent.image.store import ImageStore
from orlop_agent.paths import Layout
from orlop_agent.simulate import SimulatedHypervisor
from orlop_agent.snapshots import Snapshots
from orlop_agent.volume import qemu_img
from orlop_agent.volume.driver import VolumeData
from orlop_agent.volume.drivers import Drivers
from orlop_agent.volume.file import make_overlay
from orlop_agent.volume.local import LocalVolumes
from orlop_api.config import ImageConfig
from orlop_api.hypervisor import ImportOrder, ImportState, PublishedOrigin
from orlop_api.image import DiskFormat
from orlop_api.source import FileSource, PublishedLocation
from orlop_api.volume_class import Driver, LocalParameters, VolumeLocation
from support.disks import MIB, held, holds, write

pytestmark = [
    pytest.mark.component,
    pytest.mark.skipif(os.geteuid() != 0, reason="the inspector gives up privileges, which needs root"),
]
VOLUME = "7e7e7e7e-0000-4000-8000-00000000000a"
INSTANCE = "7e7e7e7e-0000-4000-8000-00000000000b"
BASE = "ab" * 32


def nothing(_received, _expected):
    pass


class Node:
    """A pool, a cache, and what publishes from one into the other."""

    def __init__(self, tmp_path):
        self.layout = Layout(tmp_path)
        self.layout.prepare()
        self.layout.images.mkdir()
        self.volumes = LocalVolumes(self.layout.volumes)
        self.hypervisor = SimulatedHypervisor()
        drivers = Drivers({Driver.LOCAL: self.volumes})
        snapshots = Snapshots(self.layout, drivers, self.hypervisor)
        self.publisher = Publisher(self.layout, snapshots, self.hypervisor)
        self.store = ImageStore(self.layout.images, ImageConfig(formats=["raw"]), maker=self.publisher)

    async def publish(self, **origin):
        order = ImportOrder(
            image_uid="u",
            source=FileSource(published=PublishedLocation(node_name="node-1")),
            origin=PublishedOrigin(**origin),
        )
        return await self.store.run_import(order, nothing)

    async def volume(self, form):
        data = VolumeData(VOLUME, VolumeLocation(local=LocalParameters(format=form)))
        await self.volumes.create(data, 4 * MIB)
        await write(self.volumes.disk(data), 0x5A, MIB, MIB)
        return data

    async def root_disk(self, base_format="qcow2"):
        """A guest wrote the second MiB of a disk whose first one is its image's."""
        base = self.layout.images / BASE
        await qemu_img.create(base, 4 * MIB, form=base_format)
        await write(Disk(DiskFile(base), base_format), 0x11, 0, 2 * MIB)
        path = self.layout.root_disk(INSTANCE)
        path.parent.mkdir()
        await make_overlay(path, 8 * MIB, base, base_format)
        disk = Disk(DiskFile(path), "qcow2")
        await write(disk, 0x22, MIB, MIB)
        return disk

    def made(self, report):
        """The file of a report, which is what it says, and stands alone."""
        assert report.state is ImportState.READY, report.message
        path = self.layout.images / report.digest.removeprefix("sha256:")
        told = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True)
        assert f"sha256:{told.stdout.split()[0]}" == report.digest
        info = subprocess.run(
            ["qemu-img", "info", "-f", "qcow2", "--output=json", path], capture_output=True, check=True
        )
        found = json.loads(info.stdout)
        assert "backing-filename" not in found
        assert found["virtual-size"] == report.virtual_size_bytes
        assert report.size_bytes == path.stat().st_size
        return Disk(DiskFile(path), "qcow2", readonly=True)

    def left(self):
        return sorted(path.name for path in self.layout.images.iterdir())


@pytest.fixture
def node(tmp_path):
    return Node(tmp_path)


@pytest.mark.parametrize("form", list(DiskFormat))
async def test_a_volume_is_kept_as_qcow2_whatever_it_was(node, form):
    data = await node.volume(form)
    disk = node.made(await node.publish(volume_uid=VOLUME, location=data.location))
    await holds(disk, 0x5A, MIB, MIB)
    await holds(disk, 0, 2 * MIB, 2 * MIB)
    await write(node.volumes.disk(data), 0x33, MIB, MIB)
    await holds(disk, 0x5A, MIB, MIB)
    assert len(node.left()) == 1


async def test_a_header_that_a_guest_wrote_stays_data(node, tmp_path):
    """As qcow2 it would name a file of the host; it is what the guest's raw disk begins with, and no more."""
    data = await node.volume(DiskFormat.RAW)
    trap = tmp_path / "trap.qcow2"
    secret = tmp_path / "secret"
    secret.write_bytes(b"\x77" * MIB)
    await qemu_img.create(trap, MIB, base=Disk(DiskFile(secret), "raw"))
    path = node.volumes.disk(data).source.path
    with path.open("r+b") as file:
        file.write(trap.read_bytes()[:65536])
    report = await node.publish(volume_uid=VOLUME, location=data.location)
    disk = node.made(report)
    assert report.virtual_size_bytes == 4 * MIB
    back = tmp_path / "back.raw"
    await qemu_img.convert(disk, Disk(DiskFile(back), "raw"), 4 * MIB)
    assert back.read_bytes() == path.read_bytes()


@pytest.mark.parametrize("base_format", ["qcow2", "raw"])
async def test_a_root_disk_is_made_one_with_its_image(node, base_format):
    await node.root_disk(base_format)
    report = await node.publish(instance_uid=INSTANCE)
    disk = node.made(report)
    assert report.virtual_size_bytes == 8 * MIB
    await holds(disk, 0x11, 0, MIB)
    await holds(disk, 0x22, MIB, MIB)
    await holds(disk, 0, 2 * MIB, 6 * MIB)


async def test_a_guest_that_runs_is_never_read(node):
    disk = await node.root_disk()
    mark = Mark(INSTANCE, INSTANCE, 1, "s", "demo", "web")
    node.hypervisor.domains[INSTANCE] = Domain(mark, Power.PAUSED, (DomainDisk("vda"),))
    report = await node.publish(instance_uid=INSTANCE)
    assert (report.state, report.reason, report.retry) == (ImportState.FAILED, "InstanceRunning", "Useful")
    node.hypervisor.domains.clear()
    async with held(disk):
        report = await node.publish(instance_uid=INSTANCE)
    assert report.state is ImportState.FAILED, "QEMU's lock holds also where nobody knows of the domain"
    assert node.left() == [BASE]


async def test_a_guest_that_starts_comes_first(node, monkeypatch):
    """What reads the disk has let go of it once `give_way` returns."""
    disk = await node.root_disk()
    begun = asyncio.Event()

    async def slow(origin, *_, **__):
        async with held(origin):
            begun.set()
            await asyncio.Event().wait()

    monkeypatch.setattr(published.qemu_img, "convert", slow)
    work = asyncio.create_task(node.publish(instance_uid=INSTANCE))
    await begun.wait()
    await node.publisher.give_way(INSTANCE)
    await write(disk, 0x44, MIB, MIB)
    report = await work
    assert (report.reason, report.retry) == ("InstanceRunning", "Useful")
    assert node.left() == [BASE]
    await node.publisher.give_way(INSTANCE)


async def test_a_guest_that_gets_the_volume_comes_first(node, monkeypatch):
    """QEMU would refuse to open it for as long as the copy takes."""
    data = await node.volume(DiskFormat.RAW)
    begun = asyncio.Queue()

    async def slow(origin, *_, **__):
        async with held(origin):
            begun.put_nowait(None)
            await asyncio.Event().wait()

    monkeypatch.setattr(published.qemu_img, "convert", slow)
    work = [asyncio.create_task(node.publish(volume_uid=VOLUME, location=data.location)) for _ in range(2)]
    for _ in work:
        await begun.get()
    await node.publisher.give_way(VOLUME)
    await write(node.volumes.disk(data), 0x44, MIB, MIB)
    for report in await asyncio.gather(*work):
        assert (report.reason, report.retry) == ("InstanceRunning", "Useful")
    assert node.left() == []
    await node.publisher.give_way(VOLUME)


async def test_two_images_of_one_root_disk_are_made_one_after_the_other(node):
    await node.root_disk()
    reports = await asyncio.gather(*(node.publish(instance_uid=INSTANCE) for _ in range(2)))
    assert sorted(report.state for report in reports) == [ImportState.FAILED, ImportState.READY]
    assert {report.reason for report in reports} == {"", "InUse"}


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (lambda node, path: path.unlink(), "DiskLost"),
        (lambda node, path: (path.unlink(), path.symlink_to("/etc/passwd")), "DiskLost"),
        (lambda node, path: (node.layout.images / BASE).unlink(), "DiskLost"),
        (lambda node, path: rebase(path, "/etc/passwd"), "DiskLost"),
        (lambda node, path: below(node.layout.images / BASE), "BackingFile"),
    ],
    ids=["no disk", "a link", "no base", "another base", "a base over another"],
)
async def test_a_root_disk_that_is_not_as_it_was_made_is_not_opened(node, break_it, reason):
    disk = await node.root_disk()
    break_it(node, disk.source.path)
    report = await node.publish(instance_uid=INSTANCE)
    assert (report.state, report.reason, report.retry) == (ImportState.FAILED, reason, "Useless")


def rebase(path, base):
    subprocess.run(["qemu-img", "rebase", "-u", "-f", "qcow2", "-b", base, "-F", "raw", path], check=True)


def below(base):
    other = base.with_name("other")
    shutil.copyfile(base, other)
    subprocess.run(["qemu-img", "rebase", "-u", "-f", "qcow2", "-b", other, "-F", "qcow2", base], check=True)


async def test_an_encrypted_volume_is_refused_by_its_node_too(node):
    await node.volume(DiskFormat.QCOW2)
    location = VolumeLocation(local=LocalParameters(), encryption="LUKS")
    report = await node.publish(volume_uid=VOLUME, location=location)
    assert (report.state, report.reason, report.retry) == (ImportState.FAILED, "NotSupported", "Useless")
    assert node.left() == []


async def test_a_volume_that_is_lost_is_said_to_be(node):
    location = VolumeLocation(local=LocalParameters())
    report = await node.publish(volume_uid=VOLUME, location=location)
    assert (report.state, report.reason, report.retry) == (ImportState.FAILED, "DiskLost", "Useless")


async def test_a_copy_that_has_no_room_says_so_and_leaves_nothing(node, monkeypatch):
    data = await node.volume(DiskFormat.QCOW2)

    async def full(_):
        return 1 << 60

    monkeypatch.setattr(published.qemu_img, "measure", full)
    report = await node.publish(volume_uid=VOLUME, location=data.location)
    assert (report.reason, report.retry) == ("DiskFull", "Useful")
    assert node.left() == []


async def test_a_copy_that_is_broken_off_leaves_nothing(node, monkeypatch):
    data = await node.volume(DiskFormat.QCOW2)
    begun = asyncio.Event()
    convert = qemu_img.convert

    async def slow(origin, target, *rest, **more):
        await convert(origin, target, *rest, **more)
        begun.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(published.qemu_img, "convert", slow)
    work = asyncio.create_task(node.publish(volume_uid=VOLUME, location=data.location))
    await begun.wait()
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    assert node.left() == []
    monkeypatch.undo()
    node.made(await node.publish(volume_uid=VOLUME, location=data.location))
