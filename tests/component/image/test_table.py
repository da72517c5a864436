"""Every source and every format, as a table: bytes over the network, bytes written, seconds.

Each row is imported from a real server, and its content is compared with the disk that it was made of, byte for byte.
A guest's boot is emulated and takes seconds, so each format boots once, from what its import over http left in the
cache; that the other rows would boot too follows from their equal content. The disc goes beside the kernel of the tiny
guest, for which a CD-ROM is no root disk.
"""

import base64
import gzip
import io
import lzma
import subprocess
import time
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
from support.guest import BUILD, READY, Guest, disk, machine, nic
from support.registry import Registry
from support.s3 import ACCESS, SECRET, Bucket
from support.tls import loopback

pytestmark = [pytest.mark.component, pytest.mark.timeout(300)]
PACKED = {
    "": bytes,
    ".gz": lambda body: gzip.compress(body, 1),
    ".xz": lambda body: lzma.compress(body, preset=0),
    ".zst": zstandard.ZstdCompressor().compress,
}
DRIVERS = {"qcow2": "qcow2", "raw": "raw", "vmdk": "vmdk", "vhd": "vpc", "vhdx": "vhdx", "vdi": "vdi"}
PLAIN_ONLY = ("vmdk", "vhd", "vhdx", "vdi")
ROWS = [(fmt, packed) for fmt in ("qcow2", "raw", "iso") for packed in PACKED] + [
    (fmt, "") for fmt in PLAIN_ONLY
]
REF = AssignedSecret(namespace="n", name="s", keys=["image-username", "image-password", "image-ca"])


@dataclass(frozen=True)
class Served:
    """Where a body is to be had, and a count of what its server sent."""

    source: FileSource
    sent: object


@pytest.fixture(scope="module")
def tiny():
    built = subprocess.run([BUILD, "tiny"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return Path(built.split()[1]).parent


@pytest.fixture(scope="module")
def disks(tiny, tmp_path_factory):
    """The tiny guest's disk in every format, and a disc."""
    folder = tmp_path_factory.mktemp("table")
    for fmt, driver in DRIVERS.items():
        options = ["-o", "subformat=streamOptimized"] if fmt == "vmdk" else []
        options = ["-o", "subformat=dynamic,force_size"] if fmt == "vhd" else options
        command = [
            "qemu-img",
            "convert",
            "-f",
            "qcow2",
            "-O",
            driver,
            *options,
            tiny / "tiny.qcow2",
            folder / f"disk.{fmt}",
        ]
        subprocess.run(command, check=True)
    iso = pycdlib.PyCdlib()
    iso.new(joliet=3)
    iso.add_fp(io.BytesIO(b"hello\n"), 6, "/HELLO.;1", joliet_path="/hello")
    iso.write(str(folder / "disk.iso"))
    iso.close()
    return folder


def same(stored, fmt, disks):
    """Whether what is kept is the disk."""
    if fmt == "iso":
        return stored.read_bytes() == (disks / "disk.iso").read_bytes()
    kept = "raw" if fmt == "raw" else "qcow2"
    compare = ["qemu-img", "compare", "-q", "-f", kept, "-F", "raw", stored, disks / "disk.raw"]
    return subprocess.run(compare, check=False).returncode == 0


def boot(stored, fmt, tiny, folder):
    """Start the tiny guest from it, under an overlay as an Instance does; seconds until it is ready."""
    if fmt == "iso":
        files = ["-kernel", str(tiny / "tiny.vmlinuz"), "-initrd", str(tiny / "tiny.initrd")]
        medium = [
            *files,
            "-append",
            "console=ttyS0 quiet",
            "-drive",
            f"file={stored},format=raw,media=cdrom,readonly=on",
        ]
    else:
        kept = "raw" if fmt == "raw" else "qcow2"
        overlay = folder / f"{fmt}.qcow2"
        make = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", stored, "-F", kept, overlay]
        subprocess.run(make, check=True)
        medium = disk(overlay, 0, form="qcow2", boot=True)
    started = time.monotonic()
    guest = Guest([*machine(), *medium, *nic(0)], folder / f"qmp-{fmt}")
    try:
        guest.wait_for(READY)
    finally:
        guest.kill()
    return time.monotonic() - started


async def test_every_source_and_every_format(server, tiny, disks, tmp_path):
    tls, authority = loopback(tmp_path)
    texts = {"image-username": ACCESS, "image-password": SECRET, "image-ca": authority}
    data = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}

    async def secrets(_namespace, _name):
        return data

    lines, booted = [], {}
    async with Registry(tls, (ACCESS, SECRET)) as registry, Bucket(tls) as bucket:
        config = ImageConfig(
            allowed_private_hosts=[server.host, registry.host, bucket.host], formats=list(ImageFormat)
        )
        for fmt, packed in ROWS:
            name = f"disk.{fmt}{packed}"
            body = PACKED[packed]((disks / f"disk.{fmt}").read_bytes())
            file = server.put(name, body)
            registry.push(name, body)
            bucket.objects[f"images/{name}"] = body
            where = BucketLocation(endpoint=f"https://{bucket.host}", bucket="images", key=name)
            reference = f"{registry.host}/disks/debian:{name}"
            places = {
                "http": (server.source(name), lambda file=file: file.sent),
                "oci": (FileSource(oci=RegistryLocation(reference=reference)), lambda: registry.sent),
                "s3": (FileSource(s3=where), lambda: bucket.sent),
            }
            for kind, (source, sent) in places.items():
                store = ImageStore(tmp_path / f"{kind}-{name}", config, secrets=secrets)
                checksum = file.checksum if kind == "http" else None
                before, started = sent(), time.monotonic()
                order = ImportOrder(
                    image_uid="u1",
                    source=source,
                    checksum=checksum,
                    format=fmt,
                    secret=None if kind == "http" else REF,
                )
                report = await store.run_import(order, lambda *_: None)
                seconds = time.monotonic() - started
                assert report.state is ImportState.READY, f"{kind} {name}: {report.message}"
                stored = store._root / disk_name(report.digest, report.content_digest)
                assert same(stored, fmt, disks), f"{kind} {name}"
                moved, written = sent() - before, stored.stat().st_blocks * 512
                # What is converted was written once as it was served, and is gone.
                written += len(body) if fmt in PLAIN_ONLY else 0
                assert moved < len(body) + 4096
                assert [path.name for path in store._root.iterdir()] == [stored.name]
                told = (
                    f"{boot(stored, fmt, tiny, tmp_path):.1f}" if kind == "http" and not packed else "equal"
                )
                booted[fmt] = booted.get(fmt) or told
                lines.append(f"{kind:6} {fmt + packed:11} {moved:>12} {written:>12} {seconds:>8.2f}  {told}")
    print(f"\n{'source':6} {'format':11} {'moved':>12} {'written':>12} {'seconds':>8}  boots in s")
    print("\n".join(lines))
    assert len(lines) == 3 * len(ROWS)
    assert set(booted) == {str(fmt) for fmt in ImageFormat}
