"""Several things at once, of which none goes on alone after another failed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable


async def together(*work: Awaitable[object]) -> None:
    """Wait for all of it, whatever fails; then raise what failed first in their order."""
    for result in await asyncio.gather(*work, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
