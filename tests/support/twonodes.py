"""Two nodes with real agents in this process, and a source of images with a log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer

from orlop_agent.agent import Agent
from orlop_api.config import OrlopConfig
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

    async def _disk(self, request: web.Request) -> web.Response:
        self.log.append(request.path)
        if request.path not in self.disks:
            raise web.HTTPNotFound
        return web.Response(body=self.disks[request.path])

    def url(self, path: str) -> str:
        return str(self.server.make_url(path))


@asynccontextmanager
async def two_nodes(
    cloud: ApiServer, source: Source, directory: Path, **images: object
) -> AsyncIterator[dict[str, tuple[SimNode, Agent]]]:
    """Both, at work; `images` are fields of that part of orlop-config."""
    allowed = [f"127.0.0.1:{source.server.port}"]
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
