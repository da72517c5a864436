"""A guest that boots from a Volume under the nodes' own libvirt and QEMU, and from what it was put back to."""

from dataclasses import replace
from pathlib import Path

import pytest

from orlop_agent.domain.build import domain_xml
from orlop_agent.domain.spec import Disk, DiskFile, DomainSpec
from orlop_agent.hypervisor import Mark
from orlop_agent.libvirt import LibvirtHypervisor
from orlop_agent.volume.driver import VolumeData
from orlop_agent.volume.local import LocalVolumes
from orlop_api.volume_class import LocalParameters, VolumeLocation
from orlop_cluster.lab import until
from support.disks import MIB
from support.guest import seed

pytestmark = [pytest.mark.component, pytest.mark.timeout(900)]
GUESTS = [f"6f1c1c1e-0000-4000-8000-00000000000{digit}" for digit in (3, 4)]
VOLUME, KEPT = "7e7e7e7e-0000-4000-8000-00000000000a", "7e7e7e7e-0000-4000-8000-00000000000c"
HERE = VolumeLocation(local=LocalParameters())
SIZE = 96 * MIB
# Behind the 64 MiB that the image has.
SAY = "echo %s $(dd if=/dev/vda bs=1M skip=80 count=4 2>/dev/null | sha256sum | cut -c1-64)\n"
FILL = "dd if=/dev/urandom of=/dev/vda bs=1M seek=80 count=4 conv=notrunc,fsync 2>/dev/null\n"


async def boots(guests: LibvirtHypervisor, place: Path, uid: str, disk: Disk, text: str) -> None:
    name = f"guest-{uid[-1]}"
    medium = place / f"{name}.iso"
    seed(medium, "#!/bin/sh\n" + text, name)
    mark = Mark(uid, f"0a0a0a0a{uid[8:]}", 1, f"5e5e5e5e{uid[8:]}", "demo", name)
    first = replace(disk, serial=VOLUME[:20], volume_uid=VOLUME)
    disks = (first, Disk(DiskFile(medium), "raw", readonly=True))
    spec = DomainSpec(
        mark, "qemu", "x86_64", 1, 128 * MIB, disks, (), place / f"{name}.log", None, "writeback"
    )
    await guests.create_paused(domain_xml(spec))
    await guests.resume(uid)
    (found,) = [disk for disk in (await guests.lookup(uid)).disks if disk.volume_uid == VOLUME]
    assert found.target == "vda"


def said(place: Path, uid: str, word: str) -> str:
    log = place / f"guest-{uid[-1]}.log"

    def lines() -> str:
        found = log.read_text(errors="replace").splitlines() if log.exists() else []
        return next((line for line in found if line.startswith(f"user-data: {word}")), "")

    return until(lines, bool, 300).strip().rpartition(" ")[2]


async def test_it_boots_from_the_volume_and_from_what_that_was_put_back_to(hypervisor, tiny):
    guests, place = hypervisor
    image = Disk(DiskFile(tiny / "tiny.qcow2"), "qcow2", readonly=True)
    driver, data = LocalVolumes(place), VolumeData(VOLUME, HERE)
    await driver.copy_from(data, image, SIZE)
    await boots(guests, place, GUESTS[0], driver.disk(data), FILL + SAY % "GOOD")
    good = said(place, GUESTS[0], "GOOD")
    await guests.destroy(GUESTS[0])
    kept, back = VolumeData(KEPT, HERE), VolumeData(VOLUME, HERE.model_copy(update={"generation": 1}))
    await driver.copy_from(kept, driver.disk(data), SIZE)
    await driver.copy_from(back, driver.disk(kept), SIZE)
    await driver.discard(data)
    await boots(guests, place, GUESTS[1], driver.disk(back), SAY % "NOW")
    assert said(place, GUESTS[1], "NOW") == good
    assert not await driver.exists(data)
