"""The agent's door to the Networks of its node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from weakref import WeakValueDictionary

from orlop_agent.metadata.service import Metadata
from orlop_agent.network import counts, found, groups, links, names
from orlop_agent.network.book import NOTHING, Book
from orlop_agent.network.counts import Counts
from orlop_agent.network.errors import NetworkError
from orlop_agent.network.floats import FloatingIPs
from orlop_agent.network.node import Node
from orlop_agent.network.presence import Presence
from orlop_agent.network.routers import Routers, Unrouted
from orlop_agent.network.segment import Attachment
from orlop_agent.network.surroundings import surroundings
from orlop_agent.together import together
from orlop_api.assignment import AssignedNic
from orlop_api.floating_ip import FloatingIP
from orlop_api.router import Router
from orlop_api.security_group import SecurityGroup


class Networks:
    """Everything that guests' NICs need on this node; each call can be repeated, also after a failure.

    Calls for different Networks go on side by side, calls for one wait for each other. `node_shell` is put
    before every command, so that it runs where the node sees its own network and mounts.
    Without `systemd` DHCP and name servers are daemons of their own.
    """

    def __init__(
        self,
        host_ip: str,
        host_interface: str | None = None,
        *,
        run_dir: Path = Path("/run/orlop"),
        netns_dir: Path = Path("/run/netns"),
        node_shell: Sequence[str] = (),
        systemd: bool = True,
        metadata: Metadata | None = None,
        physical_networks: Mapping[str, str] | None = None,
        node_namespace: Path = Path("/proc/1/ns/net"),
    ) -> None:
        self._node = Node(node_shell, netns_dir, systemd=systemd)
        interfaces = physical_networks or {}
        self._around = surroundings(
            self._node, run_dir / "net", host_ip, host_interface, metadata, interfaces, systemd=systemd
        )
        self._present: dict[int, Presence] | None = None
        self._locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        """A lock is there as long as somebody has it or waits for it."""
        self._books: dict[str, Book] = {}
        self._groups: dict[str, groups.Known] = {}
        self._routers = Routers(self._around, self._each, self._tell)
        self._floating = FloatingIPs(self._around, self._each, node_namespace)
        self._prepared: set[str] = set()
        """Instances since the last resync began: what it was told may be older than they are."""
        self._removed: set[str] = set()
        """Taps that were taken away, and that a resync may still be told of."""

    @staticmethod
    def tap_name(instance_uid: str, nic_name: str) -> str:
        """The interface to name in the domain's description."""
        return names.tap(instance_uid, nic_name)

    async def prepare(self, instance_uid: str, hostname: str, nics: Sequence[AssignedNic]) -> None:
        """Makes what the NICs need, up to their taps in the node's own namespace; those that a guest has open
        stay as they are. Raises NetworkError.
        """
        self._prepared.add(instance_uid)
        attachments = [Attachment.of(instance_uid, hostname, nic) for nic in nics]
        self._removed.difference_update(each.tap for each in attachments)

        async def add(presence: Presence) -> None:
            mine = [each for each in attachments if each.nic.segment_id == presence.segment_id]
            self._tell(presence, mine)
            await presence.add(mine)

        segments = {int(nic.segment_id) for nic in nics}
        await self._each(segments, add)
        await self._settle(segments)

    async def plug(self, instance_uid: str, nics: Sequence[AssignedNic]) -> None:
        """Moves the taps of a paused domain to their Networks and sets them up. Raises NetworkError."""

        async def plug(presence: Presence) -> None:
            here = (nic for nic in nics if nic.segment_id == presence.segment_id)
            await presence.plug([names.tap(instance_uid, nic.name) for nic in here])

        await self._each({int(nic.segment_id) for nic in nics}, plug)

    async def detach(self, instance_uid: str, nic_name: str | None = None) -> None:
        """Removes what the Instance had, or one NIC, and Networks that nobody uses any more. Raises NetworkError."""

        def of(presence: Presence) -> list[Attachment]:
            mine = (each for each in presence.attachments.values() if each.instance_uid == instance_uid)
            return [each for each in mine if nic_name in {None, each.nic.name}]

        async def remove(presence: Presence) -> None:
            mine = of(presence)
            self._removed.update(each.tap for each in mine)
            if mine:
                await presence.remove(mine)

        segments = [segment_id for segment_id, p in self._known().items() if of(p)]
        await self._each(segments, remove)
        await self._settle(segments)

    async def set_peers(self, network_uid: str, book: Book) -> None:
        """Makes the Ports on other nodes reachable, and forgets all others. Raises NetworkError.

        Told before the Network is here, it holds from when it is. The same book again means: look at what changed.
        """
        self._books[network_uid] = book

        async def forward(presence: Presence) -> None:
            if not presence.needed:
                return
            self._tell(presence)
            try:
                await presence.forward(self._books.get(network_uid, NOTHING))
            finally:
                await presence.secure()

        known = {segment_id: p for segment_id, p in self._known().items() if p.needed}
        where = [s for s, p in known.items() if p.segment.network_uid == network_uid]
        await self._each(where, forward)
        # Its Ports may be members of what is allowed on Networks that a Router joins with it.
        beside = [s for s, p in known.items() if p.place is not None and network_uid in p.place.others]
        await self._each(beside, self._secure)

    async def set_routers(self, namespace: str, routers: Collection[Router]) -> None:
        """Has Networks joined as these say, all of the namespace, and none otherwise. Raises NetworkError.

        Told before a Network is here, it holds from when it is.
        """
        self._routers.told[namespace] = routers
        await self._routers.keep(self._known())
        self._routers.check(namespace=namespace)

    def forget_routers(self, namespace: str) -> None:
        """Nobody tells of this namespace's Routers any more."""
        self._routers.told.pop(namespace, None)

    def unrouted(self) -> Sequence[Unrouted]:
        """Routers that cannot be had here as they shall be, as of the last look."""
        return self._routers.unrouted

    def listen(self, changed: Callable[[], None]) -> None:
        """Calls `changed` whenever that is another answer."""
        self._routers.changed = changed

    async def set_floating_ips(self, namespace: str, known: Collection[FloatingIP]) -> None:
        """Has these addresses lead to their NICs here, all of the namespace, and no others. Raises NetworkError."""
        self._floating.told[namespace] = known
        await self._floating.keep(self._known())

    def forget_floating_ips(self, namespace: str) -> None:
        """Nobody tells of this namespace's FloatingIPs any more."""
        self._floating.told.pop(namespace, None)

    async def set_groups(self, namespace: str, known: Mapping[str, SecurityGroup]) -> None:
        """Has in force what these say, all of the namespace by uid, on its Networks here. Raises NetworkError.

        Told before a Network is here, it holds from when it is.
        """
        self._groups[namespace] = groups.Known.of(known)
        await self._each(list(self._known()), self._secure)

    async def _secure(self, presence: Presence) -> None:
        if presence.attachments:
            self._tell(presence)
            await presence.secure()

    async def counts(self) -> list[Counts]:
        """What was counted on each Network here; one that is just being made or taken away is left out."""
        # Nobody is waited for here: what is done to a Network may take long, and only looking is no harm.
        here = self._node.namespaces()
        known = self._known().items()
        present = [(s, list(p.attachments.values()), p.book or NOTHING) for s, p in known]
        looks = [await counts.read_if_there(self._node, *each) for each in present if each[0] in here]
        return [counted for counted in looks if counted is not None]

    def forget_groups(self, namespace: str) -> None:
        """Nobody tells of this namespace's SecurityGroups any more."""
        self._groups.pop(namespace, None)

    def _tell(self, presence: Presence, new: Collection[Attachment] = ()) -> None:
        """What is known of a Network by now; what it knew before it keeps."""
        attachments = new or presence.attachments.values()
        if not new and not presence.needed:
            return
        network_uid = next(iter(new)).nic.network_uid if new else presence.segment.network_uid
        presence.book = self._books.get(network_uid, presence.book)
        beside = presence.place.others if presence.place is not None else frozenset()
        if beside <= self._books.keys():
            presence.others = [self._books[uid] for uid in sorted(beside)]
        homes = groups.homes(attachments, presence.book or NOTHING)
        if homes and homes <= self._groups.keys():
            presence.groups = groups.Known.together([self._groups[home] for home in sorted(homes)])

    def forget_peers(self, network_uid: str) -> None:
        """Nobody tells of this Network's Ports any more."""
        self._books.pop(network_uid, None)

    async def resync(
        self, wanted: Mapping[str, tuple[str, Sequence[AssignedNic]]], untouched: Collection[str] = ()
    ) -> None:
        """Repairs what is missing and removes what nobody wants; foreign things stay. Raises NetworkError.

        It makes no taps: a guest that runs has its own open, and one that shall run is prepared. Instances
        that are prepared while it works are left alone, whatever `wanted` says, and so are `untouched` ones.
        """
        self._prepared = set(untouched)
        keep: dict[str, Attachment] = {}
        wrong: list[NetworkError] = []
        for uid, (hostname, nics) in wanted.items():
            try:
                keep |= {each.tap: each for each in (Attachment.of(uid, hostname, nic) for nic in nics)}
            except NetworkError as error:
                # Left as it is, and told in the end: one bad order must not stop the others' repair.
                self._prepared.add(uid)
                wrong.append(error)

        # What was removed and is wanted: it was asked for before, and the journal did not know yet.
        self._removed &= keep.keys()

        async def repair(presence: Presence) -> None:
            unwanted = [
                each
                for tap, each in presence.attachments.items()
                if tap not in keep and each.instance_uid not in self._prepared
            ]
            if unwanted:
                await presence.remove(unwanted)
            here = (each for each in keep.values() if each.nic.segment_id == presence.segment_id)
            mine = [each for each in here if each.tap not in self._removed]
            if mine:
                self._tell(presence, mine)
            await presence.repair(mine)

        segments = {int(each.nic.segment_id) for each in keep.values()}
        await self._each(segments | self._known().keys() | self._node.namespaces(), repair)
        async with self._around.lock:
            present = self._known().values()
            owned = {name for p in present for name in (*p.attachments, *names.on_node(p.segment_id))}
            await self._node.ip(links.remove(await found.marked(self._node) - owned))
        await self._settle(sweep=True)
        if wrong:
            raise wrong[0]

    async def _settle(self, segments: Collection[int] | None = None, *, sweep: bool = False) -> None:
        """What spans Networks, or the node, as it follows from who is here. Raises NetworkError of these Networks'."""
        await self._routers.keep(self._known(), sweep=sweep)
        await self._floating.keep(self._known(), sweep=sweep)
        self._routers.check(segments=segments)

    def _known(self) -> dict[int, Presence]:
        """The Networks that are here; at first as an earlier agent recorded them."""
        if self._present is None:
            self._present = {
                segment_id: Presence(segment_id, self._around, attachments)
                for segment_id, attachments in self._around.records.load().items()
            }
        return self._present

    async def _each(self, segments: Iterable[int], do: Callable[[Presence], Awaitable[None]]) -> None:
        """Does something in several Networks; one that fails does not stop the others."""

        async def one(segment_id: int) -> None:
            async with self._presence(segment_id) as presence:
                await do(presence)

        await together(*map(one, segments))

    @asynccontextmanager
    async def _presence(self, segment_id: int) -> AsyncIterator[Presence]:
        """A Network, for one at a time; forgotten when nothing of it is left."""
        present = self._known()
        async with self._locks.setdefault(segment_id, asyncio.Lock()):
            await self._node.mend(segment_id)
            if segment_id not in present:
                present[segment_id] = Presence(segment_id, self._around)
            presence = present[segment_id]
            await presence.servers.settle()
            try:
                yield presence
            finally:
                if not presence.needed:
                    present.pop(segment_id, None)
