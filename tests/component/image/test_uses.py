"""One digest, several uses: what was taken in as one thing is never found as another."""

import gzip
import os
import subprocess

import pytest

from orlop_agent.failure import StepError
from orlop_agent.image.errors import ImageError
from orlop_agent.image.names import boot_name, disk_name
from orlop_agent.image.store import ImageFiles
from orlop_agent.origins import Origins
from orlop_api.assigned_image import AssignedImage, BootFile
from orlop_api.assignment import AssignedOrigin
from orlop_api.hypervisor import ImportOrder, ImportState
from orlop_api.image import DiskFormat
from orlop_api.source import OrderedFile

pytestmark = [
    pytest.mark.component,
    pytest.mark.skipif(os.geteuid() != 0, reason="the inspector gives up privileges, which needs root"),
]


def nothing(_received, _expected):
    pass


def backed(folder):
    """A qcow2 that has a file of the node below it."""
    (folder / "secret").write_bytes(b"\0" * 4096)
    path = folder / "backed"
    below = ["-F", "raw", "-b", str(folder / "secret")]
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *below, str(path), "64K"], check=True)
    return path


def assigned(server, path, file, **change):
    known = {"source": server.source(path), "digest": file.checksum, "format": "qcow2"}
    return AssignedImage.model_validate(known | {"virtual_size_bytes": 1 << 16} | change)


async def test_a_kernel_is_never_found_as_a_disk(server, store_of, in_format, tmp_path):
    good = server.put("good", in_format("qcow2", "qcow2"))
    bad = server.put("bad", backed(tmp_path).read_bytes())
    store = store_of()
    kernel = OrderedFile(source=server.source("bad"), checksum=bad.checksum)
    order = ImportOrder(image_uid="u1", source=server.source("good"), checksum=good.checksum, kernel=kernel)
    assert (await store.run_import(order, nothing)).state is ImportState.READY
    assert store.digests() == sorted([good.checksum, bad.checksum])
    with pytest.raises(ImageError) as refused:
        await store.ensure(assigned(server, "bad", bad), nothing)
    assert refused.value.reason == "BackingFile"
    boot = BootFile(source=server.source("bad"), digest=bad.checksum)
    files = await store.ensure(assigned(server, "good", good, kernel=boot), nothing)
    assert files.kernel == store._root / boot_name(bad.checksum)


async def test_both_uses_at_once_are_two_downloads(server, store_of, in_format, raw_disk):
    file = server.put("disk", gzip.compress(raw_disk.read_bytes()))
    store = store_of()
    order = ImportOrder(image_uid="u1", source=server.source("disk"), checksum=file.checksum)
    report = await store_of("other").run_import(order, nothing)
    boot = BootFile(source=server.source("disk"), digest=file.checksum)
    image = assigned(server, "disk", file, format="raw", content_digest=report.content_digest, kernel=boot)
    files = await store.ensure(image, nothing)
    assert files.disk.read_bytes() == raw_disk.read_bytes()
    assert files.kernel.read_bytes() == file.body


async def test_a_kernel_does_not_take_the_place_of_a_base(server, store_of, raw_disk):
    file = server.put("disk", gzip.compress(raw_disk.read_bytes()))
    store = store_of()
    kernel = OrderedFile(source=server.source("disk"), checksum=file.checksum)
    order = ImportOrder(image_uid="u1", source=server.source("disk"), checksum=file.checksum, kernel=kernel)
    report = await store.run_import(order, nothing)
    base = store._root / disk_name(report.digest, report.content_digest)
    before = base.stat().st_ino
    assert base.read_bytes() == raw_disk.read_bytes()
    await store.run_import(order, nothing)
    assert base.stat().st_ino == before, "a file that has the name already stays"
    assert {path.name for path in store._root.iterdir()} == {base.name, boot_name(report.digest)}


async def test_a_file_of_an_older_agent_is_looked_at_before_it_is_a_disk(server, store_of, tmp_path):
    bad = server.put("bad", backed(tmp_path).read_bytes())
    store = store_of()
    (store._root / disk_name(bad.checksum, None)).write_bytes(bad.body)
    with pytest.raises(ImageError) as refused:
        await store.ensure(assigned(server, "bad", bad), nothing)
    assert refused.value.reason == "BackingFile"


async def test_bytes_that_unpack_to_another_disk_are_another_file(server, store_of, raw_disk):
    file = server.put("disk", gzip.compress(raw_disk.read_bytes()))
    store = store_of()
    order = ImportOrder(image_uid="u1", source=server.source("disk"), checksum=file.checksum)
    await store.run_import(order, nothing)
    other = assigned(server, "disk", file, format="raw", content_digest=f"sha256:{'1' * 64}")
    with pytest.raises(ImageError) as refused:
        await store.ensure(other, nothing)
    assert refused.value.reason == "ContentMismatch"


async def test_all_files_of_a_digest_go_together(server, store_of, raw_disk):
    file = server.put("disk", gzip.compress(raw_disk.read_bytes()))
    used = {file.checksum}
    store = store_of(cache_capacity="4096")
    store._shelf._in_use = lambda: used
    kernel = OrderedFile(source=server.source("disk"), checksum=file.checksum)
    order = ImportOrder(image_uid="u1", source=server.source("disk"), checksum=file.checksum, kernel=kernel)
    await store.run_import(order, nothing)
    assert await store.tidy() == 0
    used.clear()
    assert await store.tidy() > 0
    assert list(store._root.iterdir()) == []


async def test_nothing_with_a_file_below_it_is_copied(server, tmp_path):
    bad = server.put("bad", backed(tmp_path).read_bytes())

    class Careless:
        async def ensure(self, _image, _progress):
            return ImageFiles(tmp_path / "backed", DiskFormat.QCOW2, None, None)

    origins = Origins(Careless(), None)
    with pytest.raises(StepError) as refused:
        async with origins.open(AssignedOrigin(image=assigned(server, "bad", bad))):
            pass
    assert refused.value.reason == "BackingFile"
