"""Keeps all Networks of a node where their Routers want them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from orlop_agent.network import crossing, routing
from orlop_agent.network.errors import NetworkError
from orlop_agent.network.presence import Presence
from orlop_agent.network.routing import Place
from orlop_agent.network.surroundings import Surroundings
from orlop_api.router import Router

Each = Callable[[Iterable[int], Callable[[Presence], Awaitable[None]]], Awaitable[None]]
"""Does something in several Networks, those among them that are not here yet."""


@dataclass(frozen=True)
class Unrouted:
    """A Router that cannot be had on this node as it shall be."""

    router_uid: str
    namespace: str
    segments: frozenset[int]
    """Of its Networks."""
    error: NetworkError

    @property
    def told(self) -> tuple[str, str, str]:
        """What others see of it."""
        return self.router_uid, self.error.reason, self.error.message


class Routers:
    """What was told of them, by namespace; nothing is known of a namespace that nobody told of."""

    def __init__(self, around: Surroundings, each: Each, tell: Callable[[Presence], None]) -> None:
        self.told: dict[str, Collection[Router]] = {}
        self.unrouted: tuple[Unrouted, ...] = ()
        """As of the last look."""
        self.changed: Callable[[], None] = lambda: None
        self._around = around
        self._each = each
        self._tell = tell
        self._lock = asyncio.Lock()

    async def keep(self, known: Mapping[int, Presence], *, sweep: bool = False) -> None:
        """Each Network where its Router wants it, also those that no NIC here is on.

        Raises NetworkError, but not for what is wrong with one Router: see `unrouted`.
        """
        async with self._lock:
            now = {segment_id: p.place for segment_id, p in known.items() if p.place is not None}
            here = {segment_id: p.segment.network_uid for segment_id, p in known.items() if p.attachments}
            want, wrong = routing.wanted(now, here, self.told)
            done = {segment_id for segment_id, p in known.items() if p.is_settled(want.get(segment_id))}
            change = (now.keys() | want.keys()) - done
            failed = {router.metadata.uid: _invalid(router, error) for router, error in wrong}

            async def settle(presence: Presence) -> None:
                place = want.get(presence.segment_id) or now[presence.segment_id]
                try:
                    await presence.settle(want.get(presence.segment_id))
                    self._tell(presence)
                    if presence.needed and presence.book is not None:
                        await presence.forward(presence.book)
                    await presence.secure()
                except NetworkError as error:
                    failed.setdefault(place.router_uid, _unrouted(place, error, {**now, **want}))

            await self._each(change, settle)
            before, self.unrouted = self.unrouted, tuple(failed[uid] for uid in sorted(failed))
            if [each.told for each in before] != [each.told for each in self.unrouted]:
                self.changed()
            if change or sweep:
                async with self._around.lock:
                    await crossing.sweep(self._around.node, {place.router_uid for place in want.values()})

    def check(self, *, namespace: str | None = None, segments: Collection[int] | None = None) -> None:
        """Raises NetworkError for one of those that cannot be had, of a namespace or of one of these Networks."""
        for each in self.unrouted:
            is_asked = namespace in {None, each.namespace}
            if is_asked and (segments is None or not each.segments.isdisjoint(segments)):
                raise each.error


def _invalid(router: Router, error: ValueError) -> Unrouted:
    networks = router.status.networks if router.status is not None else ()
    return Unrouted(
        router.metadata.uid,
        router.metadata.namespace,
        frozenset(int(each.segment_id) for each in networks),
        NetworkError("InvalidRouter", f"a Router cannot be had here: {error}"),
    )


def _unrouted(place: Place, error: NetworkError, places: Mapping[int, Place]) -> Unrouted:
    segments = frozenset(s for s, each in places.items() if each.router_uid == place.router_uid)
    return Unrouted(place.router_uid, place.home, segments, error)
