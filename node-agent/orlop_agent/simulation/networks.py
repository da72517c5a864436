"""Networks of a simulated node: who has NICs where, and what the agent has told of each; fails on order, for tests."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence

from orlop_agent.network.book import Book
from orlop_agent.network.counts import Counts
from orlop_agent.network.errors import NetworkError
from orlop_agent.network.routers import Unrouted
from orlop_agent.simulation.latencies import Latencies, take
from orlop_api.assignment import AssignedNic
from orlop_api.floating_ip import FloatingIP
from orlop_api.router import Router
from orlop_api.security_group import SecurityGroup

_RESYNCS = 16
_AT_ONCE = Latencies()


class SimulatedNetworks:
    """Notes, and no link or rule."""

    def __init__(self, latencies: Latencies = _AT_ONCE) -> None:
        self._latencies = latencies
        self.prepared: dict[str, list[str]] = {}
        self.plugged: set[str] = set()
        self.peers: dict[str, Book] = {}
        self.groups: dict[str, list[str]] = {}
        self.routers: dict[str, list[str]] = {}
        self.resynced: list[set[str]] = []
        """Instances that were wanted, at the last few resyncs."""
        self.untouched: set[str] = set()
        """At the last resync."""
        self.fail: set[str] = set()
        """Names of calls that fail once."""
        self.taps: set[str] = set()
        self.wrong_routers: list[Unrouted] = []
        self.changed: Callable[[], None] = lambda: None

    def tap_name(self, instance_uid: str, nic_name: str) -> str:
        """As `names.tap` makes them: short, and of one NIC alone."""
        return "tap" + hashlib.sha256(f"{instance_uid}/{nic_name}".encode()).hexdigest()[:11]

    async def prepare(self, instance_uid: str, hostname: str, nics: Sequence[AssignedNic]) -> None:  # noqa: ARG002
        self._perhaps("prepare")
        await take(self._latencies.network)
        there = self.prepared.get(instance_uid, [])
        self.prepared[instance_uid] = [*there, *(nic.name for nic in nics if nic.name not in there)]
        self.taps |= {self.tap_name(instance_uid, nic.name) for nic in nics}

    async def plug(self, instance_uid: str, nics: Sequence[AssignedNic]) -> None:  # noqa: ARG002
        self._perhaps("plug")
        self.plugged.add(instance_uid)

    async def detach(self, instance_uid: str, nic_name: str | None = None) -> None:
        self._perhaps("detach")
        had = self.prepared.get(instance_uid, [])
        left = [name for name in had if name != nic_name]
        if nic_name is not None and left:
            self.prepared[instance_uid] = left
            self.taps.discard(self.tap_name(instance_uid, nic_name))
            return
        self.prepared.pop(instance_uid, None)
        self.plugged.discard(instance_uid)

    async def counts(self) -> list[Counts]:
        return []

    def unrouted(self) -> Sequence[Unrouted]:
        return self.wrong_routers

    def listen(self, changed: Callable[[], None]) -> None:
        self.changed = changed

    async def set_peers(self, network_uid: str, book: Book) -> None:
        self.peers[network_uid] = book

    def forget_peers(self, network_uid: str) -> None:
        self.peers.pop(network_uid, None)

    async def set_groups(self, namespace: str, groups: Mapping[str, SecurityGroup]) -> None:
        self.groups[namespace] = sorted(group.metadata.name for group in groups.values())

    def forget_groups(self, namespace: str) -> None:
        self.groups.pop(namespace, None)

    async def set_floating_ips(self, namespace: str, known: Collection[FloatingIP]) -> None:
        """Nothing is announced."""

    def forget_floating_ips(self, namespace: str) -> None:
        """Nothing is kept."""

    async def set_routers(self, namespace: str, routers: Collection[Router]) -> None:
        self.routers[namespace] = sorted(router.metadata.name for router in routers)

    def forget_routers(self, namespace: str) -> None:
        self.routers.pop(namespace, None)

    async def resync(
        self, wanted: Mapping[str, tuple[str, Sequence[AssignedNic]]], untouched: Collection[str] = ()
    ) -> None:
        self.resynced.append(set(wanted))
        del self.resynced[:-_RESYNCS]
        self.untouched = set(untouched)

    def _perhaps(self, call: str) -> None:
        if call in self.fail:
            self.fail.remove(call)
            raise NetworkError("Broken", f"{call} was made to fail")
