"""One Network on this node, from its first NIC to its last."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from orlop_agent.network import carrier, crossing, firewall, found, links, names, resolver
from orlop_agent.network.book import Book
from orlop_agent.network.drops import forget
from orlop_agent.network.errors import NetworkError
from orlop_agent.network.groups import Known
from orlop_agent.network.guardian import Guardian
from orlop_agent.network.kernel import ipv6_on, settings
from orlop_agent.network.named import Names
from orlop_agent.network.reach import Reach
from orlop_agent.network.routing import Place, in_place
from orlop_agent.network.segment import Attachment, Segment
from orlop_agent.network.servers import Servers
from orlop_agent.network.shaper import Shaper
from orlop_agent.network.speakers import Speakers
from orlop_agent.network.surroundings import Surroundings
from orlop_agent.together import together


class Presence:
    """The caller sees to it that one call at a time is in progress."""

    def __init__(self, segment_id: int, around: Surroundings, known: Sequence[Attachment] = ()) -> None:
        self.segment_id = segment_id
        self.place = around.records.place(segment_id)
        """In its Router; with one the Network is here also where no NIC is."""
        self.others: Sequence[Book] | None = None
        """Ports of the Router's other Networks; None: nobody told yet."""
        self.attachments = {attachment.tap: attachment for attachment in known}
        self.book: Book | None = None
        """The Ports of the Network; None: nobody told yet."""
        self.groups: Known | None = None
        """SecurityGroups that may be in force on it; None: nobody told yet."""
        self._settled = self.place is None
        self._left: set[str] = set()  # Routers that it was in, and whose links may still be there.
        self.servers = Servers(around, segment_id)
        self._names = Names(around.dns, self.servers.dns_directory)
        self._guardian = Guardian(around.node, segment_id)
        self._speakers = Speakers(around.node, segment_id)
        self._shaper = Shaper(around.node, segment_id)
        self._reach = Reach(around, segment_id)
        self._around = around
        self._built = False

    @property
    def segment(self) -> Segment:
        """The Network, as any of its NICs tells it, or else its Router."""
        if not self.attachments and self.place is not None:
            return self.place.segment
        return in_place(next(iter(self.attachments.values())).segment, self.place)

    @property
    def needed(self) -> bool:
        """Whether anybody here needs it."""
        return bool(self.attachments) or self.place is not None

    def is_settled(self, place: Place | None) -> bool:
        return self.place == place and self._settled and (self._built or place is None)

    async def settle(self, place: Place | None) -> None:
        """Has the Network where its Router wants it; gone, where only that needed it. Raises NetworkError."""
        old, around = self.place, self._around
        if self.is_settled(place):
            return
        self._settled = False
        around.records.keep_place(self.segment_id, place or old)
        self.place = place
        if not self.attachments and place is None:
            try:
                await self.remove(())
            except NetworkError:
                self.place = old
                raise
            return
        if old is not None and (place is None or place.router_uid != old.router_uid):
            self._left.add(old.router_uid)
        await crossing.part(around.node, self.segment_id, self._left)
        await self._build(make=())
        around.records.keep_place(self.segment_id, place)
        self._left.clear()
        self._settled = True

    async def add(self, new: Sequence[Attachment]) -> None:
        """Makes the taps, and everything that they need. Raises NetworkError."""
        again = [attachment for attachment in new if attachment.tap in self.attachments]
        fresh = not self.attachments
        self._around.records.add(new)
        self.attachments |= {attachment.tap: attachment for attachment in new}
        # Without a NIC it was a Router's alone, and has no way out and no DHCP.
        self._built = self._built and not fresh
        if self._built:
            try:
                await self._extend(new, again)
            except NetworkError:
                # Somebody may have taken away what we believed to be there: look at all of it, once.
                self._built = False
            else:
                return
        try:
            await self._build(make=new)
        except NetworkError:
            await self.servers.settle()
            if fresh:
                # What was there before us may be what failed. Should this fail too, resync goes on.
                with contextlib.suppress(NetworkError):
                    await self.remove(new)
            raise

    async def plug(self, taps: Sequence[str]) -> None:
        """Moves taps in and sets them up. Their rules are there already. Raises NetworkError."""
        node = self._around.node
        await self._serve()
        await node.ip(links.move_taps(taps, self.segment_id))
        await node.ip(links.plug_taps(taps), inside=self.segment_id)
        await self._shaper.keep(self.attachments.values(), self.book, taps)

    async def remove(self, old: Sequence[Attachment]) -> None:
        """Takes NICs away, and the Network with its last one. Raises NetworkError."""
        taps = [attachment.tap for attachment in old]
        rest = [attachment for tap, attachment in self.attachments.items() if tap not in taps]
        around = self._around
        # A tap that was never plugged is still in the node's namespace.
        await around.node.ip(links.remove(taps))
        if not rest and self.place is None:
            await self._dismantle()
        elif not rest:
            await self._strip(taps)
        elif self.segment_id in around.node.namespaces():
            segment = self.segment
            await around.node.ip(links.remove(taps), inside=self.segment_id)
            await self._speakers.keep(rest, forget(taps))
            await self.servers.forget(segment, old)
        around.records.remove(old)
        for tap in taps:
            self.attachments.pop(tap, None)
        if self.attachments:
            await self.secure()
        elif self.place is None:
            around.records.forget(self.segment_id)
        else:
            await self._build(make=())
            await self.secure()

    async def forward(self, book: Book) -> None:
        """Makes the Ports on other nodes reachable, and no others, and all known by name. Raises NetworkError."""
        self.book = book
        if not self._built:
            return
        nameless = self._names.keep(self.segment, book)
        wrong: list[ValueError] = []
        if self.segment.physical is None:
            local = frozenset(attachment.mac for attachment in self.attachments.values())
            wrong = await self._reach.keep(book, local)
        if wrong:
            raise NetworkError("InvalidPort", f"{len(wrong)} Ports cannot be reached: {wrong[0]}")
        if nameless:
            raise NetworkError("InvalidPort", f"{len(nameless)} Ports have no name: {nameless[0]}")

    async def repair(self, wanted: Sequence[Attachment]) -> None:
        """Makes what is missing, without a pause for who is there; with nobody, takes all away. Raises NetworkError."""
        self._around.records.add(wanted)
        self.attachments |= {attachment.tap: attachment for attachment in wanted}
        self._reach.forget()
        self._guardian.forget()
        self._shaper.forget()
        if not self.attachments:
            await self.remove(())
            return
        await self._build(make=())
        there = await self._around.node.read("ip", "-j", "link", "show", inside=self.segment_id)
        link = self.place.link if self.place is not None else None
        present = {entry["ifname"]: entry for entry in there}
        loose = [tap for tap in self.attachments if tap in present and "master" not in present[tap]]
        await self._around.node.ip(links.plug_taps(loose), inside=self.segment_id)
        await self._shaper.keep(self.attachments.values(), self.book)
        ours = [name for name, entry in present.items() if names.is_ours(entry.get("ifalias", ""))]
        strange = [name for name in ours if name not in {*self.attachments, link}]
        await self._around.node.ip(links.remove(strange), inside=self.segment_id)

    async def _extend(self, new: Sequence[Attachment], again: Sequence[Attachment]) -> None:
        in_use = await found.reclaim(self._around.node, self.segment_id, again) if again else frozenset()
        self.servers.add(self.segment, new)
        await together(
            self._around.node.ip(links.make_taps([each for each in new if each.tap not in in_use])),
            self._speakers.keep(self.attachments.values()),
        )
        await self._secure(new)
        await self._serve()

    async def secure(self) -> None:
        """Has in force what SecurityGroups say, as far as they are known. Raises NetworkError."""
        if self._built:
            await self._secure(())
            await self._shaper.keep(self.attachments.values(), self.book)

    async def _secure(self, new: Sequence[Attachment]) -> None:
        if self.place is not None and self.others is None and not new and not self._guardian.knows:
            # Members on other Networks are not known yet: what was in force before is left so.
            return
        await self._guardian.keep(self.attachments.values(), self.book, self.groups, new, self.others or ())
        self._around.metadata.keep(self.segment, self._around.node, self.attachments.values())

    async def _build(self, make: Sequence[Attachment]) -> None:
        """Everything of the Network, whatever of it is there already; taps for `make` only.

        What does not need each other is made side by side: each of these programs takes the node some milliseconds to
        start, the DHCP server the most, and a guest waits for all of them.
        """
        segment, node = self.segment, self._around.node
        async with self._around.lock:
            is_new = self.segment_id not in node.namespaces()
            pair = await found.uplink(node, self.segment_id) if segment.egress else links.UPLINKS
            await carrier.attach(self._around, segment, pair)
        # Of guests that ended, in a namespace that is there: what is set for its interfaces finds those that stay.
        in_use = await found.reclaim(node, self.segment_id, make) if make and not is_new else frozenset()
        base = firewall.anti_spoofing(segment, self.place) + firewall.gateway(segment, self.place)
        bridge = asyncio.create_task(self._bridge(segment, is_new=is_new))
        self.servers.begin(segment, self.attachments.values(), bridge)
        await together(
            bridge,
            self._speakers.begin(self.attachments.values(), base),
            carrier.let_out(self._around, segment),
            node.ip(links.make_taps([each for each in make if each.tap not in in_use])),
        )
        await node.ip(carrier.ways(segment, pair), inside=self.segment_id)
        if self.place is not None:
            async with self._around.lock:
                await crossing.join(node, self.place)
        if is_new:
            for keeper in (self._guardian, self._reach, self._shaper):
                keeper.begin()
        # From here on rules and peers follow what is told, whatever fails below: isolation waits for no names.
        self._built = True
        await self._secure(make)
        if not (make and is_new) or resolver.answers(segment):
            await self._serve()
        self._names.forget()
        if self.book:
            await self.forward(self.book)

    async def _bridge(self, segment: Segment, *, is_new: bool) -> None:
        node, inside = self._around.node, self.segment_id
        await node.ip(carrier.bridge(segment), inside=inside, first=settings(segment, is_new=is_new))
        if segment.ipv6 is not None:
            await node.ip(links.inside6(segment), inside=inside, first=ipv6_on(names.BRIDGE))

    async def _serve(self) -> None:
        if self.attachments:
            await self.servers.ensure(self.segment, self.attachments.values())

    async def _strip(self, taps: Sequence[str]) -> None:
        """What only NICs need goes, a Router still needs the rest."""
        around = self._around
        self._built = False
        await self.servers.remove()
        await around.node.ip(links.remove([names.namespace(self.segment_id)]))
        if self.segment_id in around.node.namespaces():
            await around.node.ip(links.remove(taps), inside=self.segment_id)

    async def _dismantle(self) -> None:
        around = self._around
        self._built = False
        self._reach.forget()
        self._guardian.forget()
        self._shaper.forget()
        around.metadata.close(self.segment_id)
        await self.servers.remove()
        async with around.lock:
            if self.segment_id in around.node.namespaces():
                # At once: a deleted namespace's own devices go later, and the segment's number with them.
                await around.node.ip(links.remove([names.OVERLAY, names.PHYSICAL]), inside=self.segment_id)
            await around.node.ip(links.remove_namespace(self.segment_id))
            if not around.node.namespaces():
                await around.node.nft(firewall.without_node())
