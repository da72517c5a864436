"""Which nodes refused which Instance lately, so that the next choice is another one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from orlop_api.assignment import Assignment, State
from orlop_operator.protocol import answer
from orlop_operator.store import Change

REMEMBERED = 60.0
"""Seconds; then the node may have room again, and is asked again where it is the best."""


@dataclass(frozen=True, slots=True)
class _Refusal:
    epoch: int
    """A refusal is one answer, however often the Assignment is written to and listed after it."""
    until: float
    why: str


class Refusals:
    """By Instance uid and node."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._last: dict[str, dict[str, _Refusal]] = {}

    def take_over(self, change: Change) -> None:
        """Note a refusal, and forget Assignments that are gone."""
        thing = change.new or change.old
        if not isinstance(thing, Assignment):
            return
        if change.new is None:
            self._last.pop(thing.metadata.name, None)
            return
        status, node = answer(thing), thing.spec.node_name
        if status is None or status.state is not State.REFUSED or node is None:
            return
        known = self._last.setdefault(thing.metadata.name, {})
        if node not in known or known[node].epoch != thing.spec.epoch:
            why = status.message or status.reason or "no reason given"
            known[node] = _Refusal(thing.spec.epoch, self._clock() + REMEMBERED, why)

    def lately(self, uid: str) -> dict[str, str]:
        """Nodes whose refusal still counts, and why they refused this Instance."""
        now, known = self._clock(), self._last.get(uid, {})
        return {node: refusal.why for node, refusal in known.items() if refusal.until > now}

    def ever(self, uid: str) -> frozenset[str]:
        """Nodes that refused this Instance some time, so that others are asked first."""
        return frozenset(self._last.get(uid, ()))
