"""Which Networks Routers join, told to the node's networks: a watch on each namespace that has a Network here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Mapping
from typing import Protocol

from orlop_agent.api.client import Client
from orlop_agent.api.watch import Event
from orlop_agent.namespacewatch import NamespaceWatch
from orlop_api.router import Router


class Routed(Protocol):
    """What is told. NetworkError."""

    async def set_routers(self, namespace: str, routers: Collection[Router]) -> None: ...
    def forget_routers(self, namespace: str) -> None: ...


class RouterWatch(NamespaceWatch[Router]):
    """Follows the Routers of namespaces on behalf of Networks; `changed` is called before anything is done."""

    def __init__(self, networks: Routed, client: Client, changed: Callable[[], None]) -> None:
        super().__init__(Router)
        self._networks = networks
        self._client = client
        self._changed = changed
        self._routers: dict[str, Mapping[str, Router]] = {}

    def joined(self, network_uids: Collection[str]) -> set[str]:
        """Networks that a Router joins with one of these, these among them where it does."""
        found: set[str] = set()
        for router in (router for known in self._routers.values() for router in known.values()):
            whole = {each.network_uid for each in router.status.networks} if router.status else set()
            found |= whole if whole.intersection(network_uids) else set()
        return found

    def _events(self, namespace: str) -> AsyncIterator[Event]:
        return self._client.watch_routers(namespace)

    async def _tell(self, namespace: str, known: Mapping[str, Router]) -> None:
        self._routers[namespace] = known
        self._changed()
        await self._networks.set_routers(namespace, list(known.values()))

    def _forget(self, namespace: str) -> None:
        self._routers.pop(namespace, None)
        self._networks.forget_routers(namespace)
