"""How long to wait before asking again: full jitter, so that a thousand agents do not ask in step."""

from __future__ import annotations

import random
from collections.abc import Iterator

FIRST = 0.2
MOST = 30.0


def delays(first: float = FIRST, most: float = MOST) -> Iterator[float]:
    """Seconds, for ever: each a random part of a bound that doubles up to `most`."""
    bound = first
    while True:
        yield random.uniform(bound / 10, bound)  # noqa: S311 - no secret
        bound = min(bound * 2, most)
