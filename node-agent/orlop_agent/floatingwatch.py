"""Which addresses lead to which Ports, told to the node's networks: a watch on each namespace with a Network here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping
from typing import Protocol

from orlop_agent.api.client import Client
from orlop_agent.api.watch import Event
from orlop_agent.namespacewatch import NamespaceWatch
from orlop_api.floating_ip import FloatingIP


class Floated(Protocol):
    """What is told. NetworkError."""

    async def set_floating_ips(self, namespace: str, known: Collection[FloatingIP]) -> None: ...
    def forget_floating_ips(self, namespace: str) -> None: ...


class FloatingWatch(NamespaceWatch[FloatingIP]):
    """Follows the FloatingIPs of namespaces on behalf of Networks."""

    def __init__(self, networks: Floated, client: Client) -> None:
        super().__init__(FloatingIP)
        self._networks = networks
        self._client = client

    def _events(self, namespace: str) -> AsyncIterator[Event]:
        return self._client.watch_floating_ips(namespace)

    async def _tell(self, namespace: str, known: Mapping[str, FloatingIP]) -> None:
        await self._networks.set_floating_ips(namespace, list(known.values()))

    def _forget(self, namespace: str) -> None:
        self._networks.forget_floating_ips(namespace)
