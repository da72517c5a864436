"""The agent's half: it listens in each Network, tells by the address who asks, and hands the connection on.

HTTP itself is spoken by a confined program (server.py). Nothing here reads a byte that a guest sent.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address
from pathlib import Path

import structlog

from orlop_agent import sandbox
from orlop_agent.network.errors import NetworkError
from orlop_agent.network.inside import made_inside
from orlop_agent.network.ipv6 import IpAddress
from orlop_agent.network.node import Node
from orlop_agent.network.segment import Attachment, Segment
from orlop_api.network import METADATA_ADDRESS, METADATA_ADDRESS6, METADATA_PORT

_BACKLOG = 64
_PAUSE = 1.0
"""Seconds before a server that ended is started anew."""
_LIMITS = sandbox.Limits(memory=1 << 30, processor_seconds=None, file_bytes=0, files=8192)
_log = structlog.get_logger()

Read = Callable[[str], bytes]
"""What the guest of an Instance may know, by its uid; OSError."""


@dataclass
class _Network:
    listeners: Mapping[str, socket.socket]
    """By the address that they listen at."""
    namespace: int
    """Number of its inode: another namespace needs other sockets."""
    guests: Mapping[IpAddress, str] = field(default_factory=dict)
    """Uid of the Instance that has an address."""


class Metadata:
    """Answers in every Network that has metadata, for as long as this agent runs."""

    def __init__(self, read: Read | None = None) -> None:
        self._read = read or _unknown
        self._networks: dict[int, _Network] = {}
        self._server: asyncio.Task[None] | None = None
        self._door: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def keep(self, segment: Segment, node: Node, guests: Collection[Attachment]) -> None:
        """Where a Network has metadata: answer these there, and nobody else. Raises NetworkError."""
        if segment.metadata and guests:
            self._keep_network(segment, node.namespace(segment.segment_id), guests)
        else:
            self.close(segment.segment_id)

    def _keep_network(self, segment: Segment, namespace: Path, guests: Iterable[Attachment]) -> None:
        segment_id = segment.segment_id
        by = ((METADATA_ADDRESS, segment.metadata4), (METADATA_ADDRESS6, segment.metadata6))
        wanted = [address for address, there in by if there]
        try:
            number = namespace.stat().st_ino
            network = self._networks.get(segment_id)
            if network is None or network.namespace != number or list(network.listeners) != wanted:
                self.close(segment_id)
                network = _Network(_listening(namespace, wanted), number)
                self._networks[segment_id] = network
                self._listen(segment_id)
        except OSError as error:
            raise NetworkError("MetadataFailed", f"metadata cannot be served: {error.strerror}") from error
        network.guests = {address: each.instance_uid for each in guests for address in _own(each)}
        if self._server is None:
            self._server = asyncio.create_task(self._keep_server(), name="metadata server")

    def close(self, segment_id: int) -> None:
        """Nobody is answered there any more; fine where nobody was."""
        network = self._networks.pop(segment_id, None)
        if network is not None:
            # A socket would keep the namespace.
            for listener in network.listeners.values():
                asyncio.get_running_loop().remove_reader(listener)
                listener.close()

    async def stop(self) -> None:
        """End it all."""
        for segment_id in list(self._networks):
            self.close(segment_id)
        tasks = [*self._tasks, *([self._server] if self._server else [])]
        self._server = None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _listen(self, segment_id: int) -> None:
        """Only while somebody can speak; until then the kernel keeps who comes."""
        if self._door is not None:
            for listener in self._networks[segment_id].listeners.values():
                asyncio.get_running_loop().add_reader(listener, self._accept, segment_id, listener)

    def _accept(self, segment_id: int, listener: socket.socket) -> None:
        network = self._networks[segment_id]
        try:
            connection, (address, *_) = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            _log.warning("metadata.accept", segment=segment_id, error=error.strerror)
            return
        uid = network.guests.get(ip_address(address))
        if uid is None:
            connection.close()
            return
        task = asyncio.create_task(self._hand(connection, uid))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _hand(self, connection: socket.socket, uid: str) -> None:
        """On to the server, with what this guest may know, in memory alone."""
        with connection:
            try:
                known = await asyncio.to_thread(self._read, uid)
                memory = os.memfd_create("metadata", os.MFD_CLOEXEC)
                with os.fdopen(memory, "wb") as file:
                    file.write(known)
                    file.flush()
                    file.seek(0)
                    if self._door is not None:
                        socket.send_fds(self._door, [uid.encode()], [connection.fileno(), memory])
            except OSError as error:
                # The guest asks again.
                _log.warning("metadata.guest", instance=uid, error=error.strerror)

    async def _keep_server(self) -> None:
        """A server, and another one when it ends."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                await self._run()
            except OSError as error:
                _log.error("metadata.server", error=error.strerror)
            finally:
                self._door = None
                for network in self._networks.values():
                    for listener in network.listeners.values():
                        loop.remove_reader(listener)
            await asyncio.sleep(_PAUSE)

    async def _run(self) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with ours:
            with theirs:
                process = await sandbox.start(
                    sandbox.command(sandbox.python("orlop_agent.metadata.server"), _LIMITS),
                    stdin=theirs.fileno(),
                    stdout=asyncio.subprocess.DEVNULL,
                )
            try:
                ours.settimeout(0)
                self._door = ours
                for segment_id in self._networks:
                    self._listen(segment_id)
                status = await process.wait()
                _log.warning("metadata.server.ended", status=status)
            finally:
                await sandbox.kill(process)


def _own(attachment: Attachment) -> Iterable[IpAddress]:
    """What the NIC is known by: not the link-local one, which is somebody's on one link alone."""
    return (*attachment.addresses, *((attachment.ipv6,) if attachment.ipv6 is not None else ()))


def _listening(namespace: Path, addresses: Iterable[str]) -> dict[str, socket.socket]:
    """Raises OSError, and leaves none open then."""
    made: dict[str, socket.socket] = {}
    try:
        for address in addresses:
            made[address] = made_inside(namespace, partial(_bound, address))
    except OSError:
        for listener in made.values():
            listener.close()
        raise
    return made


def _bound(address: str) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address, METADATA_PORT))
        listener.listen(_BACKLOG)
        listener.settimeout(0)
    except BaseException:
        listener.close()
        raise
    return listener


def _unknown(instance_uid: str) -> bytes:
    """Nothing is kept of any guest."""
    raise FileNotFoundError(errno.ENOENT, "no metadata is kept", instance_uid)
