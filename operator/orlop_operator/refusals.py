"""Which nodes refused which Instance lately, so that the next choice is another one."""

from __future__ import annotations

from collections.abc import Callable

from orlop_api.assignment import Assignment, State
from orlop_operator.protocol import answer
from orlop_operator.store import Change

REMEMBERED = 60.0
"""Seconds; then the node may have room again."""


class Refusals:
    """By Instance uid and node."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._until: dict[str, dict[str, tuple[float, str]]] = {}
        self._ever: dict[str, set[str]] = {}

    def take_over(self, change: Change) -> None:
        """Note a refusal, and forget Assignments that are gone."""
        thing = change.new or change.old
        if not isinstance(thing, Assignment):
            return
        if change.new is None:
            self._until.pop(thing.metadata.name, None)
            self._ever.pop(thing.metadata.name, None)
            return
        status = answer(thing)
        if status is not None and status.state is State.REFUSED and thing.spec.node_name is not None:
            why = status.message or status.reason or "no reason given"
            self._ever.setdefault(thing.metadata.name, set()).add(thing.spec.node_name)
            known = self._until.setdefault(thing.metadata.name, {})
            known.setdefault(thing.spec.node_name, (self._clock() + REMEMBERED, why))

    def current(self) -> dict[str, dict[str, str]]:
        """Those that still count."""
        now = self._clock()
        for uid, nodes in list(self._until.items()):
            for node, (until, _) in list(nodes.items()):
                if until <= now:
                    del nodes[node]
            if not nodes:
                del self._until[uid]
        return {uid: {node: why for node, (_, why) in nodes.items()} for uid, nodes in self._until.items()}

    def ever(self, uid: str) -> frozenset[str]:
        """Nodes that refused this Instance some time, so that others are asked first."""
        return frozenset(self._ever.get(uid, ()))
