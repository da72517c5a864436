"""Keeps what the kernel knows of a Network's Ports on other nodes, where an overlay leads to them."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network

from orlop_agent.network import forwarding, found, shared
from orlop_agent.network.book import Book, Followed
from orlop_agent.network.facts import Facts
from orlop_agent.network.forwarding import Only, Peers
from orlop_agent.network.surroundings import Surroundings


class Reach:
    """What was told last, so that one Port more is one entry, and the others are not even looked at."""

    def __init__(self, around: Surroundings, segment_id: int) -> None:
        self._around = around
        self._segment_id = segment_id
        self._followed = Followed()
        self._peers: Peers | None = None
        """What the kernel knows; None: ask it."""
        self._local: frozenset[str] = frozenset()
        """MAC addresses that were here then."""
        self._shared: tuple[IPv4Network, ...] = ()
        """And what was shared."""
        self._copies: str | None = None
        """The rules for shared addresses as the kernel has them, if that is known."""

    def begin(self) -> None:
        """The namespace was just made: nothing is known there."""
        self._followed.forget()
        self._peers, self._copies = Peers(), shared.NOTHING

    def forget(self) -> None:
        """Somebody may have changed what is there."""
        self._peers = self._copies = None

    async def keep(self, book: Book, local: frozenset[str]) -> list[ValueError]:
        """Makes the Ports on other nodes reachable, and no others; what is wrong with some. Raises NetworkError."""
        node, segment_id = self._around.node, self._segment_id
        have = self._peers
        if have is None:
            self._followed.forget()
            have = await found.peers(node, segment_id)
        # Nothing is waited for until it is known what to do: the book may change meanwhile.
        only = self._only(have, book, local)
        old, new = forwarding.part(have, only), forwarding.wanted(book, self._around.host_ip, local, only)
        self._peers, self._local = None, local
        await node.bridge(forwarding.bridge_changes(old, new), inside=segment_id)
        await node.ip(forwarding.neighbour_changes(old, new), inside=segment_id)
        have.change(old, new)
        self._peers = have
        await self._copy(shared.copies(self._shared, local))
        wrong = (error for port in book.wrong for error in (port.unreachable, port.unshared))
        return [error for error in wrong if error is not None]

    def _only(self, have: Peers, book: Book, local: frozenset[str]) -> Only | None:
        """What is to be looked at; None: all."""
        news: Iterable[Facts] | None = self._followed.take([book])
        if news is None:
            self._shared = shared.shared(book)
            return None
        before = bool(self._shared)
        if any(port.shared for port in news):
            self._shared = shared.shared(book)
        every = {*book.nodes, *have.flooded} if before != bool(self._shared) else set()
        return forwarding.touched(news, book, local ^ self._local, every)

    async def _copy(self, rules: str) -> None:
        """Tell other nodes what is asked and said of addresses that several may have."""
        if rules != self._copies:
            self._copies = None
            await self._around.node.nft(rules, inside=self._segment_id)
            self._copies = rules
