"""Watches, one for each kind, from where a list ended and for ever: what has changed, never what to do.

Bookmarks keep the version fresh, so that a broken connection costs no list; only where the API server does not know
the version any more is everything listed again, which replaces all that was known of the kind.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing
from typing import Any

import structlog

from orlop_operator import errors
from orlop_operator.cluster import Cluster
from orlop_operator.kinds import Kind

EXPIRED = 410

log = structlog.get_logger()

Sink = Callable[[Kind[Any], str, dict[str, Any]], None]
"""Takes the kind, the event's type (ADDED, MODIFIED, DELETED), and the object."""
Relist = Callable[[Kind[Any]], Awaitable[int]]
"""Lists a kind anew; the resourceVersion of that snapshot."""


def waits() -> Iterator[float]:
    """Growing, jittered, without an end."""
    delay = 0.5
    while True:
        yield delay * random.uniform(0.5, 1.5)  # noqa: S311 - jitter
        delay = min(delay * 2, 20.0)


async def follow(cluster: Cluster, kind: Kind[Any], since: int, sink: Sink, relist: Relist) -> None:
    """Tell the sink of every change after `since`, until cancelled."""
    version = str(since)
    pauses = waits()
    while True:
        try:
            if not version:
                version = str(await relist(kind))
            async with aclosing(cluster.watch(kind, version)) as events:
                async for event, thing in events:
                    version = str(thing["metadata"]["resourceVersion"])
                    pauses = waits()
                    if event != "BOOKMARK":
                        sink(kind, event, thing)
        except errors.ApiError as error:
            if error.status == EXPIRED:
                version = ""
            log.info("watch ended", kind=kind.name, error=str(error))
        # One that ends in order waits too, if shortly: a server that ends each at once must not be run hot.
        await asyncio.sleep(next(pauses))
