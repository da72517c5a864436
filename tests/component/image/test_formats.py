"""Every format, plain and compressed, from a web server into a file that guests can have."""

import gzip
import hashlib
import lzma
import subprocess

import pytest
import zstandard

from orlop_agent.image.names import disk_name
from orlop_api.assigned_image import AssignedImage
from orlop_api.hypervisor import ImportOrder, ImportState

pytestmark = pytest.mark.component

PACK = {
    "plain": bytes,
    "gzip": gzip.compress,
    "xz": lambda body: lzma.compress(body, preset=1),
    "zstd": zstandard.ZstdCompressor().compress,
}
FORMATS = {
    "raw": ("raw", "raw", ()),
    "qcow2": ("qcow2", "qcow2", ()),
    "qcow2-compressed": ("qcow2", "qcow2", ("compression_type=zstd",)),
    "vmdk-sparse": ("vmdk", "vmdk", ("subformat=monolithicSparse",)),
    "vmdk-stream": ("vmdk", "vmdk", ("subformat=streamOptimized",)),
    "vhd-dynamic": ("vhd", "vpc", ("subformat=dynamic,force_size",)),
    "vhd-fixed": ("vhd", "vpc", ("subformat=fixed,force_size",)),
    "vhdx": ("vhdx", "vhdx", ()),
    "vdi": ("vdi", "vdi", ()),
    "vdi-static": ("vdi", "vdi", ("static=on",)),
}


def nothing(_received, _expected):
    pass


def same(left, left_format, right):
    compare = ["qemu-img", "compare", "-f", left_format, "-F", "raw", str(left), str(right)]
    done = subprocess.run(compare, capture_output=True, text=True, check=False)
    return done.returncode == 0, done.stdout


@pytest.mark.parametrize("packed", PACK)
@pytest.mark.parametrize("name", FORMATS)
async def test_what_a_guest_gets_is_the_disk_that_was_served(
    name, packed, server, store_of, in_format, raw_disk
):
    found, driver, options = FORMATS[name]
    plain = in_format(name, driver, *options)
    file = server.put("disk", PACK[packed](plain))
    store = store_of()
    order = ImportOrder(image_uid="u1", source=server.source("disk"), checksum=file.checksum, format=found)
    report = await store.run_import(order, nothing)
    assert report.state is ImportState.READY, report.message
    assert (report.digest, report.format, report.size_bytes) == (file.checksum, found, len(file.body))
    assert report.virtual_size_bytes == raw_disk.stat().st_size
    image = AssignedImage(
        source=order.source,
        digest=report.digest,
        content_digest=report.content_digest,
        format=report.format,
        virtual_size_bytes=report.virtual_size_bytes,
    )
    files = await store.ensure(image, nothing)
    stored = "raw" if found == "raw" else "qcow2"
    assert files.format == stored
    assert same(files.disk, stored, raw_disk) == (True, "Images are identical.\n")
    kept = f"sha256:{hashlib.sha256(files.disk.read_bytes()).hexdigest()}"
    assert kept == (report.content_digest or report.digest)
    assert (report.content_digest is None) == (kept == report.digest)
    assert files.disk.stat().st_uid == 0
    assert [path.name for path in files.disk.parent.iterdir()] == [
        disk_name(report.digest, report.content_digest)
    ]
    assert len(file.answers) == 1
    if found == "raw":
        assert files.disk.stat().st_blocks * 512 < raw_disk.stat().st_size / 3, "the holes were written"


async def test_a_disc_is_kept_as_it_is(server, store_of):
    disc = bytearray(1 << 20)
    disc[0x8001:0x8006] = b"CD001"
    file = server.put("disc", gzip.compress(bytes(disc)))
    order = ImportOrder(image_uid="u1", source=server.source("disc"), checksum=file.checksum, format="iso")
    report = await store_of().run_import(order, nothing)
    assert (report.state, report.format) == (ImportState.READY, "iso"), report.message
    assert report.content_digest == f"sha256:{hashlib.sha256(disc).hexdigest()}"


async def test_converting_twice_gives_the_same_file(server, store_of, in_format):
    file = server.put("disk", in_format("vmdk-stream", "vmdk", "subformat=streamOptimized"))
    order = ImportOrder(image_uid="u1", source=server.source("disk"), checksum=file.checksum)
    first, second = [await store_of(name).run_import(order, nothing) for name in ("one", "two")]
    assert first.content_digest == second.content_digest != first.digest


async def test_streams_that_follow_one_another_are_one(server, store_of, raw_disk):
    body = raw_disk.read_bytes()
    parts = [body[: 3 << 20], body[3 << 20 :]]
    for pack in (gzip.compress, PACK["xz"], PACK["zstd"]):
        file = server.put("disk", b"".join(pack(part) for part in parts))
        order = ImportOrder(image_uid="u1", source=server.source("disk"), checksum=file.checksum)
        report = await store_of(pack.__name__).run_import(order, nothing)
        assert report.content_digest == f"sha256:{hashlib.sha256(body).hexdigest()}", report.message
