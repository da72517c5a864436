"""What is copied of encrypted data is encrypted too, and by nobody without its passphrase."""

import asyncio
from pathlib import Path

import pytest

from orlop_agent.domain.spec import Disk, DiskFile
from orlop_agent.failure import StepError
from orlop_agent.hypervisor import Domain, DomainDisk, Mark, Power
from orlop_agent.simulate import SimulatedHypervisor
from orlop_agent.volume.driver import VolumeData
from orlop_agent.volume.local import LocalVolumes
from orlop_api.assignment import AssignedOrigin
from orlop_api.snapshot import Consistency
from orlop_api.volume_class import (
    LocalParameters,
    Preallocation,
    VolumeLocation,
)
from support.disks import MIB, held, holds, write
from support.encrypted import (
    COPY,
    GUEST,
    KEY,
    MARKER,
    OTHER_KEY,
    SIZE,
    UID,
    data,
    order,
    ran,
    snapshot_order,
    snapshots,
    where,
)

pytestmark = pytest.mark.component


async def test_a_plain_image_becomes_an_encrypted_volume(layout, drivers, pool, tmp_path):
    image = Disk(DiskFile(tmp_path / "image"), "raw")
    (tmp_path / "image").write_bytes(b"\x5a" * MIB + b"\0" * MIB)
    await pool.copy_from(data(), image, SIZE)
    assert MARKER not in (layout.volumes / f"{UID}.qcow2").read_bytes()
    await holds(pool.disk(data()), 0x5A, 0, MIB)
    await holds(pool.disk(data()), 0, MIB, 3 * MIB)
    del drivers


async def test_a_snapshot_of_an_encrypted_volume_is_encrypted(layout, drivers, pool):
    await pool.create(data(), SIZE)
    await write(pool.disk(data()), 0x5A, MIB, MIB)
    with pytest.raises(StepError) as wrong:
        await snapshots(layout, drivers).take(snapshot_order(), OTHER_KEY)
    assert wrong.value.reason == "KeyWrong"
    assert not await pool.exists(data(COPY))
    await snapshots(layout, drivers).take(snapshot_order(), KEY)
    assert MARKER not in (layout.volumes / f"{COPY}.qcow2").read_bytes()
    await holds(pool.disk(data(COPY)), 0x5A, MIB, MIB)


async def test_a_clone_needs_the_passphrase_of_its_origin(layout, drivers, pool):
    await pool.create(data(), SIZE)
    await write(pool.disk(data()), 0x5A, MIB, MIB)
    reader = snapshots(layout, drivers)
    wanted = order(uid=COPY, origin=AssignedOrigin(volume_uid=UID, location=where()))

    def opening(key):
        return lambda told: _opened(reader, VolumeData(told.volume_uid, told.location, key))

    with pytest.raises(StepError) as wrong:
        await drivers.ensure(wanted, opening(OTHER_KEY), OTHER_KEY)
    assert wrong.value.reason == "KeyWrong"
    assert not await pool.exists(data(COPY))
    await drivers.ensure(wanted, opening(KEY), KEY)
    await holds(pool.disk(data(COPY)), 0x5A, MIB, MIB)


def _opened(reader, kept):
    class Only:
        async def __aenter__(self):
            self.inner = reader.reading(kept, quiesce=False)
            return (await self.inner.__aenter__())[0]

        async def __aexit__(self, *raised):
            return await self.inner.__aexit__(*raised)

    return Only()


class Guest(SimulatedHypervisor):
    """A machine that has the Volume; what it offers is plain, as QEMU's offer is."""

    plain: Path
    server: asyncio.subprocess.Process | None = None

    async def begin_export(self, instance_uid, export):
        await super().begin_export(instance_uid, export)
        self.seen = (export.scratch_secret in self.secrets, export.scratch.read_bytes()[:4])
        said = await ran("qemu-img", "info", export.scratch)
        self.encrypted = "encrypted: yes" in said
        self.server = await asyncio.create_subprocess_exec(
            *("qemu-nbd", "-f", "raw", "-r", "-t", "-x", export.name, "-k", export.socket, self.plain)
        )
        async with asyncio.timeout(20):
            while not export.socket.exists():
                await asyncio.sleep(0.01)
        return False

    async def end_export(self, instance_uid):
        server, self.server = self.server, None
        if server is not None:
            server.kill()
            await server.wait()
        await super().end_export(instance_uid)


async def test_what_comes_plain_out_of_a_guest_is_kept_encrypted_and_so_is_what_it_overwrites(
    layout, drivers, pool, tmp_path
):
    await pool.create(data(), SIZE)
    guest = Guest()
    guest.plain = tmp_path / "plain"
    guest.plain.write_bytes(b"\x5a" * SIZE)
    mark = Mark(GUEST, GUEST, 1, "s", "demo", "web")
    guest.domains[GUEST] = Domain(mark, Power.RUNNING, (DomainDisk("vdb", UID),))
    async with held(pool.disk(data())):
        with pytest.raises(StepError) as wrong:
            await snapshots(layout, drivers, guest).take(snapshot_order(), OTHER_KEY)
        assert wrong.value.reason == "KeyWrong", "a guest that has it open is no way around the passphrase"
        taken = await snapshots(layout, drivers, guest).take(snapshot_order(), KEY)
    assert taken.consistency is Consistency.CRASH
    assert guest.seen == (True, b"QFI\xfb")
    assert guest.encrypted
    assert guest.secrets == {}, "the scratch file's passphrase is forgotten with it"
    left = sorted(path.name for path in layout.volumes.iterdir())
    assert left == [f"{UID}.qcow2", f"{COPY}.note", f"{COPY}.qcow2"]
    assert MARKER not in (layout.volumes / f"{COPY}.qcow2").read_bytes()
    await holds(pool.disk(data(COPY)), 0x5A, 0, SIZE)


async def test_reserved_room_is_kept_and_copies_are_whole(pool, tmp_path):
    image = Disk(DiskFile(tmp_path / "image"), "raw")
    (tmp_path / "image").write_bytes(b"\x5a" * MIB + b"\0" * MIB)
    full = data(preallocation=Preallocation.FALLOC)
    await pool.copy_from(full, image, 2 * MIB)
    await holds(pool.disk(full), 0x5A, 0, MIB)
    await holds(pool.disk(full), 0, MIB, MIB)
    assert pool.disk(full).reserved


async def test_blocks_are_shared_only_with_what_is_encrypted_alike(sharing):
    pool = LocalVolumes(sharing)
    await pool.create(data(), SIZE)
    await write(pool.disk(data()), 0x5A, 0, SIZE)
    await pool.copy_from(data(COPY), pool.disk(data()), SIZE)
    first, second = (sharing / f"{uid}.qcow2" for uid in (UID, COPY))
    assert first.read_bytes() == second.read_bytes(), "the very same blocks"
    await holds(pool.disk(data(COPY)), 0x5A, 0, SIZE)
    plain = VolumeData(GUEST, VolumeLocation(local=LocalParameters()))
    await pool.create(plain, SIZE)
    await write(pool.disk(plain), 0x5A, 0, SIZE)
    third = "7e7e7e7e-0000-4000-8000-00000000000d"
    await pool.copy_from(data(third), pool.disk(plain), SIZE)
    assert MARKER not in (sharing / f"{third}.qcow2").read_bytes()
    await holds(pool.disk(data(third)), 0x5A, 0, SIZE)
