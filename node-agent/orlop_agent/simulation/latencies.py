"""How long what is not done takes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Latencies:
    """Seconds for each, every time."""

    image: float = 0.0
    """An image that the node has not, and an import."""
    disk: float = 0.0
    """A root disk, a seed, or a Volume's data."""
    network: float = 0.0
    """What the NICs of one Instance need."""
    define: float = 0.0
    """A domain that is made, paused."""
    start: float = 0.0
    """A domain that is resumed."""


async def take(seconds: float) -> None:
    """Let the time pass; without any the event loop is not even asked."""
    if seconds > 0:
        await asyncio.sleep(seconds)
