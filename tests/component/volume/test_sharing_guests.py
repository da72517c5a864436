"""Two guests with one disk, under the nodes' own libvirt and QEMU: what one writes the other reads."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from e2e.test_multi_attach import FIRST, SECOND, script
from orlop_agent.domain.build import domain_xml
from orlop_agent.domain.spec import Disk, DiskFile, DomainSpec, KernelBoot
from orlop_agent.hypervisor import Mark
from orlop_agent.volume import qemu_img
from orlop_agent.volume.driver import VolumeData
from orlop_agent.volume.local import LocalVolumes
from orlop_api.image import DiskFormat
from orlop_api.volume_class import LocalParameters, VolumeLocation
from orlop_cluster.lab import until
from support.disks import MIB
from support.guest import seed

pytestmark = [pytest.mark.component, pytest.mark.timeout(600)]
GUESTS = [f"6f1c1c1e-0000-4000-8000-00000000000{digit}" for digit in (1, 2)]
VOLUME = "7e7e7e7e-0000-4000-8000-00000000000a"
DATA = VolumeData(VOLUME, VolumeLocation(local=LocalParameters(format=DiskFormat.RAW)))


async def machine(place: Path, uid: str, text: str, shared: Disk) -> str:
    name = f"guest-{uid[-1]}"
    root, medium = place / f"{name}.raw", place / f"{name}.iso"
    await qemu_img.create(root, MIB, form="raw")
    seed(medium, script(text, VOLUME[:20])["inline"], name)
    mark = Mark(uid, f"0a0a0a0a{uid[8:]}", 1, f"5e5e5e5e{uid[8:]}", "demo", name)
    disks = (Disk(DiskFile(root), "raw"), shared, Disk(DiskFile(medium), "raw", readonly=True))
    kernel = KernelBoot(place / "tiny.vmlinuz", place / "tiny.initrd", "console=ttyS0 quiet")
    log = place / f"{name}.log"
    spec = DomainSpec(mark, "qemu", "x86_64", 1, 128 * MIB, disks, (), log, kernel, "none")
    return domain_xml(spec)


def said(place: Path, uid: str, word: str) -> str:
    log = place / f"guest-{uid[-1]}.log"

    def lines() -> str:
        found = log.read_text(errors="replace").splitlines() if log.exists() else []
        return next((line for line in found if line.startswith(f"user-data: {word}")), "")

    return until(lines, bool, 200).strip().rpartition(" ")[2]


async def test_what_one_writes_the_other_reads(hypervisor, tiny):
    guests, place = hypervisor
    for name in ("tiny.vmlinuz", "tiny.initrd"):
        shutil.copy(tiny / name, place / name)
    driver = LocalVolumes(place)
    await driver.create(DATA, 64 * MIB)
    disk = replace(driver.disk(DATA), serial=VOLUME[:20], volume_uid=VOLUME, shareable=True, cache="none")
    for uid, text in zip(GUESTS, (FIRST, SECOND), strict=True):
        await guests.create_paused(await machine(place, uid, text, disk))
        await guests.resume(uid)
    one, two = GUESTS
    assert said(place, one, "WROTE") == said(place, two, "READ")
    assert said(place, two, "WROTE") == said(place, one, "READ")
    for uid in GUESTS:
        (found,) = [disk for disk in (await guests.lookup(uid)).disks if disk.volume_uid == VOLUME]
        assert found.shareable
        await guests.fit_disk(uid, found.target, 96 * MIB)
        assert said(place, uid, "GREW") == "GREW"
    assert await driver.size(DATA) == 96 * MIB
    # The end of one takes nothing from the other.
    await guests.destroy(one)
    assert (await guests.lookup(two)).power == "Running"
