"""Every source and every format, as a table at the end of the run: each row is imported and boots the tiny guest.

Each row is fetched from a real server, its content is compared with the disk that it was made of, byte for byte, and
a guest starts from what is in the cache then, as an Instance does: over an overlay, or from a CD-ROM beside an empty
root disk. It counts once its console says that it is ready and it answers at its port. Rows that left the same bytes
share one boot; with ORLOP_BENCH each has its own.
"""

import asyncio
import base64
import gzip
import hashlib
import lzma
import os
import subprocess
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pycdlib
import pytest
import zstandard

from orlop_agent.image.names import disk_name
from orlop_agent.image.store import ImageStore
from orlop_api.assignment import AssignedSecret
from orlop_api.config import ImageConfig
from orlop_api.hypervisor import ImportOrder, ImportState
from orlop_api.image import ImageFormat
from orlop_api.source import BucketLocation, FileSource, RegistryLocation
from support.guest import BUILD, READY, Guest, answer, free_port, machine, nic
from support.imageserver import ImageServer
from support.registry import Registry
from support.s3 import ACCESS, SECRET, Bucket
from support.tls import loopback

pytestmark = [pytest.mark.component, pytest.mark.timeout(600)]
PACKED = {
    "": bytes,
    ".gz": lambda body: gzip.compress(body, 1),
    ".xz": lambda body: lzma.compress(body, preset=0),
    ".zst": zstandard.ZstdCompressor().compress,
}
DRIVERS = {"qcow2": "qcow2", "raw": "raw", "vmdk": "vmdk", "vhd": "vpc", "vhdx": "vhdx", "vdi": "vdi"}
OPTIONS = {"qcow2": ("-c",), "vmdk": ("-o", "subformat=streamOptimized"), "vhd": ("-o", "force_size")}
CONVERTED = ("vmdk", "vhd", "vhdx", "vdi")
FORMATS = [f"{fmt}{packed}" for fmt in ("qcow2", "raw", "iso") for packed in PACKED] + [*CONVERTED]
SECRETS = AssignedSecret(namespace="n", name="s", keys=["image-username", "image-password", "image-ca"])
FIRST_BOOT = 2 << 20
ALONE = "ORLOP_BENCH" in os.environ


@dataclass(frozen=True)
class Offer:
    """Where a body is to be had, and a count of what its server sent."""

    source: FileSource
    sent: Callable[[], int]
    checksum: str | None = None
    secret: AssignedSecret | None = SECRETS


@dataclass(frozen=True)
class Source:
    """A kind of source, served by a real server."""

    host: str
    offer: Callable[[str, bytes], Offer]


@asynccontextmanager
async def web(_tls):
    async with ImageServer() as server:

        def offer(name, body):
            file = server.put(name, body)
            return Offer(server.source(name), lambda: file.sent, file.checksum, None)

        yield Source(server.host, offer)


@asynccontextmanager
async def registry(tls):
    async with Registry(tls, (ACCESS, SECRET)) as server:

        def offer(name, body):
            server.push(name, body)
            reference = f"{server.host}/disks/debian:{name}"
            return Offer(FileSource(oci=RegistryLocation(reference=reference)), lambda: server.sent)

        yield Source(server.host, offer)


@asynccontextmanager
async def bucket(tls):
    async with Bucket(tls) as server:

        def offer(name, body):
            server.objects[f"images/{name}"] = body
            where = BucketLocation(endpoint=f"https://{server.host}", bucket="images", key=name)
            return Offer(FileSource(s3=where), lambda: server.sent)

        yield Source(server.host, offer)


SOURCES = {"http": web, "oci": registry, "s3": bucket}


@dataclass(frozen=True)
class Row:
    """What one import left in the cache, and what it cost."""

    source: str
    format: str
    moved: int
    written: int
    seconds: float
    stored: Path


@pytest.fixture(scope="module")
def disks(tmp_path_factory):
    """The tiny guest's disk in every format, and a disc that boots it (El Torito, a hard disk's image)."""
    built = subprocess.run([BUILD, "tiny"], check=True, stdout=subprocess.PIPE, text=True).stdout
    tiny = Path(built.split()[1]).parent / "tiny.qcow2"
    folder = tmp_path_factory.mktemp("table")
    for fmt, driver in DRIVERS.items():
        command = ["qemu-img", "convert", "-f", "qcow2", "-O", driver, *OPTIONS.get(fmt, ())]
        subprocess.run([*command, tiny, folder / f"disk.{fmt}"], check=True)
    iso = pycdlib.PyCdlib()
    iso.new(interchange_level=3)
    iso.add_file(str(folder / "disk.raw"), "/DISK.IMG;1")
    iso.add_eltorito("/DISK.IMG;1", bootcatfile="/BOOT.CAT;1", media_name="hdemul")
    iso.write(str(folder / "disk.iso"))
    iso.close()
    return folder


def same(stored, fmt, disks):
    """Whether what is kept is the disk."""
    if fmt == "iso":
        return stored.read_bytes() == (disks / "disk.iso").read_bytes()
    compare = ["qemu-img", "compare", "-q", "-f", kept_as(fmt), "-F", "raw", stored, disks / "disk.raw"]
    return subprocess.run(compare, check=False).returncode == 0


def digest(stored):
    """Of the bytes that are kept."""
    with stored.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def kept_as(fmt):
    """The format in which the cache has it."""
    return "raw" if fmt in ("raw", "iso") else "qcow2"


async def imported(kind, name, offer, config, folder):
    """Import it into a cache of its own."""
    fmt, _, _ = name.partition(".")

    async def secrets(_namespace, _name):
        return config["secrets"]

    store = ImageStore(folder / f"{kind}-{name}", config["images"], secrets=secrets)
    order = ImportOrder(
        image_uid="u1", source=offer.source, checksum=offer.checksum, format=fmt, secret=offer.secret
    )
    before, started = offer.sent(), time.monotonic()
    report = await store.run_import(order, lambda *_: None)
    seconds = time.monotonic() - started
    assert report.state is ImportState.READY, f"{kind} {name}: {report.message}"
    stored = store._root / disk_name(report.digest, report.content_digest)
    assert [path.name for path in store._root.iterdir()] == [stored.name]
    # What is converted was written once as it was served, and is gone.
    written = stored.stat().st_blocks * 512 + (report.size_bytes if fmt in CONVERTED else 0)
    return Row(kind, name, offer.sent() - before, written, seconds, stored)


def boot(row, folder):
    """Start the tiny guest from it as an Instance's domain would; seconds until it answers, and bytes it wrote."""
    fmt, _, _ = row.format.partition(".")
    root = folder / f"{row.source}-{row.format}.root"
    over = [] if fmt == "iso" else ["-b", row.stored, "-F", kept_as(fmt)]
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *over, root, "128M"], check=True)
    empty = root.stat().st_blocks * 512
    medium = [
        *("-drive", f"file={root},format=qcow2,if=none,id=root"),
        *("-device", "virtio-blk-pci,drive=root,bootindex=1"),
    ]
    if fmt == "iso":
        medium += [
            *("-drive", f"file={row.stored},format=raw,if=none,id=disc,media=cdrom,readonly=on"),
            *("-device", "ahci,id=sata", "-device", "ide-cd,drive=disc,bus=sata.0,bootindex=2"),
        ]
    port = free_port()
    started = time.monotonic()
    guest = Guest([*machine(board="pc"), *medium, *nic(0, port)], folder / f"{row.source}-{row.format}.qmp")
    try:
        guest.wait_for(READY, 120)
        assert answer(port).startswith("tiny ")
    finally:
        guest.kill()
    return time.monotonic() - started, root.stat().st_blocks * 512 - empty


async def test_every_source_times_every_format_boots(disks, tmp_path, show_table):
    tls, authority = loopback(tmp_path)
    texts = {"image-username": ACCESS, "image-password": SECRET, "image-ca": authority}
    rows = []
    async with AsyncExitStack() as stack:
        sources = {kind: await stack.enter_async_context(serve(tls)) for kind, serve in SOURCES.items()}
        hosts = [source.host for source in sources.values()]
        config = {
            "images": ImageConfig(allowed_private_hosts=hosts, formats=list(ImageFormat)),
            "secrets": {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()},
        }
        for name in FORMATS:
            fmt, dot, packed = name.partition(".")
            body = PACKED[dot + packed]((disks / f"disk.{fmt}").read_bytes())
            for kind, source in sources.items():
                row = await imported(kind, name, source.offer(name, body), config, tmp_path)
                assert row.moved < len(body) + 4096, f"{kind} {name} was moved more than once"
                assert same(row.stored, fmt, disks), f"{kind} {name}"
                rows.append(row)
    at_once = asyncio.Semaphore(os.cpu_count() or 1)

    async def start(row):
        async with at_once:
            return await asyncio.to_thread(boot, row, tmp_path)

    files = {row: (row.source, row.format) if ALONE else digest(row.stored) for row in rows}
    first = {file: row for row, file in reversed(files.items())}
    told = dict(zip(first, await asyncio.gather(*map(start, first.values())), strict=True))
    boots = [told[files[row]] for row in rows]
    show_table(
        "every source x every format boots tiny",
        ("source", "format", "moved B", "written B", "seconds", "boot, seconds", "boot wrote B"),
        [
            (row.source, row.format, row.moved, row.written, row.seconds, *booted)
            for row, booted in zip(rows, boots, strict=True)
        ],
    )
    assert {(row.source, row.format) for row in rows} == {(s, f) for s in SOURCES for f in FORMATS}
    assert {name.partition(".")[0] for name in FORMATS} == set(ImageFormat)
    assert max(wrote for _, wrote in boots) < FIRST_BOOT
