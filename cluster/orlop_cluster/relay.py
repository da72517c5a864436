"""Carry connections from the machine's loopback into the sealed network.

relay.py FD PORT: the listening socket FD was opened outside; connections to 127.0.0.1:PORT are made where this
process runs, inside.
"""

import asyncio
import socket
import sys
from contextlib import suppress


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Copy until the source ends, then end the sink's direction only (half-close, as TCP does)."""
    with suppress(ConnectionError):
        while data := await source.read(1 << 16):
            sink.write(data)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    try:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        # Nobody listens inside (yet, or any more): the caller sees its connection closed.
        writer.close()
        return
    try:
        await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))
    finally:
        for stream in (inner_writer, writer):
            stream.close()
            with suppress(ConnectionError):
                await stream.wait_closed()


async def serve(listener: socket.socket, port: int) -> None:
    """Relay for ever."""
    server = await asyncio.start_server(lambda r, w: _carry(r, w, port), sock=listener)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])))
