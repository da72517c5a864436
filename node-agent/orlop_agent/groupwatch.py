"""What SecurityGroups say, told to the node's networks: a watch on each namespace of which some are in force here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Protocol

from orlop_agent.api.client import Client
from orlop_agent.api.watch import Event
from orlop_agent.namespacewatch import NamespaceWatch
from orlop_api.security_group import SecurityGroup


class Guarded(Protocol):
    """What is told. NetworkError."""

    async def set_groups(self, namespace: str, groups: Mapping[str, SecurityGroup]) -> None: ...
    def forget_groups(self, namespace: str) -> None: ...


class GroupWatch(NamespaceWatch[SecurityGroup]):
    """Follows the SecurityGroups of namespaces on behalf of Networks."""

    def __init__(self, networks: Guarded, client: Client) -> None:
        super().__init__(SecurityGroup)
        self._networks = networks
        self._client = client

    def _events(self, namespace: str) -> AsyncIterator[Event]:
        return self._client.watch_groups(namespace)

    async def _tell(self, namespace: str, known: Mapping[str, SecurityGroup]) -> None:
        await self._networks.set_groups(namespace, known)

    def _forget(self, namespace: str) -> None:
        self._networks.forget_groups(namespace)
