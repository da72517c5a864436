"""The sockets of one HTTP session, so that none outlives it.

A request that is cancelled leaves its connection waiting for the other side's goodbye (TLS, RFC 8446 section
6.1), unknown to the session that made it. Whoever ends an event loop has to end those too.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any
from weakref import WeakSet

_PATIENCE = 5.0
"""Seconds for the event loop to close what was shut down; a turn or two is usual."""


class Sockets:
    """Makes them (aiohttp's socket_factory), and ends those that are still open."""

    def __init__(self) -> None:
        self._made: WeakSet[socket.socket] = WeakSet()

    def make(self, address: tuple[Any, ...]) -> socket.socket:
        """A socket for an entry of getaddrinfo(3)."""
        family, kind, protocol, *_ = address
        made = socket.socket(family, kind, protocol)
        self._made.add(made)
        return made

    async def end(self) -> None:
        """Shut all down and return when their owners have closed them."""
        for one in self._open():
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                # The loop tells nobody when a transport has closed its socket, only that a turn is over.
                while self._open():  # noqa: ASYNC110
                    await asyncio.sleep(0)

    def _open(self) -> list[socket.socket]:
        return [one for one in self._made if one.fileno() >= 0]
