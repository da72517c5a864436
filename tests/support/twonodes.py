"""Two nodes with real agents in this process, and a source of images with a log."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from orlop_agent.agent import Agent
from orlop_api.config import OrlopConfig
from orlop_operator.authority import Leaf, authority, key_pem, pem, signed
from orlop_operator.certificate import Material
from orlop_operator.webhook_trust import load, serving_context
from support.apiserver import ApiServer
from support.scripted import node_token
from support.simnode import SimNode

ADDRESSES = {"node-1": "127.0.0.2", "node-2": "127.0.0.3"}


class Source:
    """A web server for disks, by path."""

    def __init__(self) -> None:
        self.disks: dict[str, bytes] = {}
        self.log: list[str] = []
        app = web.Application()
        app.router.add_get("/{name}", self._disk)
        self.server = TestServer(app)
        self.secure = TestServer(app, scheme="https")
        self.certificate, self._context = _localhost()
        """What has to be trusted for `secure` (PEM)."""

    async def _disk(self, request: web.Request) -> web.Response:
        self.log.append(request.path)
        if request.path not in self.disks:
            raise web.HTTPNotFound
        return web.Response(body=self.disks[request.path])

    async def start(self) -> None:
        """Both servers."""
        await self.server.start_server()
        await self.secure.start_server(ssl=self._context)

    async def close(self) -> None:
        await self.server.close()
        await self.secure.close()

    def url(self, path: str) -> str:
        """By plain http."""
        return str(self.server.make_url(path))

    def https(self, path: str) -> str:
        return f"https://localhost:{self.secure.port}{path}"


def _localhost() -> tuple[bytes, ssl.SSLContext]:
    now = datetime.now(UTC)
    by, signer = authority("test", now)
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = Leaf("localhost", "localhost", (ExtendedKeyUsageOID.SERVER_AUTH,), timedelta(hours=1))
    context = serving_context()
    material = Material(pem(by), b"", pem(signed(leaf, key.public_key(), by, signer, now)), key_pem(key))
    load(context, material)
    return pem(by), context


@asynccontextmanager
async def two_nodes(
    cloud: ApiServer, source: Source, directory: Path, **images: object
) -> AsyncIterator[dict[str, tuple[SimNode, Agent]]]:
    """Both, at work; `images` are fields of that part of orlop-config."""
    allowed = [f"127.0.0.1:{source.server.port}", f"localhost:{source.secure.port}"]
    config = OrlopConfig.model_validate(
        {"images": {"allowedPrivateHosts": allowed, **images}, "node": {"vcpuRatio": 64}}
    )
    made: dict[str, tuple[SimNode, Agent]] = {}
    async with AsyncExitStack() as stack:
        for name, address in ADDRESSES.items():
            access = yaml.safe_load(cloud.kubeconfig.read_text())
            access["users"][0]["user"] = {"token": await node_token(cloud, name)}
            path = directory / f"{name}.kubeconfig"
            path.write_text(yaml.safe_dump(access))
            node = SimNode(name, directory / name, path, config, address)
            made[name] = node, await stack.enter_async_context(node.agent())
        yield made
