"""Short ways to say a condition, and what kstatus wants beside Ready. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from orlop_api.condition import Condition, Truth, timestamp

MESSAGE_LIMIT = 1024
_TIMES = "lastTransitionTime"


def true(kind: str, reason: str, message: str = "") -> Condition:
    """It is so."""
    return Condition(type=kind, status=Truth.TRUE, reason=reason, message=message[:MESSAGE_LIMIT])


def false(kind: str, reason: str, message: str = "") -> Condition:
    """It is not so."""
    return Condition(type=kind, status=Truth.FALSE, reason=reason, message=message[:MESSAGE_LIMIT])


def unknown(kind: str, reason: str, message: str = "") -> Condition:
    """It cannot be said."""
    return Condition(type=kind, status=Truth.UNKNOWN, reason=reason, message=message[:MESSAGE_LIMIT])


def settled(
    old: Iterable[Condition], new: Iterable[Condition], generation: int, now: datetime
) -> list[Condition]:
    """`new` with the times of `old` where the status stayed; types that are not in `new` go."""
    before = {c.type: c for c in old}
    made = []
    for condition in new:
        known = before.get(condition.type)
        since = known.last_transition_time if known and known.status is condition.status else timestamp(now)
        made.append(
            condition.model_copy(update={"last_transition_time": since, "observed_generation": generation})
        )
    return made


def kstatus(ready: Condition, *, stalled: bool = False) -> list[Condition]:
    """Ready with Reconciling or Stalled, which are there only while true (sigs.k8s.io/cli-utils kstatus)."""
    if ready.status is Truth.TRUE:
        return [ready]
    kind = "Stalled" if stalled else "Reconciling"
    return [ready, true(kind, ready.reason, ready.message)]


def differs(old: Mapping[str, Any] | None, new: Mapping[str, Any]) -> bool:
    """Whether a status is worth a write: anything but a time has changed."""
    # Nearly every look finds all as it was, times and all, which takes far less to see.
    return old != new and bool(_timeless(old or {}) != _timeless(new))


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _timeless(v) for k, v in value.items() if k != _TIMES}
    if isinstance(value, list):
        return [_timeless(v) for v in value]
    return value
