"""A web server on loopback that serves files as well, or as badly, as a test asks for."""

import asyncio
import hashlib
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer

from orlop_api.source import FileSource, WebLocation


@dataclass
class Served:
    """One file, and what happens to those who ask for it."""

    body: bytes
    etag: str | None = '"1"'
    ranges: bool = True
    cuts: list[int] = field(default_factory=list)
    """After how many bytes of an answer the connection breaks, one for each request."""
    answers: list[tuple[str, str]] = field(default_factory=list)
    """Range and If-Range of each request."""
    sent: int = 0
    """Bytes that went out."""

    @property
    def checksum(self):
        return f"sha256:{hashlib.sha256(self.body).hexdigest()}"


class ImageServer:
    """Serves what is in `files` by path; `paths` has handlers of tests' own."""

    def __init__(self):
        self.files: dict[str, Served] = {}
        app = web.Application()
        app.router.add_get("/{path:.*}", self._get)
        self.paths = {}
        self.server = TestServer(app)

    async def __aenter__(self):
        await self.server.start_server()
        return self

    async def __aexit__(self, *_):
        await self.server.close()

    @property
    def host(self):
        return f"127.0.0.1:{self.server.port}"

    def put(self, path, body, **how):
        self.files[path] = Served(body, **how)
        return self.files[path]

    def url(self, path):
        return f"http://{self.host}/{path}"

    def source(self, path, *mirrors):
        return FileSource(http=WebLocation(url=self.url(path), mirrors=[self.url(m) for m in mirrors]))

    async def _get(self, request):
        path = request.match_info["path"]
        if path in self.paths:
            return await self.paths[path](request)
        file = self.files.get(path)
        if file is None:
            raise web.HTTPNotFound
        return await self._send(request, file)

    async def _send(self, request, file):
        asked, condition = request.headers.get("Range", ""), request.headers.get("If-Range", "")
        file.answers.append((asked, condition))
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked and file.ranges else 0
        if condition and condition != file.etag:
            start = 0
        total = len(file.body)
        headers = {"Content-Length": str(total - start)} | ({"ETag": file.etag} if file.etag else {})
        if start:
            headers["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
        response = web.StreamResponse(status=206 if start else 200, headers=headers)
        await response.prepare(request)
        until = start + file.cuts.pop(0) if file.cuts else total
        for at in range(start, min(until, total), 1 << 18):
            piece = file.body[at : min(at + (1 << 18), until)]
            await response.write(piece)
            file.sent += len(piece)
        if until < total:
            await asyncio.sleep(0.05)  # what was sent shall arrive before the reset
            request.transport.abort()
        return response
