"""Encrypted data on an iSCSI target and in Ceph: what the server keeps of it, and who opens it."""

import pytest

from orlop_agent.failure import StepError
from orlop_agent.volume.driver import VolumeData
from orlop_agent.volume.drivers import Drivers
from orlop_agent.volume.iscsi import IscsiVolumes
from orlop_agent.volume.tgt import Tgt
from orlop_api.assignment import AssignedVolume
from orlop_api.volume_class import Driver, Encryption, IscsiLocation, TgtTargets, VolumeLocation
from support.ceph import POOL
from support.disks import MIB, holds, write
from support.encrypted import COPY, KEY, MARKER, OTHER_KEY, SIZE, UID, no_origin
from support.targets import ACCOUNT, Tgtd

from .conftest import ceph_volumes, chap, pooled

pytestmark = pytest.mark.component
HEADER = 2068480
"""Bytes that QEMU puts before those of a guest."""


@pytest.fixture
async def target():
    """Where a target is."""
    async with Tgtd() as server:
        made = TgtTargets(hypervisor_name="node-1")
        name = f"iqn.2026-01.dev.orlop:{UID}"
        where = IscsiLocation(
            host="127.0.0.1", port=server.port, target=name, lun=1, account=ACCOUNT, tgt=made
        )
        yield VolumeLocation(iscsi=where, encryption=Encryption.LUKS)


@pytest.fixture
def sealed(ceph):
    """Where an image in Ceph is; nothing is left of it in the end."""
    yield pooled(ceph, Encryption.LUKS)
    for image in ceph.images():
        ceph.run("rbd", "--pool", POOL, "rm", image)


def order(where, created="Created"):
    it = {"name": "data", "volume_uid": UID, "location": where, "size_bytes": SIZE, "created": created}
    return AssignedVolume(**it)


async def only_its_passphrase_opens(volumes, where):
    """KeyWrong is told, and nothing is made anew."""
    for key, reason in ((OTHER_KEY, "KeyWrong"), (None, "KeyMissing")):
        with pytest.raises(StepError) as refused:
            await volumes.ensure(order(where), no_origin, key)
        assert (refused.value.reason, refused.value.permanent) == (reason, False)
    await holds(await volumes.ensure(order(where), no_origin, KEY), 0x5A, SIZE - MIB, MIB)


async def test_a_target_holds_no_plain_byte_and_another_node_opens_it(target, tmp_path):
    serving = IscsiVolumes("node-1", tmp_path, Tgt(), chap)
    data = VolumeData(UID, target, KEY)
    with pytest.raises(StepError, match="passphrase is not on its node"):
        await serving.create(VolumeData(UID, target), SIZE)
    assert list(tmp_path.iterdir()) == []
    await serving.create(data, SIZE)
    other = IscsiVolumes("node-2", tmp_path / "other", Tgt(), chap)
    await write(other.disk(data), 0x5A, SIZE - MIB, MIB)
    kept = (tmp_path / f"{UID}.raw").read_bytes()
    assert kept.startswith(b"LUKS")
    assert len(kept) == HEADER + SIZE
    assert MARKER not in kept
    assert KEY not in kept
    assert await serving.size(VolumeData(UID, target)) == SIZE, "known without a passphrase"
    await only_its_passphrase_opens(Drivers({Driver.ISCSI: other}), target)
    await only_its_passphrase_opens(Drivers({Driver.ISCSI: serving}), target)
    await serving.grow(data, 2 * SIZE)
    assert (tmp_path / f"{UID}.raw").stat().st_size == HEADER + 2 * SIZE
    await holds(other.disk(data), 0x5A, SIZE - MIB, MIB)


async def test_a_node_that_was_not_given_the_account_s_secret_says_so(target, tmp_path):
    def missing(uid):
        raise StepError("CredentialsMissing", f"not of {uid}")

    await IscsiVolumes("node-1", tmp_path, Tgt(), chap).create(VolumeData(UID, target, KEY), SIZE)
    other = IscsiVolumes("node-2", tmp_path / "other", Tgt(), missing)
    with pytest.raises(StepError, match=f"not of {UID}"):
        await Drivers({Driver.ISCSI: other}).ensure(order(target), no_origin, KEY)


async def test_a_pool_holds_no_plain_byte(sealed, ceph, tmp_path):
    driver, data = ceph_volumes(), VolumeData(UID, sealed, KEY)
    with pytest.raises(StepError, match="passphrase is not on its node"):
        await driver.create(VolumeData(UID, sealed), SIZE)
    assert ceph.images() == []
    await driver.create(data, SIZE)
    await write(driver.disk(data), 0x5A, SIZE - MIB, MIB)
    ceph.run("rbd", "--pool", POOL, "export", "--no-progress", f"orlop-{UID}", str(tmp_path / "image"))
    kept = (tmp_path / "image").read_bytes()
    assert kept.startswith(b"LUKS")
    assert len(kept) == HEADER + SIZE
    assert MARKER not in kept
    assert KEY not in kept
    assert await driver.size(VolumeData(UID, sealed)) == SIZE, "known without a passphrase"
    await only_its_passphrase_opens(Drivers({Driver.RBD: ceph_volumes("node-2")}), sealed)


async def test_a_copy_in_a_pool_has_a_header_of_its_own(sealed, ceph, tmp_path):
    driver, data, copy = ceph_volumes(), VolumeData(UID, sealed, KEY), VolumeData(COPY, sealed, KEY)
    await driver.create(data, SIZE)
    await write(driver.disk(data), 0x5A, 0, SIZE)
    async with driver.origin(data) as origin:
        await driver.copy_from(copy, origin.disk, 2 * SIZE)
    assert await driver.size(copy) == 2 * SIZE
    await holds(driver.disk(copy), 0x5A, 0, SIZE)
    third = VolumeData(COPY.replace("b", "d"), sealed, OTHER_KEY)
    async with driver.origin(VolumeData(UID, sealed, OTHER_KEY)) as origin:
        with pytest.raises(StepError) as wrong:
            await driver.copy_from(third, origin.disk, SIZE)
    assert wrong.value.reason == "KeyWrong"
    assert len(ceph.images()) == 2, "nothing of what failed stays"


async def test_an_image_that_somebody_wrote_over_is_told(sealed, ceph, tmp_path):
    driver = ceph_volumes()
    (tmp_path / "other").write_bytes(bytes(SIZE))
    ceph.run("rbd", "--pool", POOL, "import", "--no-progress", str(tmp_path / "other"), f"orlop-{UID}")
    with pytest.raises(StepError, match="does not begin with a header of LUKS"):
        await driver.size(VolumeData(UID, sealed))
