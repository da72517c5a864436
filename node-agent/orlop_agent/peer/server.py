"""Gives complete files of the image cache to other nodes: `GET /v1/images/<name>`, also in part (Range).

And what guests have at one moment, to who serves their disks (`moments`).
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from orlop_agent.image.names import PATTERN
from orlop_agent.peer.moments import BYTES_PATH, MOMENT_PATH, Giver

_AT_ONCE = 8
"""Transfers to other nodes; who comes then is told to come back, and asks the next peer."""
BUSY = 503
ALLOCATED = "Orlop-Allocated"
"""Header: bytes of disk that the whole file takes here."""
_IDLE_SECONDS = 15.0
_CHUNK = 1 << 20


class Server:
    """Listens once it has a context, and anew with each other one. Transfers under way go on."""

    def __init__(
        self, address: str, port: int, find: Callable[[str], Path | None], sent: Callable[[int], None]
    ) -> None:
        """`find` gives the complete file of a name, `sent` is told the bytes of each transfer."""
        self._address, self._port = address, port
        self._find, self._sent = find, sent
        self._busy = 0
        self._site: web.TCPSite | None = None
        application = web.Application()
        application.router.add_get(f"/v1/images/{{name:{PATTERN}}}", self._give)
        application.router.add_get(MOMENT_PATH, self._moment)
        application.router.add_get(BYTES_PATH, self._bytes)
        self.giver: Giver | None = None
        """Gives what guests have; None: nobody does."""
        self._runner = web.AppRunner(
            application, handle_signals=False, access_log=None, keepalive_timeout=_IDLE_SECONDS
        )
        self.port: int | None = None
        """Where it listens; None while it does not."""

    async def listen(self, context: ssl.SSLContext) -> None:
        """From now on with this context. OSError when the address is not there or the port is taken."""
        if self._runner.server is None:
            await self._runner.setup()
        if self._site is not None:
            site, self._site, self.port = self._site, None, None
            await site.stop()
        site = web.TCPSite(self._runner, self._address, self._port, ssl_context=context, reuse_address=True)
        await site.start()
        self._site = site
        # The address in use: port 0 asks the kernel for any.
        self.port = next((found[1] for found in self._runner.addresses if found), None)

    async def close(self) -> None:
        """End all transfers."""
        self.port = None
        if self.giver is not None:
            await self.giver.close()
        await self._runner.cleanup()

    async def _moment(self, request: web.Request) -> web.StreamResponse:
        return await self.giver.moment(request) if self.giver is not None else web.Response(status=404)

    async def _bytes(self, request: web.Request) -> web.StreamResponse:
        return await self.giver.bytes(request) if self.giver is not None else web.Response(status=404)

    async def _give(self, request: web.Request) -> web.StreamResponse:
        if self._busy >= _AT_ONCE:
            return web.Response(status=BUSY)
        path = self._find(request.match_info["name"])
        if path is None:
            return web.Response(status=404)
        # The file is opened once; that its name goes meanwhile (it was evicted) does not matter.
        return _Transfer(path, self)

    @contextmanager
    def transfer(self, response: web.FileResponse) -> Iterator[None]:
        """Count it, while it lasts and when it is over."""
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1
        if response.status in {200, 206}:
            self._sent(response.content_length or 0)


class _Transfer(web.FileResponse):
    """A file that is sent; aiohttp does all of it in `prepare`."""

    def __init__(self, path: Path, server: Server) -> None:
        allocated = path.stat().st_blocks * 512
        super().__init__(path, chunk_size=_CHUNK, headers={ALLOCATED: str(allocated)})
        self._server = server

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        with self._server.transfer(self):
            return await super().prepare(request)
