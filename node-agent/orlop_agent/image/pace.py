"""How fast a transfer is, and how long the rest of it takes at that rate (pure)."""

from __future__ import annotations

from orlop_api.image import ImageProgress

_WINDOW = 10.0
"""Seconds over which the rate is smoothed: long enough to hold still, short enough to follow a server that stalls."""
_LONGEST = 30 * 24 * 3600
"""Seconds; what would take longer than a month says nothing."""


class Pace:
    """Told how much has arrived, and when."""

    def __init__(self, now: float) -> None:
        self._at = now
        self._received = 0
        self._rate: float | None = None

    def progress(self, node: str, received: int, expected: int | None, now: float) -> ImageProgress:
        """How far it is, with the rate since the last times it was told."""
        elapsed = now - self._at
        if received < self._received:  # begun anew
            self._received, self._rate = received, None
        if elapsed > 0:
            rate = (received - self._received) / elapsed
            weight = min(1.0, elapsed / _WINDOW)
            self._rate = rate if self._rate is None else self._rate + weight * (rate - self._rate)
            self._at, self._received = now, received
        rate_now = int(self._rate or 0)
        remaining = None
        if expected is not None and rate_now > 0:
            remaining = min(_LONGEST, -(-max(0, expected - received) // rate_now))
        return ImageProgress(
            node_name=node,
            received_bytes=received,
            total_bytes=expected,
            rate_bytes_per_second=rate_now,
            remaining_seconds=remaining,
        )
