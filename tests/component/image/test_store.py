"""The image cache against a real web server on loopback and real disk images."""

import asyncio
import hashlib
import os
import subprocess

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from orlop_agent.image import inspect
from orlop_agent.image.errors import ImageError
from orlop_agent.image.store import ImageStore
from orlop_api.assigned_image import AssignedImage
from orlop_api.config import ImageConfig
from orlop_api.hypervisor import ImportOrder, ImportState
from orlop_api.source import FileSource, WebLocation
from support.partitions import BOOT_CODE, TABLE

pytestmark = [
    pytest.mark.component,
    pytest.mark.skipif(os.geteuid() != 0, reason="the inspector gives up privileges, which needs root"),
]
MIB = 1 << 20


def nothing(_received, _expected):
    pass


class Mirror:
    """A web server with one file at /disk, which counts its requests."""

    def __init__(self, body):
        self.body, self.requests = body, 0
        self.answers = asyncio.Event()
        self.answers.set()
        app = web.Application()
        app.router.add_get("/disk", self.disk)
        app.router.add_get("/moved", self.moved)
        app.router.add_get("/loop", self.loop)
        app.router.add_get("/inside", self.inside)
        app.router.add_get("/not-yet", self.not_yet)
        app.router.add_get("/login", self.login)
        app.router.add_get("/taken-away", self.taken_away)
        app.router.add_get("/malformed", self.malformed)
        self.server = TestServer(app)

    async def disk(self, _):
        self.requests += 1
        await self.answers.wait()
        return web.Response(body=self.body)

    async def moved(self, _):
        raise web.HTTPFound("/disk")

    async def loop(self, _):
        raise web.HTTPFound("/loop")

    async def inside(self, _):
        raise web.HTTPFound("http://169.254.169.254/latest/meta-data")

    async def not_yet(self, _):
        raise web.HTTPForbidden

    async def login(self, _):
        raise web.HTTPUnauthorized

    async def taken_away(self, _):
        raise web.HTTPGone

    async def malformed(self, _):
        return web.Response(status=302, headers={"Location": "http://["})

    @property
    def checksum(self):
        return f"sha256:{hashlib.sha256(self.body).hexdigest()}"

    def source(self, path="/disk"):
        return FileSource(http=WebLocation(url=str(self.server.make_url(path))))


def disk_image(path, fmt="qcow2", *options):
    subprocess.run(["qemu-img", "create", "-q", "-f", fmt, *options, str(path), "64M"], check=True)
    if fmt == "raw":
        with path.open("r+b") as file:
            file.seek(BOOT_CODE)
            file.write(TABLE)
    return path.read_bytes()


@pytest.fixture
async def mirror(tmp_path):
    mirror = Mirror(disk_image(tmp_path / "disk.qcow2"))
    await mirror.server.start_server()
    yield mirror
    await mirror.server.close()


@pytest.fixture
def store(tmp_path, mirror):
    hosts = [f"127.0.0.1:{mirror.server.port}"]
    return ImageStore(tmp_path / "images", ImageConfig(allowed_private_hosts=hosts))


def order(mirror, path="/disk", **change):
    return ImportOrder(image_uid="u1", source=mirror.source(path), checksum=mirror.checksum).model_copy(
        update=change
    )


async def test_an_import_is_described_and_cached(mirror, store):
    seen = []
    report = await store.run_import(
        order(mirror), lambda received, expected: seen.append((received, expected))
    )
    assert report.state is ImportState.READY
    assert (report.digest, report.format, report.virtual_size_bytes) == (mirror.checksum, "qcow2", 64 * MIB)
    assert store.digests() == [mirror.checksum]
    assert seen[-1] == (len(mirror.body), len(mirror.body))


def assigned(mirror):
    return AssignedImage(
        source=mirror.source(),
        digest=mirror.checksum,
        checksum=mirror.checksum,
        format="qcow2",
        virtual_size_bytes=64 * MIB,
    )


async def test_who_comes_when_the_last_waiter_left_gets_a_download_of_its_own(mirror, store):
    mirror.answers.clear()
    first = asyncio.create_task(store.ensure(assigned(mirror), nothing))
    while not mirror.requests:
        await asyncio.sleep(0.01)
    (download,) = store._downloads.values()
    first.cancel()
    while not download.task.cancelling():
        await asyncio.sleep(0)
    assert not download.task.done()
    mirror.answers.set()
    assert (await store._disk(assigned(mirror), nothing)).read_bytes() == mirror.body
    assert (first.cancelled(), download.task.cancelled(), mirror.requests) == (True, True, 2)
    assert [path.name for path in store._root.iterdir()] == [mirror.checksum.removeprefix("sha256:")]
    assert not store._downloads


async def test_waiters_share_one_download(mirror, store):
    found = await asyncio.gather(*(store.ensure(assigned(mirror), nothing) for _ in range(8)))
    assert mirror.requests == 1
    assert len({files.disk for files in found}) == 1
    assert found[0].disk.read_bytes() == mirror.body
    assert found[0].disk.stat().st_mode & 0o777 == 0o444


async def test_a_wrong_checksum_keeps_nothing(mirror, store):
    report = await store.run_import(order(mirror, checksum=f"sha256:{'0' * 64}"), nothing)
    assert (report.state, report.reason, report.retry) == (ImportState.FAILED, "ChecksumMismatch", "Useless")
    assert mirror.checksum.removeprefix("sha256:") in report.message
    assert store.digests() == []
    assert list((store._root).iterdir()) == []


async def test_sha512_is_verified_too(mirror, store):
    good = f"sha512:{hashlib.sha512(mirror.body).hexdigest()}"
    assert (await store.run_import(order(mirror, checksum=good), nothing)).state is ImportState.READY
    bad = await store.run_import(order(mirror, checksum=f"sha512:{'0' * 128}"), nothing)
    assert bad.reason == "ChecksumMismatch"


@pytest.mark.parametrize(
    ("path", "reason", "retry"),
    [
        ("/nothing", "NotFound", "Useful"),
        ("/loop", "TooManyRedirects", "Useless"),
        ("/inside", "ForbiddenURL", "Useless"),
        ("/malformed", "ForbiddenURL", "Useless"),
        ("/not-yet", "ServerError", "Useful"),
        ("/login", "ServerError", "Useful"),
        ("/taken-away", "ServerError", "Useless"),
    ],
)
async def test_failures_say_what_and_whether_to_retry(mirror, store, path, reason, retry):
    report = await store.run_import(order(mirror, path), nothing)
    assert (report.state, report.reason, report.retry) == (ImportState.FAILED, reason, retry)


async def test_a_redirect_within_the_allowed_host_is_followed(mirror, store):
    assert (await store.run_import(order(mirror, "/moved"), nothing)).state is ImportState.READY


async def test_loopback_is_forbidden_unless_named(mirror, tmp_path):
    store = ImageStore(tmp_path / "strict", ImageConfig())
    report = await store.run_import(order(mirror), nothing)
    assert report.reason == "ForbiddenURL"
    assert mirror.requests == 0


async def test_the_inspector_refuses_what_the_header_hides(mirror, store, tmp_path):
    (tmp_path / "base.qcow2").write_bytes(mirror.body)
    options = ("-b", str(tmp_path / "base.qcow2"), "-F", "qcow2")
    mirror.body = disk_image(tmp_path / "backed.qcow2", "qcow2", *options)
    report = await store.run_import(order(mirror), nothing)
    assert report.reason == "BackingFile"


async def test_an_inspection_that_takes_too_long_is_worth_a_retry(mirror, store, monkeypatch):
    monkeypatch.setattr(inspect, "_SECONDS", 0)
    report = await store.run_import(order(mirror), nothing)
    assert (report.reason, report.retry) == ("InspectionTimeout", "Useful")


async def test_raw_disks_pass_and_lies_do_not(mirror, store, tmp_path):
    mirror.body = disk_image(tmp_path / "disk.raw", "raw")
    report = await store.run_import(order(mirror, format="raw"), nothing)
    assert (report.state, report.format) == (ImportState.READY, "raw"), report.message
    lie = await store.run_import(order(mirror, format="qcow2"), nothing)
    assert lie.reason == "FormatMismatch"


async def test_a_killed_agents_leftovers_go(mirror, store, tmp_path):
    (store._root / ".part-dead").write_bytes(b"half")
    ImageStore(store._root, ImageConfig())
    assert store.digests() == []
    assert not (store._root / ".part-dead").exists()


async def test_a_digest_that_is_not_what_the_server_has_is_an_error(mirror, store):
    image = AssignedImage(
        source=mirror.source(),
        digest=f"sha256:{'1' * 64}",
        checksum=None,
        format="qcow2",
        virtual_size_bytes=64 * MIB,
    )
    with pytest.raises(ImageError, match="the Image wants 1111"):
        await store.ensure(image, nothing)
