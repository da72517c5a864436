"""Registries and buckets over TLS, with logins and authorities of their own."""

import asyncio
import base64
import gzip
import hashlib
import json
import tarfile

import pytest

from orlop_agent.image import registry as registry_module
from orlop_agent.image.names import disk_name
from orlop_agent.image.store import ImageStore
from orlop_api.assigned_image import AssignedImage
from orlop_api.assignment import AssignedSecret
from orlop_api.config import ImageConfig
from orlop_api.hypervisor import ImportOrder, ImportState
from orlop_api.source import IMAGE_KEYS, BucketLocation, FileSource, RegistryLocation
from support.registry import IMAGE_CONFIG, INDEX, Registry, digest_of, layer
from support.s3 import ACCESS, SECRET, Bucket
from support.tls import loopback

pytestmark = pytest.mark.component
LOGIN = ("me", "pass:word")
SECRET_REF = AssignedSecret(namespace="orlop-node-1", name="import-u1", keys=sorted(IMAGE_KEYS))


def nothing(_received, _expected):
    pass


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    return loopback(tmp_path_factory.mktemp("tls"))


@pytest.fixture
async def registry(tls):
    async with Registry(tls[0], LOGIN) as registry:
        yield registry


@pytest.fixture
async def bucket(tls):
    async with Bucket(tls[0]) as bucket:
        yield bucket


@pytest.fixture
def store_of(tmp_path, tls):
    def store_of(*hosts, authority=tls[1], **login):
        texts = {"image-ca": authority, **{f"image-{key}": text for key, text in login.items()}}
        data = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}

        async def secrets(namespace, name):
            assert (namespace, name) == (SECRET_REF.namespace, SECRET_REF.name)
            return data

        return ImageStore(
            tmp_path / "images", ImageConfig(allowed_private_hosts=list(hosts)), secrets=secrets
        )

    return store_of


def in_registry(registry, which=":12", **change):
    source = FileSource(oci=RegistryLocation(reference=f"{registry.host}/disks/debian{which}"))
    return ImportOrder(image_uid="u1", source=source, secret=SECRET_REF, **change)


def in_bucket(bucket, key, **change):
    location = BucketLocation(
        endpoint=f"https://{bucket.host}", bucket="images", key=key, region="eu-central-1"
    )
    return ImportOrder(image_uid="u1", source=FileSource(s3=location), secret=SECRET_REF, **change)


def content(store, report):
    return (store._root / disk_name(report.digest, report.content_digest)).read_bytes()


async def test_an_artifact_is_the_disk(registry, store_of, raw_disk):
    body = raw_disk.read_bytes()
    manifest = registry.push("12", gzip.compress(body))
    store = store_of(registry.host, username=LOGIN[0], password=LOGIN[1])
    report = await store.run_import(in_registry(registry), nothing)
    assert report.state is ImportState.READY, report.message
    assert report.reference == f"{registry.host}/disks/debian@{manifest}"
    assert report.digest == digest_of(gzip.compress(body, mtime=0)) or report.content_digest == digest_of(
        body
    )
    assert content(store, report) == body


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
async def test_of_a_container_disk_the_one_file_below_disk(registry, store_of, in_format, pack):
    body = in_format("qcow2", "qcow2")
    packed = pack(layer(("etc/passwd", b"root:x:0:0"), ("disk/debian.qcow2", body), ("readme", b"hello")))
    registry.push("12", packed, IMAGE_CONFIG)
    store = store_of(registry.host, username=LOGIN[0], password=LOGIN[1])
    report = await store.run_import(in_registry(registry), nothing)
    assert report.state is ImportState.READY, report.message
    assert (report.digest, report.format) == (digest_of(packed), "qcow2")
    assert report.content_digest == digest_of(body)
    assert content(store, report) == body


async def test_of_an_index_linux_on_amd64(registry, store_of, raw_disk):
    body = raw_disk.read_bytes()
    other, ours = registry.push("arm", b"arm"), registry.push("amd", body)
    platforms = ((other, "arm64"), (ours, "amd64"))
    entries = [{"digest": d, "platform": {"os": "linux", "architecture": a}} for d, a in platforms]
    registry.manifest("12", {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries})
    store = store_of(registry.host, username=LOGIN[0], password=LOGIN[1])
    report = await store.run_import(in_registry(registry), nothing)
    assert report.state is ImportState.READY, report.message
    assert report.reference == f"{registry.host}/disks/debian@{ours}"


async def test_what_a_tag_meant_stays_when_it_means_something_else(registry, store_of, raw_disk, tmp_path):
    body = raw_disk.read_bytes()
    registry.push("12", body)
    store = store_of(registry.host, username=LOGIN[0], password=LOGIN[1])
    report = await store.run_import(in_registry(registry), nothing)
    registry.push("12", body[: 8 << 20])
    content_path = store._root / disk_name(report.digest, report.content_digest)
    content_path.unlink()  # as on another node
    image = AssignedImage(
        source=FileSource(oci=RegistryLocation(reference=report.reference)),
        digest=report.digest,
        format="raw",
        virtual_size_bytes=len(body),
    )
    files = await store.ensure(image, nothing, SECRET_REF)
    assert files.disk.read_bytes() == body


async def test_a_docker_configuration_is_a_login_too(registry, store_of, raw_disk):
    registry.push("12", raw_disk.read_bytes())
    pair = base64.b64encode(":".join(LOGIN).encode()).decode()
    store = store_of(registry.host, registries=json.dumps({"auths": {registry.host: {"auth": pair}}}))
    report = await store.run_import(in_registry(registry), nothing)
    assert report.state is ImportState.READY, report.message


async def test_without_a_login_a_registry_says_no(registry, store_of, raw_disk):
    registry.push("12", raw_disk.read_bytes())
    report = await store_of(registry.host).run_import(in_registry(registry), nothing)
    assert (report.reason, report.retry) == ("ServerError", "Useful")
    assert report.message == f"127.0.0.1 answered 401 for the token service of {registry.host}"


async def test_an_unknown_authority_is_not_trusted(registry, store_of, raw_disk, tmp_path_factory):
    other = loopback(tmp_path_factory.mktemp("other"))[1]
    registry.push("12", raw_disk.read_bytes())
    report = await store_of(registry.host, authority=other).run_import(in_registry(registry), nothing)
    assert (report.reason, report.retry) == ("BadCertificate", "Useful")


@pytest.mark.parametrize("token", ["", "a-session"])
async def test_a_bucket_is_asked_with_a_signature(bucket, store_of, raw_disk, token):
    body = raw_disk.read_bytes()
    key = "a folder/disk ü+1~.raw"
    bucket.objects[f"images/{key}"] = body
    store = store_of(bucket.host, username=ACCESS, password=SECRET, token=token)
    report = await store.run_import(in_bucket(bucket, key), nothing)
    assert report.state is ImportState.READY, report.message
    assert report.digest == f"sha256:{hashlib.sha256(body).hexdigest()}"
    assert bucket.regions == ["eu-central-1"]


async def test_a_public_object_needs_no_signature(bucket, store_of, raw_disk):
    bucket.objects["images/disk.raw"] = raw_disk.read_bytes()
    bucket.public.add("images/disk.raw")
    report = await store_of(bucket.host).run_import(in_bucket(bucket, "disk.raw"), nothing)
    assert report.state is ImportState.READY, report.message


async def test_a_wrong_key_is_told_and_never_shown(bucket, store_of, raw_disk):
    bucket.objects["images/disk.raw"] = raw_disk.read_bytes()
    store = store_of(bucket.host, username=ACCESS, password="wrong")  # noqa: S106
    report = await store.run_import(in_bucket(bucket, "disk.raw"), nothing)
    assert (report.reason, report.retry) == ("ServerError", "Useful")
    assert report.message == f"127.0.0.1 answered 403 for s3://images/disk.raw at https://{bucket.host}"


def entry(name, kind=tarfile.REGTYPE, link=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return (name, info)


LAYERS = {
    "a link": (layer(entry("disk/disk.img", tarfile.SYMTYPE, "/etc/shadow")), "has a link below disk/"),
    "a hard link": (layer(entry("disk/disk.img", tarfile.LNKTYPE, "etc/shadow")), "has a link below disk/"),
    "a device": (layer(entry("disk/disk.img", tarfile.BLKTYPE)), "that is no regular file"),
    "disk is a file": (layer(("disk", b"x")), "that is no regular file"),
    "a way out": (layer(("disk/../../etc/cron.d/x", b"x")), "has a name with .. in it"),
    "two disks": (
        layer(("disk/a", b"\1" * 512), ("disk/b", b"\1" * 512)),
        "has more than one file below disk/",
    ),
    "no disk": (layer(("etc/passwd", b"x")), "has no file below disk/"),
    "no tar": (b"\1" * 4096, "is no sound tar"),
    "half a tar": (layer(("disk/disk.img", b"\1" * 40960))[:20000], "is no sound tar"),
    "compressed twice": (layer(("disk/disk.img", gzip.compress(b"x" * 4096))), "another gzip stream"),
}


@pytest.mark.parametrize("name", LAYERS)
async def test_layers_that_are_refused(registry, store_of, name):
    body, says = LAYERS[name]
    registry.push("12", gzip.compress(body), IMAGE_CONFIG)
    store = store_of(registry.host, username=LOGIN[0], password=LOGIN[1])
    report = await store.run_import(in_registry(registry), nothing)
    assert (report.state, report.retry) == (ImportState.FAILED, "Useless")
    assert says in report.message
    assert list(store._root.iterdir()) == []


MANIFESTS = {
    "huge": (b"{" + b" " * (2 << 20) + b"}", "is over the 1048576 bytes that are allowed"),
    "no JSON": (b"<html>", "is no JSON"),
    "deep JSON": (b"[" * 100_000, "is no JSON"),
    "a list": (b"[]", "is no object"),
    "no layers": ({"layers": []}, "has no layers"),
    "layers that are none": ({"layers": "x"}, "layers are no list of descriptors"),
    "many layers": (
        {"layers": [{"digest": f"sha256:{'0' * 64}"}] * 2},
        "has 2 layers; one with the disk is needed",
    ),
    "too many layers": ({"layers": [{}] * 1000}, "has 1000 layers, at most 128 are allowed"),
    "a digest that is a path": ({"layers": [{"digest": "sha256:../../x"}]}, "not sha256: and 64 hex digits"),
    "no platform": ({"manifests": []}, "has no manifest for linux/amd64"),
}


@pytest.mark.parametrize("name", MANIFESTS)
async def test_manifests_that_are_refused(registry, store_of, name):
    document, says = MANIFESTS[name]
    registry.manifest("12", document)
    store = store_of(registry.host, username=LOGIN[0], password=LOGIN[1])
    report = await store.run_import(in_registry(registry), nothing)
    assert (report.state, report.retry) == (ImportState.FAILED, "Useless")
    assert says in report.message


async def test_bytes_of_another_digest_are_refused(registry, store_of, raw_disk):
    body = raw_disk.read_bytes()
    manifest = registry.push("12", body)
    registry.blobs[digest_of(body)] = bytes(len(body))
    store = store_of(registry.host, username=LOGIN[0], password=LOGIN[1])
    assert (await store.run_import(in_registry(registry), nothing)).reason == "ChecksumMismatch"
    registry.manifests[manifest] = b"{}"
    report = await store.run_import(in_registry(registry, f"@{manifest}"), nothing)
    assert "has a manifest of another digest" in report.message


async def test_a_login_goes_where_the_registry_says_and_not_where_its_redirect_leads(
    registry, tls, store_of, raw_disk
):
    registry.push("12", raw_disk.read_bytes())
    async with Registry(tls[0], LOGIN) as other:
        registry.moved = f"https://{other.host}/v2/"
        store = store_of(registry.host, other.host, username=LOGIN[0], password=LOGIN[1])
        report = await store.run_import(in_registry(registry), nothing)
        assert other.asked == ["/v2/"], "it was asked for a token, with the login"
    assert (report.state, report.reason) == (ImportState.FAILED, "ServerError")
    assert "answered 401" in report.message


@pytest.mark.parametrize(("slow", "what"), [("token", "the token of "), ("manifests", "the manifest of ")])
async def test_an_answer_that_trickles_ends(registry, store_of, raw_disk, monkeypatch, slow, what):
    monkeypatch.setattr(registry_module, "_EXCHANGE_SECONDS", 1.0)
    registry.push("12", raw_disk.read_bytes())
    registry.trickles = f"/{slow}"
    store = store_of(registry.host, username=LOGIN[0], password=LOGIN[1])
    async with asyncio.timeout(8):
        report = await store.run_import(in_registry(registry), nothing)
    assert (report.reason, report.retry) == ("Timeout", "Useful")
    assert report.message.startswith(what)
    assert report.message.endswith(" took over 1 s")


@pytest.mark.parametrize(
    ("realm", "says"),
    [
        ("http://auth.example.org/token", "names no https realm for tokens"),
        ("https://169.254.169.254/token", "is at a private address"),
        ("https://127.0.0.1:1/token", "port 1 is not 443"),
    ],
)
async def test_a_registry_sends_the_login_nowhere_else(registry, store_of, raw_disk, realm, says):
    registry.push("12", raw_disk.read_bytes())
    registry.realm = realm
    store = store_of(registry.host, username=LOGIN[0], password=LOGIN[1])
    report = await store.run_import(in_registry(registry), nothing)
    assert (report.reason, report.retry) == ("ForbiddenURL", "Useless")
    assert says in report.message
