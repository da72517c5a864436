"""A registry that speaks the pulling half of the OCI distribution specification over TLS, with tokens."""

import asyncio
import base64
import hashlib
import io
import json
import tarfile

from aiohttp import web
from aiohttp.test_utils import TestServer

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
IMAGE_CONFIG = "application/vnd.oci.image.config.v1+json"
EMPTY_CONFIG = "application/vnd.oci.empty.v1+json"


def digest_of(body):
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


def layer(*members):
    """A tar of (name, content) files; content may be a TarInfo to add as it is."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in members:
            info = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            body = b"" if content is info else content
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    return buffer.getvalue()


class Registry:
    """Repositories by name: tags, manifests and blobs. `login` asks for user and password at the token service.

    `moved` is where /v2/ redirects to; answers below a path with `trickles` in it come a byte at a time.
    """

    def __init__(self, tls, login=None):
        self.blobs, self.manifests, self.asked = {}, {}, []
        self.login, self.realm, self.sent = login, None, 0
        self.moved = self.trickles = None
        app = web.Application(middlewares=[self._count])
        app.router.add_get("/v2/", self._version)
        app.router.add_get("/token", self._token)
        app.router.add_get("/v2/{name:.+}/manifests/{which}", self._manifest)
        app.router.add_get("/v2/{name:.+}/blobs/{digest}", self._blob)
        self.server, self._tls = TestServer(app, scheme="https"), tls

    async def __aenter__(self):
        await self.server.start_server(ssl=self._tls)
        return self

    async def __aexit__(self, *_):
        await self.server.close()

    @property
    def host(self):
        return f"127.0.0.1:{self.server.port}"

    def blob(self, body):
        self.blobs[digest_of(body)] = body
        return {"digest": digest_of(body), "size": len(body)}

    def manifest(self, tag, document):
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.manifests[tag] = self.manifests[digest_of(body)] = body
        return digest_of(body)

    def push(self, tag, body, config=EMPTY_CONFIG):
        """An artifact, or with an image's config a container disk, of one layer."""
        described = {"mediaType": "application/octet-stream", **self.blob(body)}
        document = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": config, **self.blob(b"{}")},
            "layers": [described],
        }
        return self.manifest(tag, document)

    @web.middleware
    async def _count(self, request, handler):
        self.asked.append(request.path)
        if self.moved and request.path == "/v2/":
            return web.Response(status=307, headers={"Location": self.moved})
        let_in = not self.login or request.headers.get("Authorization") == "Bearer let-me-in"
        if not let_in and request.path.startswith("/v2/"):
            realm = self.realm or f"https://{self.host}/token"
            challenge = f'Bearer realm="{realm}",service="test",scope="repository:x:pull"'
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        if self.trickles and self.trickles in request.path:
            return await self._trickle(request)
        response = await handler(request)
        self.sent += len(response.body or b"")
        return response

    async def _trickle(self, request):
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(40):
            await response.write(b" ")
            await asyncio.sleep(0.2)
        return response

    async def _version(self, _):
        return web.json_response({})

    async def _token(self, request):
        pair = base64.b64encode(":".join(self.login).encode()).decode()
        if request.headers.get("Authorization") != f"Basic {pair}":
            return web.Response(status=401)
        assert request.query["scope"] == "repository:disks/debian:pull"
        return web.json_response({"token": "let-me-in"})

    async def _manifest(self, request):
        body = self.manifests.get(request.match_info["which"])
        if body is None:
            return web.Response(status=404)
        return web.Response(body=body, content_type=MANIFEST)

    async def _blob(self, request):
        body = self.blobs.get(request.match_info["digest"])
        return web.Response(status=404) if body is None else web.Response(body=body)
