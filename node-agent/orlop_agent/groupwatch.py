"""What SecurityGroups say, told to the node's networks: a watch on each namespace of which some are in force here."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Protocol

import structlog
from pydantic import ValidationError

from orlop_agent.api import backoff
from orlop_agent.api.client import Client
from orlop_agent.api.http import Body
from orlop_agent.api.watch import Changed, Gone, Listed
from orlop_agent.network.errors import NetworkError
from orlop_api.security_group import SecurityGroup

_log = structlog.get_logger()


class Guarded(Protocol):
    """What is told. NetworkError."""

    async def set_groups(self, namespace: str, groups: Mapping[str, SecurityGroup]) -> None: ...
    def forget_groups(self, namespace: str) -> None: ...


class GroupWatch:
    """Follows the SecurityGroups of namespaces on behalf of Networks."""

    def __init__(self, networks: Guarded, client: Client) -> None:
        self._networks = networks
        self._client = client
        self._users: dict[str, set[str]] = {}
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._told: dict[str, asyncio.Event] = {}

    def use(self, network_uid: str, namespaces: Collection[str]) -> None:
        """Follow these on behalf of the Network, and no others."""
        for namespace in namespaces:
            self._users.setdefault(namespace, set()).add(network_uid)
            if namespace not in self._watches:
                self._told[namespace] = asyncio.Event()
                self._watches[namespace] = asyncio.create_task(
                    self._follow(namespace), name=f"groups of {namespace}"
                )
        for namespace in [name for name in self._users if name not in namespaces]:
            self._users[namespace].discard(network_uid)
            if not self._users[namespace]:
                del self._users[namespace]
                del self._told[namespace]
                self._watches.pop(namespace).cancel()

    async def told(self, network_uid: str) -> None:
        """Returns when the node's networks know the SecurityGroups of all that is followed for the Network."""
        waited = [self._told[namespace] for namespace, users in self._users.items() if network_uid in users]
        for event in waited:
            await event.wait()

    async def close(self) -> None:
        """End the watches."""
        for task in self._watches.values():
            task.cancel()
        await asyncio.gather(*self._watches.values(), return_exceptions=True)
        self._watches.clear()

    async def _follow(self, namespace: str) -> None:
        waits = backoff.delays(first=1.0)
        while True:
            try:
                await self._watch(namespace)
            except Exception:  # noqa: BLE001 - told in full, and begun anew: guests go on by the last rules known
                _log.exception("network.bug", namespace=namespace)
            await asyncio.sleep(next(waits))

    async def _watch(self, namespace: str) -> None:
        """From a list of the SecurityGroups on."""
        groups: dict[str, SecurityGroup] = {}
        changed = asyncio.Event()
        setter = asyncio.create_task(self._set(namespace, groups, changed))
        try:
            async for event in self._client.watch_groups(namespace):
                match event:
                    case Listed(objects):
                        listed = {str(each["metadata"]["uid"]): each for each in objects}
                        for uid in groups.keys() - listed.keys():
                            del groups[uid]
                        for found in objects:
                            groups.update(_group(found))
                    case Changed(found):
                        groups.update(_group(found))
                    case Gone(found):
                        groups.pop(found["metadata"]["uid"], None)
                changed.set()
        finally:
            setter.cancel()
            with suppress(asyncio.CancelledError):
                await setter
            if namespace not in self._watches:
                self._networks.forget_groups(namespace)

    async def _set(self, namespace: str, groups: dict[str, SecurityGroup], changed: asyncio.Event) -> None:
        """Many changes in a row are one to the kernel."""
        waits = backoff.delays(first=1.0)
        while True:
            await changed.wait()
            changed.clear()
            try:
                await self._networks.set_groups(namespace, dict(groups))
            except NetworkError as error:
                _log.warning("network.groups", namespace=namespace, reason=error.reason, error=error.message)
            except Exception:  # noqa: BLE001 - told in full, and tried again
                _log.exception("network.bug", namespace=namespace)
            else:
                self._heard(namespace)
                waits = backoff.delays(first=1.0)
                continue
            # What is known is known, also where it could not be had in force everywhere.
            self._heard(namespace)
            changed.set()
            await asyncio.sleep(next(waits))

    def _heard(self, namespace: str) -> None:
        if namespace in self._told:
            self._told[namespace].set()


def _group(found: Body) -> dict[str, SecurityGroup]:
    """The SecurityGroup by its uid; nothing for one that cannot be read: what was known of it stays."""
    try:
        group = SecurityGroup.model_validate(found)
    except ValidationError as error:
        _log.error("network.group", group=found.get("metadata", {}).get("name"), error=str(error))
        return {}
    return {group.metadata.uid: group}
