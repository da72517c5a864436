"""Keeps the names of a Network's Instances on this node, where its gateway answers for them."""

from __future__ import annotations

from pathlib import Path

from orlop_agent.network import resolver
from orlop_agent.network.book import Book, Followed
from orlop_agent.network.dns import Dns
from orlop_agent.network.segment import Segment


class Names:
    """What was told last, so that one Port more is one file of 256 addresses."""

    def __init__(self, dns: Dns, directory: Path) -> None:
        self._dns = dns
        self._directory = directory
        self._followed = Followed()
        self._segment: Segment | None = None
        """As it was then; None: say all."""

    def forget(self) -> None:
        """Somebody may have changed what is there."""
        self._segment = None

    def keep(self, segment: Segment, book: Book) -> list[ValueError]:
        """Names for all Ports; what is wrong with those that get none."""
        if not resolver.answers(segment):
            return []
        if self._segment != segment:
            self._followed.forget()
        news = self._followed.take([book])
        self._segment = None
        if news is None:
            self._dns.tell(segment, self._directory, resolver.hosts(segment, book))
        elif news:
            only = {address for port in news for address in port.addresses}
            self._dns.change(segment, self._directory, resolver.hosts(segment, book, only))
        self._segment = segment
        return [port.nameless for port in book.wrong if port.nameless is not None]
