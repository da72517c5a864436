"""Images from other nodes over real sockets: what a good one saves, and what a bad one costs."""

import asyncio
import contextlib
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from orlop_agent.image.errors import ImageError
from orlop_agent.peer import client
from orlop_agent.peer.identity import Identity
from orlop_api.peer import ImagePeer
from orlop_operator.node_certificate import NodeAuthority, certified
from support.peers import DISK, HEX, MIB, NOW, Node, Source, authority, nothing

pytestmark = [
    pytest.mark.component,
    pytest.mark.skipif(os.geteuid() != 0, reason="the inspector gives up privileges, which needs root"),
]


async def test_a_peer_saves_the_source(nodes: tuple[Node, Node], counted: Source) -> None:
    giver, taker = nodes
    giver.hold()
    assert await asyncio.gather(*(taker.ensure(giver.peer) for _ in range(5))) == [DISK] * 5
    assert counted.served == 0
    assert (taker.count("peer_received_bytes_total"), giver.count("peer_sent_bytes_total")) == (
        len(DISK),
        len(DISK),
    )
    assert (taker.count("misses_total"), taker.count("hits_total")) == (5, 0)
    await taker.ensure()
    assert taker.count("hits_total") == 1
    assert taker.count("bytes") == len(DISK)
    assert (await taker.ensure()) == DISK


async def test_holes_stay_holes(nodes: tuple[Node, Node], counted: Source) -> None:
    giver, taker = nodes
    path = giver.store._root / HEX
    with path.open("wb") as file:
        file.write(DISK[: MIB // 2])
        file.truncate(64 * MIB)
    content = f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    target = taker.store._root / ".part-holes"
    booked = []

    async def expect(size: int) -> None:
        booked.append(size)

    assert await taker.peering.take([giver.peer], HEX, content, target, nothing, expect)
    assert target.stat().st_size == 64 * MIB
    assert target.stat().st_blocks * 512 <= MIB
    assert booked[0] <= MIB
    target.unlink()


async def test_a_peer_that_is_switched_off_is_not_asked(
    nodes: tuple[Node, Node], counted: Source, tmp_path: Path, trusted: NodeAuthority
) -> None:
    giver, _ = nodes
    giver.hold()
    alone = Node("node-3", tmp_path / "3", counted, peers="Disabled")
    assert alone.peering.offer() is None
    assert await alone.ensure(giver.peer) == DISK
    assert (counted.served, giver.count("peer_sent_bytes_total")) == (1, 0)


async def test_liars_strangers_and_the_absent_cost_time_only(
    nodes: tuple[Node, Node], counted: Source, tmp_path: Path
) -> None:
    liar, taker = nodes
    liar.hold(DISK[:-1] + b"!")
    stranger = Node("node-4", tmp_path / "4", counted)
    await stranger.join(authority())
    stranger.hold()
    absent = ImagePeer(node_name="node-5", address="127.0.0.1", port=9)
    assert await taker.ensure(absent, stranger.peer, liar.peer) == DISK
    assert counted.served == 1
    assert liar.count("peer_sent_bytes_total") == len(DISK), "it was asked, and not believed"
    assert stranger.count("peer_sent_bytes_total") == 0
    assert taker.count("source_received_bytes_total") == len(DISK)
    assert [path.name for path in taker.store._root.iterdir()] == [HEX], "nothing half is left"
    await stranger.leave()


async def test_another_nodes_certificate_is_not_the_one_that_was_asked_for(
    nodes: tuple[Node, Node], counted: Source
) -> None:
    giver, taker = nodes
    giver.hold()
    pretended = giver.peer.model_copy(update={"node_name": "node-9"})
    assert await taker.ensure(pretended) == DISK
    assert (counted.served, giver.count("peer_sent_bytes_total")) == (1, 0)


@pytest.fixture
def scripted(nodes: tuple[Node, Node], trusted: NodeAuthority) -> Iterator[type]:
    """A peer with a good certificate and a handler of the test's own."""
    identity = Identity("node-7")
    context = identity.server(certified(trusted, "node-7", identity.request, NOW))

    class Scripted:
        def __init__(self, handler) -> None:
            app = web.Application()
            app.router.add_get("/v1/images/{digest}", handler)
            self.server = TestServer(app, scheme="https")

        async def start(self) -> ImagePeer:
            await self.server.start_server(ssl=context)
            return ImagePeer(node_name="node-7", address="127.0.0.1", port=self.server.port)

    return Scripted


async def test_a_cut_transfer_goes_on_where_it_ended(
    nodes: tuple[Node, Node], counted: Source, scripted: type
) -> None:
    asked = []

    async def cutting(request: web.Request) -> web.StreamResponse:
        begin = request.http_range.start or 0
        asked.append(begin)
        status = 206 if begin else 200
        headers = {"Content-Length": str(len(DISK) - begin)}
        if begin:
            headers["Content-Range"] = f"bytes {begin}-{len(DISK) - 1}/{len(DISK)}"
        response = web.StreamResponse(status=status, headers=headers)
        await response.prepare(request)
        await response.write(DISK[begin : begin + (MIB if len(asked) < 3 else len(DISK))])
        if len(asked) < 3:
            request.transport.close()
        return response

    peer = scripted(cutting)
    assert await nodes[1].ensure(await peer.start()) == DISK
    assert len(asked) == 3
    assert asked == sorted(set(asked)), "each time for what was still missing"
    assert counted.served == 0
    await peer.server.close()


@pytest.mark.parametrize("vice", ["slow", "silent", "endless", "busy", "moved", "larger"])
async def test_the_slow_and_the_silent_are_left(
    nodes: tuple[Node, Node], counted: Source, scripted: type, vice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_RATE_WINDOW_SECONDS", 0.3)
    monkeypatch.setattr(client, "_SILENCE_SECONDS", 0.5)
    monkeypatch.setattr(client, "_PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(client, "_BUSY_SECONDS", 0.1)

    async def bad(request: web.Request) -> web.StreamResponse:
        if vice == "busy":
            return web.Response(status=503)
        if vice == "moved":
            raise web.HTTPFound("http://169.254.169.254/")
        response = web.StreamResponse()
        if vice == "endless":
            response.enable_chunked_encoding()
        else:
            response.content_length = len(DISK) if vice != "larger" else 1 << 50
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                if vice != "silent":
                    await response.write(b"x")
                await asyncio.sleep(0.1)
        return response

    peer = scripted(bad)
    address = await peer.start()
    async with asyncio.timeout(10):
        assert await nodes[1].ensure(address) == DISK
    assert counted.served == 1
    await peer.server.close()


async def test_a_peer_that_is_busy_is_waited_for(
    nodes: tuple[Node, Node], counted: Source, scripted: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_BUSY_SECONDS", 0.1)
    asked = []

    async def busy_twice(_: web.Request) -> web.Response:
        asked.append(1)
        return web.Response(status=503) if len(asked) < 3 else web.Response(body=DISK)

    peer = scripted(busy_twice)
    assert await nodes[1].ensure(await peer.start()) == DISK
    assert (len(asked), counted.served) == (3, 0)
    await peer.server.close()


async def test_a_new_certificate_is_taken_over_while_it_serves(
    nodes: tuple[Node, Node], trusted: NodeAuthority, counted: Source
) -> None:
    giver, taker = nodes
    giver.hold()
    new = authority()
    for node in nodes:
        offer = node.peering.offer()
        assert offer is not None
        listens = node.peering._server.port
        node.peering.follow(certified(new, node.name, offer.certificate_request, NOW))
        async with asyncio.timeout(5):
            while node.peering._server.port in {listens, None}:
                await asyncio.sleep(0.01)
    assert await taker.ensure(giver.peer) == DISK
    assert counted.served == 0


async def test_a_certificate_for_another_key_changes_nothing(
    nodes: tuple[Node, Node], trusted: NodeAuthority, counted: Source
) -> None:
    giver, taker = nodes
    giver.hold()
    giver.peering.follow(certified(trusted, giver.name, Identity(giver.name).request, NOW))
    await asyncio.sleep(0.1)
    assert await taker.ensure(giver.peer) == DISK
    assert counted.served == 0


async def test_a_disc_comes_from_a_peer(nodes: tuple[Node, Node], counted: Source) -> None:
    giver, taker = nodes
    disc = iso()
    name = hashlib.sha256(disc).hexdigest()
    giver.hold(disc, name)
    change = {"digest": f"sha256:{name}", "format": "iso"}
    assert await taker.ensure(giver.peer, **change) == disc
    assert counted.served == 0
    assert await taker.ensure(giver.peer, **change) == disc, "and again, from the cache"


async def test_what_a_peer_gave_and_the_check_refuses_is_asked_of_the_source(
    nodes: tuple[Node, Node], counted: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    giver, taker = nodes
    giver.hold()

    async def refuse(*_: object) -> None:
        raise ImageError("FormatMismatch", "no", permanent=True)

    monkeypatch.setattr(taker.store._intake, "look_at_stored", refuse)
    assert await taker.ensure(giver.peer) == DISK
    assert counted.served == 1


def iso() -> bytes:
    """A disc with a volume descriptor and its terminator, and no partition table."""
    disc = bytearray(64 << 10)
    disc[0x8000:0x8007] = b"\x01CD001\x01"
    disc[0x8800:0x8807] = b"\xffCD001\x01"
    return bytes(disc)
