"""Many simulated nodes: each is registered, and its agent has its own account's token and connections."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import structlog

from orlop_agent.api import backoff
from orlop_agent.api.client import Client
from orlop_agent.api.errors import ApiError, ConflictError, UnauthorizedError, UnavailableError
from orlop_agent.api.http import JSON, MERGE_PATCH, Http, connected
from orlop_agent.api.identity import Endpoint, FixedIdentity, NodeClaim, NodeIdentity, from_kubeconfig
from orlop_agent.paths import Layout
from orlop_agent.simulation.latencies import Latencies
from orlop_agent.simulation.node import Simulated, assembled
from orlop_api.capacity import Capacity
from orlop_api.hypervisor import HYPERVISOR_LABEL

LABEL = "orlop.dev/simulated"
_NODES = "/api/v1/nodes"
_AT_ONCE = 16
"""Nodes that are registered at the same time."""

_log = structlog.get_logger()


class NoTokenError(Exception):
    """The kubeconfig's user is no good here."""


class _AdministratorsMint(NodeIdentity):
    """Tokens of a node's own account, asked for by the administrator in place of a pod of that node."""

    def __init__(self, http: Http, administrator: str, node: NodeClaim) -> None:
        super().__init__(http, Path())
        self._administrator = administrator
        self._node = node

    async def _asks(self) -> tuple[str, NodeClaim]:
        return self._administrator, self._node


class Fleet:
    """Nodes by their numbers."""

    def __init__(self, kubeconfig: Path, directory: Path, capacity: Capacity, latencies: Latencies) -> None:
        """Raises NoTokenError where the kubeconfig's user has a certificate: all connections would be the user's."""
        self._endpoint, user = from_kubeconfig(kubeconfig)
        if not isinstance(user, FixedIdentity) or user.bearer is None:
            raise NoTokenError(f"{kubeconfig} has no token for its user, which simulated nodes need")
        self._administrator = user.bearer
        self._directory = directory
        self._capacity = capacity
        self._latencies = latencies
        self._registering = asyncio.Semaphore(_AT_ONCE)

    async def run(self, names: Sequence[str], working: asyncio.Event) -> None:
        """Be these nodes until cancelled; `working` is set when all agents run."""
        async with connected(self._endpoint.server, self._endpoint.tls) as http, asyncio.TaskGroup() as tasks:
            begun = [asyncio.Event() for _ in names]
            for number, name in enumerate(names):
                tasks.create_task(self._node(http, number, name, begun[number]), name=name)
            for each in begun:
                await each.wait()
            working.set()

    async def _node(self, http: Http, number: int, name: str, begun: asyncio.Event) -> None:
        async with AsyncExitStack() as stack:
            async with self._registering:
                own = await stack.enter_async_context(connected(*_of(self._endpoint)))
                identity = await self._account(http, own, name)
            layout = Layout(self._directory / name)
            layout.prepare()
            made = Simulated(name, _address(number), self._capacity, self._latencies)
            client = Client(own, identity, name)
            agent = await stack.enter_async_context(assembled(made, layout, client))
            begun.set()
            await agent.run()

    async def _account(self, http: Http, own: Http, name: str) -> NodeIdentity:
        """The node, registered, with its account's first token; a busy API server is asked again, as kubelets do."""
        waits = backoff.delays(first=1.0)
        while True:
            try:
                identity = _AdministratorsMint(own, self._administrator, await self._register(http, name))
                await identity.token()
            except UnauthorizedError:
                raise
            except UnavailableError as error:
                _log.info("fleet.busy", node=name, error=str(error))
                await asyncio.sleep(next(waits))
            else:
                return identity

    async def _register(self, http: Http, name: str) -> NodeClaim:
        """As a kubelet and an administrator would: a Node with the label, and without the taint of a new one."""
        labels = {HYPERVISOR_LABEL: "true", LABEL: "true", "kubernetes.io/hostname": name}
        body = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}
        try:
            await self._call(http, "POST", _NODES, body)
        except ConflictError:
            _log.info("fleet.known", node=name)
        path = f"{_NODES}/{name}"
        found = await self._call(http, "PATCH", path, {"spec": {"taints": None}}, content_type=MERGE_PATCH)
        return NodeClaim(name, str(found["metadata"]["uid"]))

    async def _call(
        self, http: Http, method: str, path: str, body: Any, content_type: str = JSON
    ) -> dict[str, Any]:
        try:
            return await http.call(method, path, body, token=self._administrator, content_type=content_type)
        except ApiError as error:
            if not isinstance(error, ConflictError | UnavailableError):
                _log.error("fleet.refused", error=str(error))
            raise


def names(prefix: str, count: int) -> list[str]:
    """Of so many nodes."""
    return [f"{prefix}-{number:04}" for number in range(1, count + 1)]


def _of(endpoint: Endpoint) -> tuple[str, Any]:
    return endpoint.server, endpoint.tls


def _address(number: int) -> str:
    """One of 198.18.0.0/15, which no network has (RFC 2544)."""
    return f"198.{18 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"
