"""Nodes that give images to each other, without the rest of an agent; and a source that counts."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from orlop_agent.image.store import ImageStore
from orlop_agent.metrics import CacheMetrics
from orlop_agent.peer.peering import Peering
from orlop_api.assigned_image import AssignedImage
from orlop_api.config import ImageConfig
from orlop_api.peer import ImagePeer, server_name
from orlop_operator.node_certificate import NodeAuthority, certified, renewed
from support.smallpool import raw_disk

MIB = 1 << 20
DISK = raw_disk(3 * MIB, 7)
HEX = hashlib.sha256(DISK).hexdigest()
DIGEST = f"sha256:{HEX}"
NOW = datetime.now(UTC)


def nothing(_received: int, _expected: int | None) -> None:
    pass


def authority() -> NodeAuthority:
    made = renewed(None, NOW)
    assert made is not None
    return made


class Node:
    """A cache with its peering, and a source of its own that counts."""

    def __init__(self, name: str, root: Path, source: Source, *, peers: str = "Enabled") -> None:
        self.name = name
        config = ImageConfig.model_validate(
            {"allowedPrivateHosts": [f"127.0.0.1:{source.server.port}"], "peers": peers}
        )
        self.metrics = CacheMetrics()
        self.peering = Peering(name, "127.0.0.1", 0, root, config, self.metrics)
        self.store = ImageStore(root, config, peers=self.peering, metrics=self.metrics)
        self._source = source
        self._task: asyncio.Task[None] | None = None

    async def join(self, trust: NodeAuthority) -> None:
        """Get a certificate; return once it listens."""
        listens = asyncio.Event()
        self._task = asyncio.create_task(self.peering.run(listens.set))
        offer = self.peering.offer()
        assert offer is not None
        self.peering.follow(certified(trust, self.name, offer.certificate_request, NOW))
        async with asyncio.timeout(5):
            await listens.wait()

    async def leave(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def peer(self) -> ImagePeer:
        offer = self.peering.offer()
        assert offer is not None
        assert offer.port is not None
        return ImagePeer(node_name=self.name, address="127.0.0.1", port=offer.port)

    def hold(self, content: bytes = DISK, name: str = HEX) -> None:
        (self.store._root / name).write_bytes(content)

    async def ensure(self, *peers: ImagePeer, **change: str) -> bytes:
        image = AssignedImage.model_validate(
            {
                "source": {"http": {"url": str(self._source.server.make_url("/disk"))}},
                "digest": DIGEST,
                "checksum": DIGEST,
                "format": "raw",
                "virtualSizeBytes": len(DISK),
                "peers": [peer.wire() for peer in peers],
                **change,
            }
        )
        return (await self.store.ensure(image, nothing)).disk.read_bytes()

    def count(self, name: str) -> float:
        for line in self.store.exposition().decode().splitlines():
            if line.startswith(f"orlop_image_cache_{name} "):
                return float(line.split()[1])
        raise KeyError(name)


class Source:
    def __init__(self) -> None:
        self.served = 0
        app = web.Application()
        app.router.add_get("/disk", self.disk)
        self.server = TestServer(app)

    async def disk(self, _: web.Request) -> web.Response:
        self.served += 1
        return web.Response(body=DISK)


class Asked:
    """Plain requests to a node, as somebody with or without a certificate."""

    def __init__(self, node: Node, context: ssl.SSLContext | bool) -> None:
        self.node, self.context = node, context

    async def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        url = f"https://127.0.0.1:{self.node.peer.port}{path}"
        async with (
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session,
            session.get(
                url, ssl=self.context, server_hostname=server_name(self.node.name), headers=headers
            ) as response,
        ):
            return response.status, await response.read()
