"""Takes a file from one of the nodes that may have it. Whatever goes wrong costs time, and nothing else.

A peer is asked in turn, cut short when it is slow, and believed only by the digest of what it sent.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import structlog

from orlop_agent.image.fetch import Progress
from orlop_agent.image.sparse import SparseWriter
from orlop_agent.image.transfer import Expect
from orlop_agent.image.web import READ_AHEAD
from orlop_agent.peer.server import ALLOCATED, BUSY
from orlop_api.config import ImageConfig
from orlop_api.peer import ImagePeer, server_name
from orlop_api.quantity import to_bytes

_CHUNK = 4 << 20
_CONNECT_SECONDS = 5.0
_SILENCE_SECONDS = 10.0
_RATE_WINDOW_SECONDS = 20.0
_PATIENCE_SECONDS, _BUSY_SECONDS = 120.0, 4.0
"""How long busy peers are asked again, and about how often: a source shall not serve what a peer is about to."""
_LOOK_BYTES = 64 << 20
"""Bytes between looks at the room that is left."""
_CUTS = 3
"""How often one peer may end a transfer early and be asked for the rest."""

_log = structlog.get_logger()


class _PeerError(Exception):
    """A peer that is of no use now."""


class _PeerBusyError(_PeerError):
    """A peer that gives to as many others as it can."""


@dataclass
class _Transfer:
    """One file from one peer, perhaps in several answers."""

    writer: SparseWriter
    limit: int
    least_rate: int
    progress: Progress
    expect: Expect
    hash: Any = field(default_factory=hashlib.sha256)
    received: int = 0

    async def take(self, response: aiohttp.ClientResponse) -> None:
        """Everything of this answer. ImageError when there is no room."""
        rest = response.content_length
        if rest is None or self.received + rest > self.limit:
            raise _PeerError(f"offers {rest} bytes")
        # Holes are sent as zeros and become holes again, so less than the length may be needed.
        await self.expect(_allocated(response, rest))
        looked = self.received
        since, before = time.monotonic(), self.received
        async for chunk in response.content.iter_chunked(_CHUNK):
            self.received += len(chunk)
            rest -= len(chunk)
            if self.received - looked >= _LOOK_BYTES:
                looked = self.received
                await self.expect(0)
            await asyncio.gather(
                asyncio.to_thread(self.writer.write, chunk), asyncio.to_thread(self.hash.update, chunk)
            )
            self.progress(self.received, self.received + rest)
            now = time.monotonic()
            if now - since >= _RATE_WINDOW_SECONDS:
                if (self.received - before) / (now - since) < self.least_rate:
                    raise _PeerError("too slow")
                since, before = now, self.received
        if rest:
            raise aiohttp.ClientPayloadError

    def verify(self, digest: str) -> None:
        """Whatever the peer says, its bytes are what counts."""
        if f"sha256:{self.hash.hexdigest()}" != digest:
            raise _PeerError("sent other bytes")


async def take(
    peers: Sequence[ImagePeer],
    name: str,
    digest: str,
    target: Path,
    config: ImageConfig,
    context: ssl.SSLContext,
    progress: Progress,
    expect: Expect,
) -> int | None:
    """Write the file to `target` and return its bytes; None when no peer gave it.

    `name` is what it is called in caches, `digest` is what its bytes hash to. ImageError and OSError tell of this
    node's own disk. The target may hold anything after a None.
    """
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=_SILENCE_SECONDS)
    connector = aiohttp.TCPConnector(ssl=context, force_close=True)
    begun = time.monotonic()
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, auto_decompress=False, read_bufsize=READ_AHEAD
    ) as session:
        while peers:
            busy = []
            for peer in peers:
                with target.open("wb") as file:
                    writer = SparseWriter(file)
                    transfer = _Transfer(
                        writer,
                        to_bytes(config.max_virtual_size),
                        config.min_bytes_per_second,
                        progress,
                        expect,
                    )
                    try:
                        await _from_one(session, peer, name, transfer)
                        transfer.verify(digest)
                        await asyncio.to_thread(writer.finish)
                    except _PeerBusyError:
                        busy.append(peer)
                    except (_PeerError, aiohttp.ClientError, ssl.SSLError, TimeoutError) as error:
                        why = str(error) or repr(error)
                        _log.warning("peer.useless", peer=peer.node_name, digest=name, error=why)
                    else:
                        _log.info("peer.gave", peer=peer.node_name, digest=name, bytes=transfer.received)
                        return transfer.received
            if time.monotonic() - begun >= _PATIENCE_SECONDS:
                _log.warning("peer.busy", peers=[peer.node_name for peer in busy], digest=name)
                break
            peers = busy
            if peers:
                await asyncio.sleep(random.uniform(0.5, 1.5) * _BUSY_SECONDS)  # noqa: S311 - not in step
    return None


def _allocated(response: aiohttp.ClientResponse, rest: int) -> int:
    """Bytes of disk that the file takes on the peer, as it says: no more than a hint."""
    said = response.headers.get(ALLOCATED, "")
    return min(rest, int(said)) if said.isdecimal() and len(said) < 20 else rest


async def _from_one(session: aiohttp.ClientSession, peer: ImagePeer, name: str, transfer: _Transfer) -> None:
    url = f"https://{peer.address}:{peer.port}/v1/images/{name}"
    for cut in range(_CUTS + 1):
        begun = transfer.received
        headers = {"Accept-Encoding": "identity"}
        if begun:
            headers["Range"] = f"bytes={begun}-"
        try:
            async with session.get(
                url, headers=headers, allow_redirects=False, server_hostname=server_name(peer.node_name)
            ) as response:
                if response.status == BUSY:
                    raise _PeerBusyError
                wanted = 206 if begun else 200
                if response.status != wanted:
                    raise _PeerError(f"answers {response.status}")
                if begun and not response.headers.get("Content-Range", "").startswith(f"bytes {begun}-"):
                    raise _PeerError("answers another range")
                await transfer.take(response)
        except aiohttp.ClientPayloadError:
            # Cut short: the rest, if it gave anything at all this time.
            if cut == _CUTS or transfer.received == begun:
                raise
        else:
            return
