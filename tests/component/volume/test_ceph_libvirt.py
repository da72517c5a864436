"""Data in Ceph under the nodes' own libvirt and QEMU: opened with the key that is handed over, grown, copied."""

import base64
from dataclasses import replace
from pathlib import Path

import pytest

from orlop_agent.domain.build import domain_xml
from orlop_agent.domain.disk import added_disk
from orlop_agent.domain.spec import Disk, DomainSpec, NbdSocket
from orlop_agent.hypervisor import Export, HypervisorError, Mark
from orlop_agent.volume.driver import VolumeData
from orlop_agent.volume.rbd import secret_name
from orlop_api.volume_class import Encryption
from support.ceph import KEY
from support.disks import MIB, holds, write

from .conftest import ceph_volumes, pooled

pytestmark = pytest.mark.component
GUEST = "6f1c1c1e-0000-4000-8000-000000000001"
FIRST, SECOND, COPY = (f"7e7e7e7e-0000-4000-8000-00000000000{digit}" for digit in "abc")
SIZE = 4 * MIB
MARK = Mark(
    GUEST, "0a0a0a0a-0000-4000-8000-000000000002", 1, "5e5e5e5e-0000-4000-8000-000000000003", "demo", "web"
)


def of(disk, uid):
    return replace(disk, serial=uid[:20], volume_uid=uid)


def machine(*disks):
    return domain_xml(
        DomainSpec(
            MARK, "qemu", "x86_64", 1, 64 * MIB, disks, (), Path(f"/var/log/{GUEST}.log"), None, "none"
        )
    )


@pytest.mark.parametrize("passphrase", [None, b"a-canary"], ids=["plain", "encrypted"])
async def test_a_guest_s_disk_in_ceph(ceph, hypervisor, passphrase):
    guests, place = hypervisor
    driver, where = ceph_volumes(), pooled(ceph, Encryption.LUKS if passphrase else None)
    first, second, copy = (VolumeData(uid, where, passphrase) for uid in (FIRST, SECOND, COPY))
    for data in (first, second):
        await driver.create(data, SIZE)
    await write(driver.disk(first), 0x5A, MIB, MIB)
    disks = [of(driver.disk(data), data.uid) for data in (first, second)]
    with pytest.raises(HypervisorError):
        await guests.create_paused(machine(disks[0]))
    await guests.keep_secret("ceph", secret_name("ceph"), base64.b64decode(KEY))
    if passphrase is not None:
        with pytest.raises(HypervisorError):
            await guests.create_paused(machine(disks[0]))
        for disk in disks:
            await guests.keep_secret("volume", disk.luks.secret, passphrase)
    await guests.create_paused(machine(disks[0]))
    await guests.resume(GUEST)
    has = (await guests.lookup(GUEST)).disks
    await guests.attach_disk(GUEST, added_disk(disks[1], "none", has))
    found = (await guests.lookup(GUEST)).disks
    assert [(disk.target, disk.volume_uid) for disk in found] == [("vda", FIRST), ("vdb", SECOND)]
    for disk, data in zip(found, (first, second), strict=True):
        await guests.fit_disk(GUEST, disk.target, 2 * SIZE)
        assert await driver.size(data) == 2 * SIZE
    # What the running guest's QEMU offers is copied, whatever is written meanwhile.
    socket, scratch = place / "offer", place / "scratch"
    await guests.begin_export(GUEST, Export(FIRST, "volume", socket, scratch, quiesce=False))
    await driver.copy_from(copy, Disk(NbdSocket(socket, "volume"), "raw", readonly=True), 2 * SIZE)
    await guests.end_export(GUEST)
    await holds(driver.disk(copy), 0x5A, MIB, MIB)
    if passphrase is None:
        await holds(driver.disk(copy), 0, 2 * MIB, 2 * SIZE - 2 * MIB)
    await guests.destroy(GUEST)
    await holds(driver.disk(first), 0x5A, MIB, MIB)
    for data in (first, second, copy):
        await driver.delete(data)
    assert ceph.images() == []
