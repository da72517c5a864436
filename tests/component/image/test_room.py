"""The image cache on a disk that is too small: what goes, what stays, and what the Image is told."""

import hashlib
import os
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from orlop_agent.domain.spec import Disk, DiskFile
from orlop_agent.image.errors import ImageError
from orlop_agent.image.origin import FILE
from orlop_agent.image.room import Room
from orlop_agent.image.shelf import Shelf
from orlop_agent.image.sink import Packing
from orlop_agent.image.store import ImageStore
from orlop_agent.image.transfer import Part, Transfer
from orlop_agent.metrics import CacheMetrics
from orlop_agent.volume import qemu_img
from orlop_api.assigned_image import AssignedImage
from orlop_api.config import ImageConfig
from orlop_api.hypervisor import ImportOrder, ImportState
from support.smallpool import raw_disk, small_pool

pytestmark = [
    pytest.mark.component,
    pytest.mark.skipif(os.geteuid() != 0, reason="a mount namespace of the test's own needs root"),
]
MIB = 1 << 20


DISKS = {f"/{size}-{seed}": raw_disk(size * MIB, seed) for size in (2, 5, 9) for seed in (1, 2)}


def digest(path: str) -> str:
    return f"sha256:{hashlib.sha256(DISKS[path]).hexdigest()}"


@pytest.fixture
async def web_server() -> AsyncIterator[TestServer]:
    async def disk(request: web.Request) -> web.StreamResponse:
        body = DISKS[request.path.removeprefix("/endless")]
        if not request.path.startswith("/endless"):
            return web.Response(body=body)
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(body)
        return response

    app = web.Application()
    app.router.add_get("/{name:.*}", disk)
    server = TestServer(app)
    await server.start_server()
    yield server
    await server.close()


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Path]:
    with small_pool(tmp_path / "pool", "8m") as path:
        yield path


class Node:
    """A store on the small pool, and what is in use there."""

    def __init__(self, pool: Path, server: TestServer, capacity: str = "64Mi", max_age: str = "720h") -> None:
        self.pool, self.server = pool, server
        self.used: set[str] | None = set()
        config = ImageConfig(
            allowed_private_hosts=[f"127.0.0.1:{server.port}"], cache_capacity=capacity, cache_max_age=max_age
        )
        self.store = ImageStore(pool / "images", config, lambda: self.used, lambda: [pool / "disks"])

    async def take(self, path: str, name: str = "") -> tuple[ImportState, str, str]:
        source = {"http": {"url": str(self.server.make_url(name or path))}}
        order = ImportOrder.model_validate(
            {"imageUID": path[1:], "source": source, "checksum": digest(path), "format": "raw"}
        )
        report = await self.store.run_import(order, lambda _received, _expected: None)
        return report.state, report.reason, report.message

    def files(self) -> set[str]:
        return {entry.name for entry in (self.pool / "images").iterdir()}


@pytest.mark.parametrize("size", ["told", "endless"])
async def test_a_full_disk_is_told_leaves_nothing_and_is_no_obstacle_once_it_is_not_full(
    pool: Path, web_server: TestServer, size: str
) -> None:
    node = Node(pool, web_server)
    guest = pool / "guest.raw"
    guest.write_bytes(b"g" * 5 * MIB)
    name = "/5-1" if size == "told" else "/endless/5-1"
    state, reason, message = await node.take("/5-1", name)
    assert (state, reason) == (ImportState.FAILED, "DiskFull")
    assert "3Mi free" in message or size == "endless"
    assert "5Mi of images are still to come" in message or size == "endless"
    assert str(pool) not in message
    assert node.files() == set()
    assert guest.read_bytes() == b"g" * 5 * MIB
    guest.unlink()
    assert await node.take("/5-1", name) == (ImportState.READY, "", "")


async def test_a_few_bytes_that_unfold_to_many_never_take_what_is_kept_free(tmp_path: Path) -> None:
    """A gigabyte may come out of a megabyte, so leave is asked for as it is written."""
    disk = raw_disk(256 * MIB, 7)
    packed, least = zlib.compress(disk, wbits=31), []
    assert len(packed) < MIB
    with small_pool(tmp_path / "pool", "128m") as pool:
        room = Room(Shelf(pool, ImageConfig(cache_capacity="100%"), set, list, CacheMetrics()))
        with room.part() as (path, expect):

            async def look(size: int) -> None:
                least.append(os.statvfs(pool).f_bavail * os.statvfs(pool).f_frsize)
                await expect(size)

            transfer = Transfer(Part(path, look), [], Packing(FILE, 1 << 40, 2000))

            async def arrive() -> None:
                await transfer.take(packed)
                await transfer.finish()

            with pytest.raises(ImageError, match="no cached image can go") as denied:
                await arrive()
            await transfer.abort()
            least.append(os.statvfs(pool).f_bavail * os.statvfs(pool).f_frsize)
        assert denied.value.reason == "DiskFull"
        assert min(least) >= 128 * MIB // 20
        assert list(pool.iterdir()) == []


async def test_an_instance_is_told_the_same(pool: Path, web_server: TestServer) -> None:
    node = Node(pool, web_server)
    image = AssignedImage.model_validate(
        {
            "source": {"http": {"url": str(web_server.make_url("/9-1"))}},
            "digest": digest("/9-1"),
            "checksum": digest("/9-1"),
            "format": "raw",
            "virtualSizeBytes": 9 * MIB,
        }
    )
    with pytest.raises(ImageError, match="9Mi of images are still to come") as caught:
        await node.store.ensure(image, lambda _received, _expected: None)
    assert (caught.value.reason, caught.value.permanent) == ("DiskFull", False)


async def test_what_nobody_uses_makes_room_and_what_somebody_uses_does_not(
    pool: Path, web_server: TestServer
) -> None:
    node = Node(pool, web_server)
    assert (await node.take("/2-1"))[0] is ImportState.READY
    assert (await node.take("/2-2"))[0] is ImportState.READY
    node.used = {digest("/2-2")}
    assert await node.take("/5-1") == (ImportState.READY, "", "")
    assert node.store.digests() == sorted([digest("/2-2"), digest("/5-1")])
    node.used = {digest("/2-2"), digest("/5-1")}
    assert (await node.take("/5-2"))[1] == "DiskFull"
    assert node.store.digests() == sorted(node.used)


async def test_before_it_is_known_what_is_in_use_nothing_goes(pool: Path, web_server: TestServer) -> None:
    node = Node(pool, web_server)
    await node.take("/5-1")
    node.used = None
    assert (await node.take("/5-2"))[1] == "DiskFull"
    assert node.store.digests() == [digest("/5-1")]


async def test_a_disks_base_stays_also_when_nobody_knows_whose_disk_it_is(
    pool: Path, web_server: TestServer
) -> None:
    node = Node(pool, web_server)
    await node.take("/5-1")
    (pool / "disks").mkdir()
    base = pool / "images" / digest("/5-1").removeprefix("sha256:")
    await qemu_img.create(pool / "disks/root.qcow2", 5 * MIB, base=Disk(DiskFile(base), "raw"))
    assert (await node.take("/5-2"))[1] == "DiskFull"
    assert base.exists()
    (pool / "disks/root.qcow2").unlink()
    assert (await node.take("/5-2"))[0] is ImportState.READY
    assert not base.exists()


async def test_the_limits_hold_over_agents(pool: Path, web_server: TestServer) -> None:
    node = Node(pool, web_server, capacity="5Mi", max_age="24h")
    for path in ("/2-1", "/2-2"):
        await node.take(path)
    os.utime(pool / "images" / digest("/2-2").removeprefix("sha256:"), (0, time.time() - 3600))
    again = Node(pool, web_server, capacity="3Mi", max_age="24h")
    assert await again.store.tidy() == 2 * MIB
    assert again.store.digests() == [digest("/2-1")], "the other was used before it"
    os.utime(pool / "images" / digest("/2-1").removeprefix("sha256:"), (0, time.time() - 90000))
    again.used = {digest("/2-1")}
    assert await again.store.tidy() == 0
    again.used = set()
    assert await again.store.tidy() == 0, "its age begins with the end of its use"
    os.utime(pool / "images" / digest("/2-1").removeprefix("sha256:"), (0, time.time() - 90000))
    assert await again.store.tidy() == 2 * MIB
    assert again.files() == set()


async def test_guests_that_grow_get_room(pool: Path, web_server: TestServer) -> None:
    node = Node(pool, web_server)
    await node.take("/2-1")
    (pool / "guest.raw").write_bytes(b"g" * (5 * MIB + 900 * 1024))
    assert await node.store.tidy() == 2 * MIB, "less was free than is kept for them"


async def test_an_assignment_that_comes_while_the_disks_are_read_keeps_its_image(
    pool: Path, web_server: TestServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Node(pool, web_server, capacity="1Mi")
    await node.take("/2-1")
    look = Shelf._look

    def slow(self, used):
        seen = look(self, used)
        node.used = {digest("/2-1")}
        return seen

    node.used = set()
    monkeypatch.setattr(Shelf, "_look", slow)
    assert await node.store.tidy() == 0
    assert node.store.digests() == [digest("/2-1")]
