"""The other side of `moments`: the node that serves a Volume reads what a guest elsewhere holds."""

from __future__ import annotations

import asyncio
import secrets
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import structlog

from orlop_agent.api.errors import ApiError, NotFoundError
from orlop_agent.domain.spec import Disk, NbdSocket
from orlop_agent.failure import StepError
from orlop_agent.peer.keeper import offered
from orlop_agent.peer.moments import BYTES_PATH, HEARTBEAT, MOMENT_PATH, NO_GUEST, carry
from orlop_agent.snapshots import EXPORT, NoGuestError
from orlop_api.hypervisor import Hypervisor
from orlop_api.peer import ImagePeer, server_name
from orlop_api.snapshot import Consistency

_CONNECT_SECONDS = 5.0
NOT_FOUND = 404
_WORD_SECONDS = 2.0
"""How long a reading that failed waits for the other node to say why."""

_log = structlog.get_logger()


class Moments:
    """Reads them."""

    def __init__(
        self,
        exports: Path,
        read: Callable[[str], Awaitable[Hypervisor]],
        context: Callable[[], ssl.SSLContext | None],
    ) -> None:
        """`exports`: where sockets are made; `read` gives the Hypervisor of a name, ApiError; `context`: who we are."""
        self._exports = exports
        self._read = read
        self._context = context

    @asynccontextmanager
    async def of(
        self, node: str, volume_uid: str, *, quiesce: bool
    ) -> AsyncIterator[tuple[Disk, Consistency]]:
        """The disk as it is at this moment, for as long as it is read. NoGuestError, StepError."""
        peer, context = await self._peer(node), self._context()
        if context is None:
            raise StepError("PeersDisabled", "this node has no certificate for other nodes yet")
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS)
        connector = aiohttp.TCPConnector(ssl=context, force_close=True, limit=0)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            there = _There(session, peer)
            asked = MOMENT_PATH.format(uid=volume_uid)
            try:
                control = await there.connect(f"{asked}?quiesce={'true' if quiesce else 'false'}")
                told = await _word(control)
            except aiohttp.WSServerHandshakeError as error:
                if error.status == NOT_FOUND:
                    # Nothing of it is on that node any more. Whoever has it now is logged in where it is served.
                    raise NoGuestError from error
                raise _unreachable(node, error) from error
            except (aiohttp.ClientError, ssl.SSLError, TimeoutError) as error:
                raise _unreachable(node, error) from error
            async with control:
                if told is None:
                    raise _ended(node)
                if told.get("reason") == NO_GUEST:
                    raise NoGuestError
                if "token" not in told:
                    raise _refused(node, told)
                path = BYTES_PATH.format(token=told["token"])
                async with self._socket(there, path) as socket, _until_ended(node, control):
                    yield (
                        Disk(NbdSocket(socket, EXPORT), "raw", readonly=True),
                        Consistency(told["consistency"]),
                    )

    async def _peer(self, node: str) -> ImagePeer:
        try:
            host = await self._read(node)
        except NotFoundError as error:
            raise StepError(
                "NodeNotFound", f"Hypervisor {node}, whose guest has it, does not exist"
            ) from error
        except (ApiError, OSError) as error:
            raise StepError("NodeUnreachable", f"where {node} is cannot be read now") from error
        peer = offered(host)
        if peer is None:
            message = (
                f"{node}, whose guest has it, gives nothing to other nodes (images.peers of orlop-config)"
            )
            raise StepError("PeersDisabled", f"{message}: it can be copied once no Instance has it")
        return peer

    @asynccontextmanager
    async def _socket(self, there: _There, path: str) -> AsyncIterator[Path]:
        """A socket of this node that stands for the one of the other."""
        tasks: set[asyncio.Task[None]] = set()

        async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            if task is not None:
                tasks.add(task)
                task.add_done_callback(tasks.discard)
            try:
                far = await there.connect(path)
            except (aiohttp.ClientError, ssl.SSLError, TimeoutError) as error:
                _log.warning("moment.connect", error=repr(error))
                writer.transport.abort()
                return
            await carry(far, reader, writer)

        socket = self._exports / secrets.token_hex(8)
        server = await asyncio.start_unix_server(connected, socket)
        try:
            yield socket
        finally:
            server.close()
            for task in tuple(tasks):
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.to_thread(socket.unlink, missing_ok=True)


class _There:
    """The other node's agent."""

    def __init__(self, session: aiohttp.ClientSession, peer: ImagePeer) -> None:
        self._session = session
        self._peer = peer

    async def connect(self, path: str) -> aiohttp.ClientWebSocketResponse:
        """aiohttp.ClientError, ssl.SSLError, TimeoutError."""
        peer = self._peer
        return await self._session.ws_connect(
            f"https://{peer.address}:{peer.port}{path}",
            heartbeat=HEARTBEAT,
            server_hostname=server_name(peer.node_name),
        )


@asynccontextmanager
async def _until_ended(node: str, control: aiohttp.ClientWebSocketResponse) -> AsyncIterator[None]:
    """End the reading when the other node ends the offer: what it says then is why. StepError."""
    try:
        async with asyncio.timeout(None) as limit:
            said: list[StepError] = []

            async def watch() -> None:
                word = await _word(control)
                said.append(_refused(node, word) if word is not None else _ended(node))
                limit.reschedule(asyncio.get_running_loop().time())

            watching = asyncio.create_task(watch())
            try:
                yield
            except StepError as error:
                if error.reason != "DiskNotMade":
                    raise
                # Whoever reads from what is gone knows less of that than who ended it.
                await asyncio.wait([watching], timeout=_WORD_SECONDS)
                if said:
                    raise said[0] from error
                raise
            finally:
                watching.cancel()
                await asyncio.gather(watching, return_exceptions=True)
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise said[0] from error


async def _word(control: aiohttp.ClientWebSocketResponse) -> dict[str, str] | None:
    """What the other node says next; None where it has hung up."""
    message = await control.receive()
    if message.type is not aiohttp.WSMsgType.TEXT:
        return None
    word = message.json()
    return {str(key): str(value) for key, value in word.items()} if isinstance(word, dict) else {}


def _unreachable(node: str, error: Exception) -> StepError:
    _log.info("moment.unreachable", node=node, error=repr(error))
    return StepError("NodeUnreachable", f"{node}, whose guest has it, does not answer")


def _refused(node: str, word: dict[str, str]) -> StepError:
    return StepError(
        word.get("reason") or "NotReadable", f"{node}: {word.get('message') or 'it ended the copy'}"
    )


def _ended(node: str) -> StepError:
    return StepError("NotReadable", f"{node}, whose guest has it, ended the copy: it is tried again")
