"""Keeps what the kernel knows of a Network's Ports on other nodes, where an overlay leads to them."""

from __future__ import annotations

from collections.abc import Sequence

from orlop_agent.network import forwarding, found, shared
from orlop_agent.network.forwarding import Peers
from orlop_agent.network.surroundings import Surroundings
from orlop_api.port import Port


class Reach:
    """What was told last, so that one Port more is one entry."""

    def __init__(self, around: Surroundings, segment_id: int) -> None:
        self._around = around
        self._segment_id = segment_id
        self._peers: Peers | None = None
        """What the kernel knows; None: ask it."""
        self._copies: str | None = None
        """The rules for shared addresses as the kernel has them, if that is known."""

    def forget(self) -> None:
        """Somebody may have changed what is there."""
        self._peers = self._copies = None

    async def keep(self, ports: Sequence[Port], local: frozenset[str]) -> list[ValueError]:
        """Makes the Ports on other nodes reachable, and no others; what is wrong with some. Raises NetworkError."""
        node, segment_id = self._around.node, self._segment_id
        addresses, odd = shared.shared(ports)
        want, wrong = forwarding.wanted(ports, self._around.host_ip, local, is_shared=bool(addresses))
        have = self._peers or await found.peers(node, segment_id)
        self._peers = None
        await node.bridge(forwarding.bridge_changes(have, want), inside=segment_id)
        await node.ip(forwarding.neighbour_changes(have, want), inside=segment_id)
        self._peers = want
        await self._copy(shared.copies(addresses, local))
        return wrong + odd

    async def _copy(self, rules: str) -> None:
        """Tell other nodes what is asked and said of addresses that several may have."""
        if rules != self._copies:
            self._copies = None
            await self._around.node.nft(rules, inside=self._segment_id)
            self._copies = rules
