"""Small documents of servers: whole in memory, so bounded in bytes and in time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from orlop_agent.image.errors import ImageError


@asynccontextmanager
async def in_time(what: str, seconds: float) -> AsyncIterator[None]:
    """ImageError when it takes longer; bytes that trickle are no silence."""
    try:
        async with asyncio.timeout(seconds) as limit:
            yield
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise ImageError("Timeout", f"{what} took over {seconds:.0f} s", permanent=False) from error


async def bounded(
    response: aiohttp.ClientResponse, what: str, most: int, reason: str, *, permanent: bool = True
) -> bytes:
    """The whole body; ImageError with this reason when it is longer than allowed."""
    body = b""
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > most:
            raise ImageError(reason, f"{what} is over the {most} bytes that are allowed", permanent=permanent)
    return body
