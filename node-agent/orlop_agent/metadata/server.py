"""The program that speaks HTTP with guests: `python -m orlop_agent.metadata.server`, confined.

It has no listening socket, no file and nobody to ask. The agent hands it one connection after the other, each with
what that guest may know; whatever a guest makes of this program, there is nothing in it of those that did not
ask. Standard input is the socket over which they come; when the agent ends, it ends.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import sys
import time
from dataclasses import dataclass

from aiohttp import web

from orlop_agent.metadata.answers import Answer, answer
from orlop_agent.metadata.guest import Guest

AT_ONCE = 8
"""Connections of one guest."""
LIFETIME = 30.0
"""Seconds from the first byte of a connection to its end, however slowly somebody asks."""
IDLE = 5.0
_LINE = 4096
"""Bytes of the first line, and of each header."""
_SILENT = logging.getLogger("orlop.metadata")
"""What a guest sent is not written down, however wrong it is."""
_SILENT.disabled = True


@dataclass
class _Connection:
    who: str
    transport: asyncio.Transport | None = None
    """None while it is being taken, when it counts already."""


class Door:
    """Takes connections as they are handed in."""

    def __init__(self, handed: socket.socket) -> None:
        self._handed = handed
        self._key = secrets.token_bytes(32)
        self._open: list[_Connection] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.ended = asyncio.Event()

    def take(self) -> None:
        """One connection; the first word says whose it is."""
        who, descriptors, _, _ = socket.recv_fds(self._handed, 256, 2)
        if not who:
            self.ended.set()
            return
        connection, known = descriptors
        task = asyncio.create_task(self._serve(who.decode(), socket.socket(fileno=connection), known))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, who: str, connection: socket.socket, known: int) -> None:
        try:
            with os.fdopen(known, "rb") as file:
                guest = Guest.read(file.read())
        except ValueError:
            # Of another version: the agent writes it anew when the guest is started the next time.
            sys.stderr.write("metadata: a guest's file cannot be read\n")
            connection.close()
            return
        self._open = [
            each for each in self._open if each.transport is None or not each.transport.is_closing()
        ]
        if sum(each.who == who for each in self._open) >= AT_ONCE:
            connection.close()
            return
        mine = _Connection(who)
        self._open.append(mine)
        server = web.Server(
            lambda request: self._answer(guest, request),
            access_log=None,
            logger=_SILENT,
            keepalive_timeout=IDLE,
            lingering_time=0,
            max_line_size=_LINE,
            max_field_size=_LINE,
        )
        loop = asyncio.get_running_loop()
        connection.settimeout(0)
        mine.transport, _ = await loop.connect_accepted_socket(server, connection)
        loop.call_later(LIFETIME, mine.transport.abort)

    async def _answer(self, guest: Guest, request: web.BaseRequest) -> web.StreamResponse:
        try:
            said = answer(guest, request.method, request.path, request.headers, self._key, time.time())
        except Exception as error:  # noqa: BLE001 - told by its kind alone: what it says may hold a guest's words
            sys.stderr.write(f"metadata: {type(error).__name__}\n")
            said = Answer(500)
        headers = {"Content-Type": said.kind, "Server": "orlop", "Cache-Control": "no-store", **said.headers}
        return web.Response(status=said.status, body=said.content, headers=headers)


async def _serve() -> None:
    with socket.socket(fileno=os.dup(0)) as handed:
        handed.settimeout(0)
        door = Door(handed)
        asyncio.get_running_loop().add_reader(handed, door.take)
        await door.ended.wait()


if __name__ == "__main__":
    asyncio.run(_serve())
