"""Encrypted data as others see it: no plain byte of it is kept anywhere, and only its passphrase opens it."""

import asyncio
import shutil
from pathlib import Path

import pytest

from orlop_agent.domain.spec import Luks
from orlop_agent.failure import StepError
from orlop_agent.volume import luks, qemu_img
from orlop_agent.volume.driver import VolumeData
from orlop_agent.volume.drivers import Drivers
from orlop_agent.volume.local import LocalVolumes
from orlop_api.image import DiskFormat
from orlop_api.volume_class import (
    Encryption,
    IscsiLocation,
    NbdLocation,
    VolumeLocation,
)
from support.disks import MIB, RefusedError, held, holds, write
from support.encrypted import (
    KEY,
    MARKER,
    OTHER_KEY,
    SIZE,
    UID,
    data,
    no_origin,
    order,
    ran,
    where,
)

pytestmark = pytest.mark.component


@pytest.mark.parametrize("form", DiskFormat)
async def test_what_is_written_is_on_no_disk_and_others_open_it_with_the_passphrase(layout, pool, form):
    await pool.create(data(form=form), SIZE)
    await write(pool.disk(data(form=form)), 0x5A, MIB, MIB)
    file = layout.volumes / f"{UID}.{form}"
    assert MARKER not in file.read_bytes()
    plain = layout.volumes / "plain"
    around = "key-secret=k" if form is DiskFormat.RAW else "encrypt.key-secret=k"
    driver = "luks" if form is DiskFormat.RAW else "qcow2"
    opened = f"driver={driver},{around},file.filename={file}"
    secret = f"secret,id=k,data={KEY.decode()}"
    await ran("qemu-img", "convert", "--object", secret, "--image-opts", opened, "-O", "raw", plain)
    assert plain.read_bytes()[MIB : 2 * MIB] == b"\x5a" * MIB


async def test_cryptsetup_knows_it_too(layout, pool):
    if shutil.which("cryptsetup") is None:
        pytest.skip("cryptsetup is not installed")
    await pool.create(data(form=DiskFormat.RAW), SIZE)
    file = layout.volumes / f"{UID}.raw"
    said = await ran("cryptsetup", "luksDump", file)
    for line in ("Version:       \t1", "Cipher name:   \taes", "Cipher mode:   \txts-plain64"):
        assert line in said
    test = ("cryptsetup", "open", "--test-passphrase", "--key-file", "-", file)
    await ran(*test, given=KEY)
    with pytest.raises(RefusedError, match="No key available with this passphrase"):
        await ran(*test, given=OTHER_KEY)


@pytest.mark.parametrize("created", ["Created", "Unknown"])
async def test_a_wrong_passphrase_is_told_and_nothing_is_made_anew(layout, pool, drivers, created):
    await drivers.ensure(order(), no_origin, KEY)
    await write(pool.disk(data()), 0x5A, MIB, MIB)
    before = (layout.volumes / f"{UID}.qcow2").read_bytes()
    with pytest.raises(StepError) as wrong:
        await drivers.ensure(order(created), no_origin, OTHER_KEY)
    assert (wrong.value.reason, wrong.value.permanent) == ("KeyWrong", False)
    assert str(layout.volumes) not in wrong.value.message
    assert "Secret must hold what it held" in wrong.value.message
    with pytest.raises(StepError, match="passphrase is not on its node"):
        await drivers.ensure(order(created), no_origin, None)
    with pytest.raises(StepError) as unable:
        await drivers.grow(data(key=OTHER_KEY), 2 * SIZE)
    assert unable.value.reason == "KeyWrong"
    assert (layout.volumes / f"{UID}.qcow2").read_bytes() == before
    await drivers.ensure(order(created), no_origin, KEY)
    await holds(pool.disk(data()), 0x5A, MIB, MIB)


async def test_without_a_passphrase_nothing_is_made(layout, drivers):
    with pytest.raises(StepError) as missing:
        await drivers.ensure(order(), no_origin, None)
    assert missing.value.reason == "KeyMissing"
    assert list(layout.volumes.iterdir()) == []


@pytest.mark.parametrize("key", [b"", b"x" * 513, b"\xff\xfe", b"a\0b"])
def test_what_is_no_passphrase_is_told(key):
    with pytest.raises(StepError, match="the passphrase of disk data must be 1 to 512 bytes of UTF-8 text"):
        luks.checked(key, "the passphrase of disk data")


def test_nothing_that_is_logged_tells_a_passphrase():
    assert KEY.decode() not in repr((data(), Luks("name", KEY), LocalVolumes(Path("/")).disk(data())))


async def test_a_passphrase_is_on_no_command_line_and_in_no_file(layout, pool, monkeypatch):
    """What the program is given is a memory file of this process, which is gone with it."""
    called, seen = [], []
    spawn = asyncio.create_subprocess_exec

    async def watched(*arguments, pass_fds=(), **options):
        called.append(arguments)
        process = await spawn(*arguments, pass_fds=pass_fds, **options)
        told = (Path(f"/proc/{process.pid}/{name}") for name in ("cmdline", "environ"))
        seen.extend([await asyncio.to_thread(path.read_bytes) for path in told])
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", watched)
    await pool.create(data(), SIZE)
    await pool.grow(data(), 2 * SIZE)
    assert len(seen) == 6
    assert KEY not in b" ".join(seen)
    assert [command[1] for command in called] == ["create", "info", "resize"]
    assert all("file=/dev/fd/" in " ".join(command) for command in called if command[1] != "info")
    assert [path.name for path in layout.volumes.iterdir()] == [f"{UID}.qcow2"]
    assert KEY not in (layout.volumes / f"{UID}.qcow2").read_bytes()


async def test_a_size_is_known_without_a_passphrase(pool):
    for form in DiskFormat:
        await pool.create(data(form=form), SIZE)
        assert await pool.size(VolumeData(UID, where(form=form))) == SIZE


@pytest.mark.parametrize(
    "kept",
    [
        {"nbd": NbdLocation(host="127.0.0.1", port=1, export="x")},
        {"iscsi": IscsiLocation(host="127.0.0.1", port=1, target="iqn.2026-01.dev.orlop:x", lun=1)},
    ],
    ids=["nbd", "iscsi"],
)
async def test_what_others_made_is_not_encrypted(kept):
    elsewhere = VolumeLocation(encryption=Encryption.LUKS, **kept)
    with pytest.raises(StepError, match="where Orlop makes the targets, can be encrypted") as refused:
        await Drivers({}).ensure(order(location=elsewhere), no_origin, KEY)
    assert (refused.value.reason, refused.value.permanent) == ("NotSupported", True)


async def test_a_machine_without_the_passphrase_does_not_open_it(pool):
    await pool.create(data(), SIZE)
    with pytest.raises(RefusedError, match="Invalid password"):
        async with held(pool.disk(data(key=OTHER_KEY))):
            pass
    with pytest.raises(StepError):
        await qemu_img.unlock(pool.disk(data(key=OTHER_KEY)))
