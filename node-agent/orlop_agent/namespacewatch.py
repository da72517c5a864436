"""Objects of one kind, told to the node's networks: a watch on each namespace of which some concern it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import suppress
from typing import Any, Generic, TypeVar

import structlog
from pydantic import ValidationError

from orlop_agent.api import backoff
from orlop_agent.api.http import Body
from orlop_agent.api.watch import Changed, Event, Gone, Listed
from orlop_agent.network.errors import NetworkError

_log = structlog.get_logger()


M = TypeVar("M", bound=Any)


class NamespaceWatch(Generic[M]):
    """Follows the objects of namespaces on behalf of Networks."""

    def __init__(self, model: type[M]) -> None:
        self._model = model
        self._what = model.__name__.lower()
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
                    self._follow(namespace), name=f"{self._what}s of {namespace}"
                )
        for namespace in [name for name in self._users if name not in namespaces]:
            self._users[namespace].discard(network_uid)
            if not self._users[namespace]:
                del self._users[namespace]
                del self._told[namespace]
                self._watches.pop(namespace).cancel()

    async def told(self, network_uid: str) -> None:
        """Returns when the node's networks know the objects of all that is followed for the Network."""
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
        """From a list of the objects on."""
        known: dict[str, M] = {}
        changed = asyncio.Event()
        setter = asyncio.create_task(self._set(namespace, known, changed))
        try:
            async for event in self._events(namespace):
                match event:
                    case Listed(objects):
                        listed = {str(each["metadata"]["uid"]): each for each in objects}
                        for uid in known.keys() - listed.keys():
                            del known[uid]
                        for found in objects:
                            known.update(self._read(found))
                    case Changed(found):
                        known.update(self._read(found))
                    case Gone(found):
                        known.pop(found["metadata"]["uid"], None)
                changed.set()
        finally:
            setter.cancel()
            with suppress(asyncio.CancelledError):
                await setter
            if namespace not in self._watches:
                self._forget(namespace)

    async def _set(self, namespace: str, known: dict[str, M], changed: asyncio.Event) -> None:
        """Many changes in a row are one to the kernel."""
        waits = backoff.delays(first=1.0)
        while True:
            await changed.wait()
            changed.clear()
            try:
                await self._tell(namespace, dict(known))
            except NetworkError as error:
                _log.warning(
                    f"network.{self._what}s", namespace=namespace, reason=error.reason, error=error.message
                )
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

    def _read(self, found: Body) -> dict[str, M]:
        """The object by its uid; nothing for one that cannot be read: what was known of it stays."""
        try:
            thing = self._model.model_validate(found)
        except ValidationError as error:
            _log.error(f"network.{self._what}", name=found.get("metadata", {}).get("name"), error=str(error))
            return {}
        return {thing.metadata.uid: thing}

    def _events(self, namespace: str) -> AsyncIterator[Event]:
        raise NotImplementedError

    async def _tell(self, namespace: str, known: Mapping[str, M]) -> None:
        """Have the node's networks know all of the namespace, by uid. Raises NetworkError."""
        raise NotImplementedError

    def _forget(self, namespace: str) -> None:
        """Nobody follows the namespace any more."""
        raise NotImplementedError
