"""Compressed and converted disks, and a disc, from a real node's agent to a guest that answers."""

import gzip
import io
import os
import shutil
import subprocess
from collections.abc import Iterator

import pycdlib
import pytest

from orlop_cluster.demo import FILE_SERVER
from support.lab import NAMESPACE, Cluster, Guests

pytestmark = pytest.mark.e2e
BOOT = f"boot-{os.getpid()}"
"""A folder that the file server gives as an S3 server would give the objects of a public bucket."""


@pytest.fixture
def served(guests: Guests) -> Iterator[dict[str, str]]:
    """The tiny guest's disk as raw.gz and as streamOptimized vmdk, and a disc; names by format."""
    names = {fmt: f"formats-{os.getpid()}.{fmt}" for fmt in ("raw", "vmdk", "iso")}
    disk = guests.folder / "tiny.qcow2"
    for fmt, options in (("raw", []), ("vmdk", ["-o", "subformat=streamOptimized"])):
        target = guests.folder / names[fmt]
        subprocess.run(["qemu-img", "convert", "-f", "qcow2", "-O", fmt, *options, disk, target], check=True)
    raw = guests.folder / names["raw"]
    raw.write_bytes(gzip.compress(raw.read_bytes(), 1))
    iso = pycdlib.PyCdlib()
    iso.new(joliet=3)
    iso.add_fp(io.BytesIO(b"hello\n"), 6, "/HELLO.;1", joliet_path="/hello")
    iso.write(str(guests.folder / names["iso"]))
    iso.close()
    boot = guests.folder / BOOT
    (boot / "linux").mkdir(parents=True)
    (boot / "linux/initrd").write_bytes((guests.folder / "tiny.initrd").read_bytes())
    yield names
    shutil.rmtree(boot)
    for name in names.values():
        (guests.folder / name).unlink()


def test_what_nodes_make_of_other_formats_boots(
    cluster: Cluster, guests: Guests, served: dict[str, str]
) -> None:
    files = {name: guests.url(f"tiny.{name}") for name in ("vmlinuz", "initrd")}
    sums = {name: guests.checksum(f"tiny.{name}") for name in files}
    for fmt, name in served.items():
        spec: dict = {
            "source": {"http": {"url": guests.url(name)}},
            "checksum": guests.checksum(name),
            "format": fmt,
        }
        if fmt == "iso":
            bucket = {"endpoint": FILE_SERVER, "bucket": BOOT, "key": "linux/initrd"}
            spec["kernelBoot"] = {
                "kernel": {"http": {"url": files["vmlinuz"]}, "checksum": sums["vmlinuz"]},
                "initrd": {"s3": bucket, "checksum": sums["initrd"]},
                "commandLine": "console=ttyS0 quiet",
            }
        cluster.apply(cluster.object("Image", f"as-{fmt}", spec))
        seen = cluster.create(f"as-{fmt}", boot={"imageRef": {"name": f"as-{fmt}"}})
        cluster.booted(seen)
        status = cluster.get("img", f"as-{fmt}", NAMESPACE)["status"]
        assert status["format"] == fmt
        assert ("contentDigest" in status) == (fmt != "iso")
        cluster.delete(f"as-{fmt}")
        cluster.delete(f"as-{fmt}", kind="img")
