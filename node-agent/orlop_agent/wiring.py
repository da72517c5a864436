"""An Instance's NICs, and where the other Ports of its Networks are: unicast entries come from nowhere else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

import structlog
from pydantic import ValidationError

from orlop_agent.api import backoff
from orlop_agent.api.client import Client
from orlop_agent.api.http import Body
from orlop_agent.api.watch import Changed, Gone
from orlop_agent.floatingwatch import Floated, FloatingWatch
from orlop_agent.groupwatch import GroupWatch, Guarded
from orlop_agent.network.book import Book
from orlop_agent.network.counts import Counts
from orlop_agent.network.errors import NetworkError
from orlop_agent.network.facts import Key
from orlop_agent.network.groups import UNKNOWN
from orlop_agent.network.routers import Unrouted
from orlop_agent.routerwatch import Routed, RouterWatch
from orlop_api.assignment import AssignedNic
from orlop_api.port import Port

_log = structlog.get_logger()


_PATIENCE = 10.0
"""Seconds that a NIC waits for what the API server says of its Network, before its Instance says so."""


_ROUTERS = "routers"
"""Stands beside uids of Instances for who uses a Network."""


class Networks(Guarded, Routed, Floated, Protocol):
    """What the agent needs of the node's networks; every call can be repeated. NetworkError."""

    async def prepare(self, instance_uid: str, hostname: str, nics: Sequence[AssignedNic]) -> None: ...
    async def plug(self, instance_uid: str, nics: Sequence[AssignedNic]) -> None: ...
    async def detach(self, instance_uid: str, nic_name: str | None = None) -> None: ...
    async def set_peers(self, network_uid: str, book: Book) -> None: ...
    def forget_peers(self, network_uid: str) -> None: ...
    async def resync(
        self, wanted: Mapping[str, tuple[str, Sequence[AssignedNic]]], untouched: Collection[str] = ()
    ) -> None: ...
    async def counts(self) -> list[Counts]: ...
    def unrouted(self) -> Sequence[Unrouted]: ...
    def listen(self, changed: Callable[[], None]) -> None: ...


class Wiring:
    """The node's networks, with a watch on the Ports of each Network that is in use here."""

    def __init__(self, networks: Networks, client: Client) -> None:
        self._networks = networks
        self._client = client
        self._users: dict[str, set[str]] = {}
        self._watches: dict[str, asyncio.Task[None]] = {}
        self._told: dict[str, asyncio.Event] = {}
        self._groups = GroupWatch(networks, client)
        self._routers = RouterWatch(networks, client, self._follow_joined)
        self._floating = FloatingWatch(networks, client)
        self._homes: dict[str, set[str]] = {}
        """Namespaces of SecurityGroups that are, or were, in force on a Network."""

    async def prepare(self, instance_uid: str, hostname: str, nics: Sequence[AssignedNic]) -> None:
        """Make what the NICs need, up to their taps in the node's own namespace."""
        self.use(instance_uid, nics)
        if nics:
            await self._learn(nics)
            await self._networks.prepare(instance_uid, hostname, nics)

    async def plug(self, instance_uid: str, nics: Sequence[AssignedNic]) -> None:
        """Move the taps of a paused domain to their Networks and set them up."""
        if nics:
            await self._networks.plug(instance_uid, nics)

    async def detach(self, instance_uid: str) -> None:
        """Remove what the Instance had, and Networks that nobody here uses any more."""
        self.use(instance_uid, ())
        await self._networks.detach(instance_uid)

    async def add(
        self, instance_uid: str, hostname: str, nics: Sequence[AssignedNic], new: AssignedNic
    ) -> None:
        """Make what a NIC needs that joins others; `nics` are all of them."""
        self.use(instance_uid, nics)
        await self._learn([new])
        await self._networks.prepare(instance_uid, hostname, [new])

    async def drop(self, instance_uid: str, old: AssignedNic) -> None:
        """Remove what one NIC had, and its Network where nobody here uses it any more."""
        await self._networks.detach(instance_uid, old.name)

    async def resync(
        self, wanted: Mapping[str, tuple[str, Sequence[AssignedNic]]], untouched: Collection[str] = ()
    ) -> None:
        """Repair what is missing and remove what nobody wants; untouched Instances keep what they have."""
        # Before anything is waited for: NICs may come and go meanwhile.
        for instance_uid, (_, nics) in wanted.items():
            self.use(instance_uid, nics)
        await self._networks.resync(wanted, untouched)

    def use(self, instance_uid: str, nics: Sequence[AssignedNic]) -> None:
        """Follow the Ports of these Networks on behalf of the Instance, and of no others."""
        self._use(instance_uid, {nic.network_uid for nic in nics})
        for nic in nics:
            if nic.network_namespace is not None:
                self._routers.use(nic.network_uid, {nic.network_namespace})
                self._floating.use(nic.network_uid, {nic.network_namespace})
            if nic.security is not None and nic.security.groups:
                self._guarded_by(nic.network_uid, {nic.security.namespace})
        self._follow_joined()

    def _follow_joined(self) -> None:
        """And of Networks that are here because a Router joins them with one that an Instance is on."""
        used = {network_uid for network_uid, users in self._users.items() if users != {_ROUTERS}}
        self._use(_ROUTERS, self._routers.joined(used))

    def _use(self, user: str, wanted: Collection[str]) -> None:
        for network_uid in wanted:
            self._users.setdefault(network_uid, set()).add(user)
            if network_uid not in self._watches:
                self._told[network_uid] = asyncio.Event()
                self._watches[network_uid] = asyncio.create_task(
                    self._follow(network_uid), name=f"ports of {network_uid}"
                )
        for network_uid in [uid for uid, users in self._users.items() if uid not in wanted]:
            self._users[network_uid].discard(user)
            if self._users[network_uid] <= {_ROUTERS}:
                self._routers.use(network_uid, ())
                self._floating.use(network_uid, ())
            if not self._users[network_uid]:
                del self._users[network_uid]
                del self._told[network_uid]
                self._watches.pop(network_uid).cancel()
                self._homes.pop(network_uid, None)
                self._groups.use(network_uid, ())

    def _guarded_by(self, network_uid: str, namespaces: set[str]) -> None:
        """Follow their SecurityGroups for as long as the Network is in use here."""
        known = self._homes.setdefault(network_uid, set())
        if not namespaces <= known:
            known |= namespaces
            self._groups.use(network_uid, known)

    async def close(self) -> None:
        """End the watches."""
        for task in self._watches.values():
            task.cancel()
        await asyncio.gather(*self._watches.values(), return_exceptions=True)
        self._watches.clear()
        await self._groups.close()
        await self._routers.close()
        await self._floating.close()

    async def _learn(self, nics: Sequence[AssignedNic]) -> None:
        """Until it is known which SecurityGroups are in force, and what they say. Raises NetworkError."""
        try:
            async with asyncio.timeout(_PATIENCE):
                told = {nic.network_uid: self._told[nic.network_uid] for nic in nics}
                for network_uid, event in told.items():
                    await event.wait()
                    await self._groups.told(network_uid)
        except TimeoutError as error:
            raise NetworkError("SecurityGroupsUnknown", UNKNOWN) from error

    async def _follow(self, network_uid: str) -> None:
        """Keep the Network's unicast entries as its Ports say, until nobody here uses it."""
        waits = backoff.delays(first=1.0)
        while True:
            try:
                await self._watch(network_uid)
            except Exception:  # noqa: BLE001 - told in full, and begun anew: guests must not lose their peers for good
                _log.exception("network.bug", network=network_uid)
            await asyncio.sleep(next(waits))

    async def _watch(self, network_uid: str) -> None:
        """From a list of the Ports on."""
        book = Book()
        changed = asyncio.Event()
        setter = asyncio.create_task(self._set(network_uid, book, changed))
        try:
            async for event in self._client.watch_ports(network_uid):
                if isinstance(event, Gone):
                    book.remove(_key(event.object))
                elif isinstance(event, Changed):
                    port = _port(event.object)
                    if port is not None:
                        book.put(port)
                else:
                    book.replace(port for each in event.objects if (port := _port(each)) is not None)
                # Once somebody is guarded by a namespace, it is followed for as long as the Network is here.
                self._guarded_by(network_uid, set(book.homes))
                changed.set()
        finally:
            setter.cancel()
            with suppress(asyncio.CancelledError):
                await setter
            if network_uid not in self._watches:
                self._networks.forget_peers(network_uid)

    async def _set(self, network_uid: str, book: Book, changed: asyncio.Event) -> None:
        """Many changes in a row are one to the kernel."""
        waits = backoff.delays(first=1.0)
        while True:
            await changed.wait()
            changed.clear()
            try:
                try:
                    await self._networks.set_peers(network_uid, book)
                finally:
                    if network_uid in self._told:
                        self._told[network_uid].set()
            except NetworkError as error:
                _log.warning("network.peers", network=network_uid, reason=error.reason, error=error.message)
            except Exception:  # noqa: BLE001 - told in full, and tried again
                _log.exception("network.bug", network=network_uid)
            else:
                waits = backoff.delays(first=1.0)
                continue
            changed.set()
            await asyncio.sleep(next(waits))


def _key(found: Body) -> Key:
    return found["metadata"]["namespace"], found["metadata"]["name"]


def _port(found: Body) -> Port | None:
    """None for one that cannot be read, which must not cost the others their peers."""
    try:
        return Port.model_validate(found)
    except ValidationError as error:
        _log.error("network.port", port=found.get("metadata", {}).get("name"), error=str(error))
        return None
