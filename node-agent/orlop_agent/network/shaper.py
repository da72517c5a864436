"""Keeps a Network's NICs within their limits."""

from __future__ import annotations

from collections.abc import Collection

from orlop_agent.network import bandwidth, links
from orlop_agent.network.bandwidth import UNLIMITED, Limits
from orlop_agent.network.book import NOTHING, Book
from orlop_agent.network.errors import NetworkError
from orlop_agent.network.node import Node
from orlop_agent.network.segment import Attachment


class Shaper:
    """What was applied last, so that a change touches the NIC that it is about."""

    def __init__(self, node: Node, segment_id: int) -> None:
        self._node = node
        self._segment_id = segment_id
        self._have: dict[str, Limits] = {}
        """By tap; one that is not here may have any."""
        self._looked = False
        """Whether what an earlier agent left was looked for."""

    def begin(self) -> None:
        """The namespace was just made: no tap is in it."""
        self._have.clear()
        self._looked = True

    def forget(self) -> None:
        """Somebody may have changed what is there."""
        self._have.clear()
        self._looked = False

    async def keep(
        self,
        attachments: Collection[Attachment],
        book: Book | None,
        plugged: Collection[str] = (),
    ) -> None:
        """Raises NetworkError. Taps that were just `plugged` have no limits yet.

        Before the Ports are known others keep theirs: an agent that just began knows less than the last one.
        """
        try:
            found = bandwidth.wanted(attachments, book if book is not None else NOTHING)
        except ValueError as error:
            raise NetworkError("InvalidLimit", f"bandwidth limits cannot be kept: {error}") from error
        self._have |= dict.fromkeys(plugged, UNLIMITED)
        gone = self._have.keys() - found.keys()
        want = {
            tap: limits
            for tap, limits in found.items()
            if self._have.get(tap) != limits and (book is not None or tap in plugged)
        }
        if not gone and not want and (self._looked or book is None):
            return
        await self._apply(want, found.keys())

    async def _apply(self, want: dict[str, Limits], taps: Collection[str]) -> None:
        inside = self._segment_id
        there = bandwidth.present(await self._node.read("ip", "-j", "link", "show", inside=inside))
        # One that is not plugged yet has its turn then.
        want = {tap: limits for tap, limits in want.items() if tap in there}
        for tap in (*want, *(self._have.keys() - set(taps))):
            self._have.pop(tap, None)
        try:
            await self._node.ip(bandwidth.devices(want), inside=inside)
            await self._node.tc(bandwidth.limits(want), inside=inside)
            left = bandwidth.unused(want, there) + bandwidth.strange(there, taps)
            await self._node.ip(links.remove(left), inside=inside)
        except NetworkError as error:
            raise NetworkError(
                "BandwidthLimitFailed", f"a bandwidth limit cannot be kept: {error.message}"
            ) from error
        self._have |= want
        self._looked = True
