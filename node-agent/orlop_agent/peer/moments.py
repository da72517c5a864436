"""What a guest's disk holds at one moment, for the node that serves that disk: by NBD, through mutual TLS.

The guest's node has QEMU offer it on a socket; who keeps the Volume's data reads that socket from afar and writes to
its own file. A WebSocket stands for the moment, and there is one more for each connection to the socket. When the
first ends, whichever side ended it, the offer ends too: nothing is left of a reader that was killed.

Nobody else may read: the certificate must be of the node that serves the Volume, as this node's own Assignment says.
That node has the data already.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import structlog
from aiohttp import ClientWebSocketResponse, WSMsgType, web

from orlop_agent.failure import StepError
from orlop_api.assignment import AssignedVolume
from orlop_api.peer import server_name
from orlop_api.snapshot import Consistency

HEARTBEAT = 10.0
"""Seconds after which a node that says nothing is taken for gone, and half of that after it was asked."""
VOLUME, TOKEN = "uid", "token"
MOMENT_PATH, BYTES_PATH = "/v1/volumes/{uid}/moment", "/v1/moments/{token}"
NO_GUEST = "NoGuest"
"""Reason: no guest of that node has it."""
_CHUNK = 256 << 10

_log = structlog.get_logger()

WebSocket = web.WebSocketResponse | ClientWebSocketResponse


class Offered(Protocol):
    """Has QEMU offer a guest's disk."""

    def __call__(
        self, volume: AssignedVolume, *, quiesce: bool
    ) -> AbstractAsyncContextManager[tuple[Path, Consistency]]:
        """The socket, and whether the guest froze its file systems. StepError: NO_GUEST, and others."""


@dataclass
class _Moment:
    reader: str
    """Who may read it, by the name in its certificate."""
    socket: Path
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


class Giver:
    """The side of the guest's node."""

    def __init__(self, volume: Callable[[str], AssignedVolume | None], offered: Offered) -> None:
        """`volume`: what an Assignment of this node has, by its uid."""
        self._volume = volume
        self._offered = offered
        self._moments: dict[str, _Moment] = {}
        self._tasks: set[asyncio.Task[object]] = set()

    async def moment(self, request: web.Request) -> web.StreamResponse:
        """For as long as the WebSocket is open."""
        volume = self._volume(request.match_info[VOLUME])
        reader = server_name(_server(volume) or "")
        if volume is None or reader not in _names(request):
            return web.Response(status=404)
        told = web.WebSocketResponse(heartbeat=HEARTBEAT, compress=False)
        await told.prepare(request)
        with self._noted():
            try:
                async with self._offered(volume, quiesce=request.query.get("quiesce") == "true") as offer:
                    socket, consistency = offer
                    async with self._open(reader, socket) as token:
                        await told.send_json({"token": token, "consistency": consistency.value})
                        async for _ in told:
                            pass
            except StepError as error:
                _log.info("moment.over", volume=volume.volume_uid, reason=error.reason, error=error.message)
                with suppress(ConnectionError):
                    await told.send_json({"reason": error.reason, "message": error.message})
            await told.close()
        return told

    async def bytes(self, request: web.Request) -> web.StreamResponse:
        """One connection to the socket."""
        moment = self._moments.get(request.match_info[TOKEN])
        if moment is None or moment.reader not in _names(request):
            return web.Response(status=404)
        far = web.WebSocketResponse(heartbeat=HEARTBEAT, compress=False)
        await far.prepare(request)
        with self._noted():
            try:
                streams = await asyncio.open_unix_connection(moment.socket)
            except OSError as error:
                _log.warning("moment.socket", error=str(error))
                await far.close()
                return far
            carrying = asyncio.create_task(carry(far, *streams))
            moment.tasks.add(carrying)
            try:
                await asyncio.wait([carrying])
            finally:
                carrying.cancel()
                moment.tasks.discard(carrying)
        return far

    async def close(self) -> None:
        """End all of it."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @asynccontextmanager
    async def _open(self, reader: str, socket: Path) -> AsyncIterator[str]:
        """Let it be read. Afterwards nobody is connected to the socket: QEMU waits for a reader that is slow."""
        token = secrets.token_hex(16)
        moment = self._moments[token] = _Moment(reader, socket)
        try:
            yield token
        finally:
            del self._moments[token]
            for task in moment.tasks:
                task.cancel()
            await asyncio.gather(*moment.tasks, return_exceptions=True)

    def _noted(self) -> _Noted:
        return _Noted(self._tasks)


class _Noted:
    """The task that this is in is among them."""

    def __init__(self, tasks: set[asyncio.Task[object]]) -> None:
        self._tasks = tasks
        self._task: asyncio.Task[object] | None = None

    def __enter__(self) -> None:
        self._task = asyncio.current_task()
        if self._task is not None:
            self._tasks.add(self._task)

    def __exit__(self, *_: object) -> None:
        if self._task is not None:
            self._tasks.discard(self._task)


async def carry(far: WebSocket, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes both ways until one side ends; then the other is ended."""

    async def out() -> None:
        while data := await reader.read(_CHUNK):
            await far.send_bytes(data)

    async def back() -> None:
        async for message in far:
            if message.type is not WSMsgType.BINARY:
                return
            writer.write(message.data)
            await writer.drain()

    both = [asyncio.create_task(out()), asyncio.create_task(back())]
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    finally:
        writer.transport.abort()
        for task in both:
            task.cancel()
        for ended in await asyncio.gather(*both, return_exceptions=True):
            if isinstance(ended, Exception):
                _log.info("moment.connection", error=repr(ended))
        await far.close()


def _server(volume: AssignedVolume | None) -> str | None:
    """The node that serves the Volume."""
    unit = volume.location.iscsi if volume is not None else None
    return unit.tgt.hypervisor_name if unit is not None and unit.tgt is not None else None


def _names(request: web.Request) -> frozenset[str]:
    """Whom the certificate of who asks is for."""
    tls = request.get_extra_info("ssl_object")
    shown = tls.getpeercert() if tls is not None else None
    return frozenset(name for kind, name in (shown or {}).get("subjectAltName", ()) if kind == "DNS")
