"""Keeps a Network's namespace at who may speak as what, so that one NIC more is a few elements."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from orlop_agent.network import identities
from orlop_agent.network.node import Node
from orlop_agent.network.segment import Attachment


class Speakers:
    """What was applied last."""

    def __init__(self, node: Node, segment_id: int) -> None:
        self._node = node
        self._segment_id = segment_id
        self._have: Mapping[str, frozenset[str]] | None = None
        """None: not known, say all of it."""

    async def keep(self, who: Collection[Attachment], also: str = "") -> None:
        """Nobody but these, in one transaction with `also`. Raises NetworkError; then all is as it was."""
        have, want = self._have, identities.elements(who)
        if have is not None and have.keys() == want.keys():
            text = identities.changes(have, want)
        else:
            text = identities.whole(who)
        await self._apply(also + text, want)

    async def begin(self, who: Collection[Attachment], rules: str) -> None:
        """The same with all rules anew, whatever was there."""
        await self._apply(rules + identities.whole(who), identities.elements(who))

    async def _apply(self, text: str, want: Mapping[str, frozenset[str]]) -> None:
        self._have = None
        if text:
            await self._node.nft(text, inside=self._segment_id)
        self._have = want
