"""Which files of the image cache have to go (pure): facts in, digests out.

What is in use never goes, whatever the limits say: then the cache is larger than it shall be. Of the rest, what
was not used for too long goes first, then what was used longest ago, until the limits hold.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cached:
    """One file of the cache."""

    digest: str
    size: int
    """Bytes that it takes of the data pool."""
    used_at: float
    """When it was last known to be in use, in seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the cache may hold."""

    capacity: int
    """Bytes in all."""
    max_age: float
    """Seconds without use."""


def to_evict(
    cached: Collection[Cached],
    in_use: Collection[str],
    limits: Limits,
    now: float,
    *,
    incoming: int = 0,
    short: int = 0,
) -> tuple[str, ...]:
    """Digests to remove, in this order.

    `incoming` are bytes that are on their way into the cache, `short` are bytes that the data pool lacks.
    """
    total = incoming + sum(file.size for file in cached)
    freed = 0
    gone: list[str] = []
    # Same time: the larger first, so that fewer go. The digest makes the answer one.
    for file in sorted(cached, key=lambda f: (f.used_at, -f.size, f.digest)):
        if file.digest in in_use:
            continue
        if total > limits.capacity or freed < short or now - file.used_at > limits.max_age:
            gone.append(file.digest)
            total -= file.size
            freed += file.size
    return tuple(gone)
