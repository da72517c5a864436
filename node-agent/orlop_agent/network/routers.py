"""Keeps all Networks of a node where their Routers want them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping

from orlop_agent.network import crossing, routing
from orlop_agent.network.errors import NetworkError
from orlop_agent.network.presence import Presence
from orlop_agent.network.surroundings import Surroundings
from orlop_api.router import Router

Each = Callable[[Iterable[int], Callable[[Presence], Awaitable[None]]], Awaitable[None]]
"""Does something in several Networks, those among them that are not here yet."""


class Routers:
    """What was told of them, by namespace; nothing is known of a namespace that nobody told of."""

    def __init__(self, around: Surroundings, each: Each, tell: Callable[[Presence], None]) -> None:
        self.told: dict[str, Collection[Router]] = {}
        self._around = around
        self._each = each
        self._tell = tell
        self._lock = asyncio.Lock()

    async def keep(self, known: Mapping[int, Presence], *, sweep: bool = False) -> None:
        """Each Network where its Router wants it, also those that no NIC here is on. Raises NetworkError."""
        async with self._lock:
            now = {segment_id: p.place for segment_id, p in known.items() if p.place is not None}
            here = {segment_id: p.segment.network_uid for segment_id, p in known.items() if p.attachments}
            want, wrong = routing.wanted(now, here, self.told)
            done = {segment_id for segment_id, p in known.items() if p.is_settled(want.get(segment_id))}
            change = (now.keys() | want.keys()) - done

            async def settle(presence: Presence) -> None:
                await presence.settle(want.get(presence.segment_id))
                self._tell(presence)
                if presence.needed and presence.ports is not None:
                    await presence.forward(presence.ports)
                await presence.secure()

            await self._each(change, settle)
            if change or sweep:
                async with self._around.lock:
                    await crossing.sweep(self._around.node, {place.router_uid for place in want.values()})
        if wrong:
            raise NetworkError("InvalidRouter", f"a Router cannot be had here: {wrong[0]}")
