"""Kernels and initial RAM disks out of registries and buckets: kept as served, and pinned by their own digest."""

import gzip
from dataclasses import dataclass

import pytest

from orlop_agent.image.names import boot_name
from orlop_agent.image.store import ImageStore
from orlop_api.assigned_image import AssignedImage, BootFile
from orlop_api.config import ImageConfig
from orlop_api.hypervisor import ImportOrder, ImportState
from orlop_api.source import BucketLocation, FileSource, OrderedFile, RegistryLocation
from support.imageserver import ImageServer
from support.registry import IMAGE_CONFIG, Registry, digest_of, layer
from support.s3 import Bucket
from support.tls import loopback

pytestmark = pytest.mark.component
KERNEL = gzip.compress(b"a kernel, which nobody unpacks", mtime=0)
INITRD = b"an initial RAM disk"


def nothing(_received, _expected):
    pass


@dataclass
class Place:
    """A web server with a disk, a registry and a bucket; what a node makes of an order."""

    server: ImageServer
    registry: Registry
    bucket: Bucket
    disk: bytes
    store: ImageStore

    def in_registry(self, which=":6.1"):
        return FileSource(oci=RegistryLocation(reference=f"{self.registry.host}/boot/linux{which}"))

    def in_bucket(self, key):
        endpoint = f"https://{self.bucket.host}"
        return FileSource(s3=BucketLocation(endpoint=endpoint, bucket="boot", key=key))

    async def run_import(self, kernel, initrd=None):
        order = ImportOrder(
            image_uid="u1",
            source=self.server.source("disk"),
            checksum=digest_of(self.disk),
            kernel=kernel,
            initrd=initrd,
        )
        return await self.store.run_import(order, nothing)

    def assigned(self, **beside):
        digest = digest_of(self.disk)
        source = self.server.source("disk")
        return AssignedImage(
            source=source,
            digest=digest,
            checksum=digest,
            format="raw",
            virtual_size_bytes=len(self.disk),
            **beside,
        )


@pytest.fixture
async def place(tmp_path, raw_disk, monkeypatch):
    context, authority = loopback(tmp_path)
    (tmp_path / "ca.pem").write_text(authority)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    async with ImageServer() as server, Registry(context) as registry, Bucket(context) as bucket:
        disk = raw_disk.read_bytes()
        server.put("disk", disk)
        hosts = [server.host, registry.host, bucket.host]
        store = ImageStore(tmp_path / "images", ImageConfig(allowed_private_hosts=hosts))
        yield Place(server, registry, bucket, disk, store)


async def test_a_registry_has_the_kernel_and_a_bucket_the_ram_disk(place):
    place.registry.push("6.1", KERNEL)
    place.bucket.objects["boot/initrd.img"] = INITRD
    place.bucket.public.add("boot/initrd.img")
    kernel, initrd = place.in_registry(), place.in_bucket("initrd.img")
    report = await place.run_import(OrderedFile(source=kernel), OrderedFile(source=initrd))
    assert report.state is ImportState.READY, report.message
    assert (report.kernel_digest, report.initrd_digest) == (digest_of(KERNEL), digest_of(INITRD))
    for body in (KERNEL, INITRD):
        (place.store._root / boot_name(digest_of(body))).unlink()  # as on another node
    image = place.assigned(
        kernel=BootFile(source=kernel, digest=report.kernel_digest),
        initrd=BootFile(source=initrd, digest=report.initrd_digest),
    )
    files = await place.store.ensure(image, nothing)
    assert (files.kernel.read_bytes(), files.initrd.read_bytes()) == (KERNEL, INITRD)


async def test_what_a_tag_means_later_is_not_asked(place):
    place.registry.push("6.1", KERNEL)
    report = await place.run_import(OrderedFile(source=place.in_registry()))
    place.registry.push("6.1", b"another kernel")
    (place.store._root / boot_name(report.kernel_digest)).unlink()
    boot = BootFile(source=place.in_registry(), digest=report.kernel_digest)
    kernel, _ = await place.store.boot_files(place.assigned(kernel=boot))
    assert kernel.read_bytes() == KERNEL


@pytest.mark.parametrize("kind", ["registry", "bucket"])
async def test_another_checksum_is_refused(place, kind):
    place.registry.push("6.1", KERNEL)
    place.bucket.objects["boot/kernel"] = KERNEL
    place.bucket.public.add("boot/kernel")
    source = place.in_registry() if kind == "registry" else place.in_bucket("kernel")
    report = await place.run_import(OrderedFile(source=source, checksum=digest_of(b"other")))
    assert (report.state, report.reason) == (ImportState.FAILED, "ChecksumMismatch")


async def test_what_a_registry_gives_must_be_what_it_names(place):
    place.registry.push("6.1", KERNEL)
    place.registry.blobs[digest_of(KERNEL)] = b"not the kernel"
    report = await place.run_import(OrderedFile(source=place.in_registry()))
    assert (report.state, report.reason) == (ImportState.FAILED, "ChecksumMismatch")


async def test_a_container_s_image_is_no_kernel(place):
    place.registry.push("6.1", layer(("boot/vmlinuz", KERNEL)), IMAGE_CONFIG)
    report = await place.run_import(OrderedFile(source=place.in_registry()))
    assert (report.state, report.reason, report.retry) == (ImportState.FAILED, "BadManifest", "Useless")
    assert "must be the only layer of an artifact" in report.message


async def test_what_is_not_public_says_so(place):
    place.bucket.objects["boot/kernel"] = KERNEL
    report = await place.run_import(OrderedFile(source=place.in_bucket("kernel")))
    assert report.state is ImportState.FAILED
    assert place.bucket.host in report.message


async def test_a_private_host_must_be_allowed(place, tmp_path):
    place.registry.push("6.1", KERNEL)
    config = ImageConfig(allowed_private_hosts=[place.server.host])
    place.store = ImageStore(tmp_path / "others", config)
    report = await place.run_import(OrderedFile(source=place.in_registry()))
    assert (report.state, report.reason) == (ImportState.FAILED, "ForbiddenURL")
