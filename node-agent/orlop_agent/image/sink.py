"""Where served bytes go: straight into the part file, or through the confined unfolding."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import hashlib
import json
import os
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from orlop_agent import sandbox
from orlop_agent.image.compression import detect
from orlop_agent.image.errors import ImageError
from orlop_agent.image.origin import AS_SERVED, FILE
from orlop_agent.image.sparse import SparseWriter
from orlop_agent.image.unfold import ASK, DISK_FULL, FREE, GRANT, LEAVE, Order, Stored
from orlop_agent.image.whole import write_whole

_MEMORY = 768 << 20
_PIPE = 1 << 20
"""What any user may ask for (pipe(7), pipe-max-size)."""
_PROCESSOR_SECONDS = 4 * 3600
_CHUNK_SECONDS = 300.0
"""Longest that one chunk may take to unfold: a MiB of zeros is a GiB of disk."""


class Sink(Protocol):
    """Fed from front to back, then finished; or aborted, and what it wrote is worth nothing."""

    async def write(self, chunk: bytes) -> None: ...
    async def finish(self) -> Stored | None:
        """What was stored, or None when it is just what was served."""

    async def abort(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Packing:
    """How the served bytes hold the disk, and what may come out of them."""

    kind: str
    most: int
    ratio: int


Look = Callable[[int], Awaitable[None]]
"""Looks whether there is room for so many bytes more; ImageError where there is not."""


def sink(first: bytes, target: Path, packing: Packing, look: Look) -> Sink:
    """The one for bytes that begin so."""
    if packing.kind == AS_SERVED or (packing.kind == FILE and detect(first) is None):
        return Straight(target)
    return _Unfolding(target, packing, look)


class Straight:
    """The bytes are the disk."""

    def __init__(self, target: Path) -> None:
        self._file = target.open("wb", buffering=0)
        self._writer = SparseWriter(self._file)

    async def write(self, chunk: bytes) -> None:
        await asyncio.to_thread(self._writer.write, chunk)

    async def finish(self) -> Stored | None:
        await asyncio.to_thread(self._writer.finish)
        self._file.close()
        return None

    async def abort(self) -> None:
        self._file.close()


class _Unfolding:
    """A confined process, begun with the first chunk and fed through a pipe."""

    def __init__(self, target: Path, packing: Packing, look: Look) -> None:
        self._target = target
        self._packing = packing
        self._look = look
        self._granting: asyncio.Task[None] | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._pipe: BinaryIO | None = None
        self._feeding: asyncio.Future[None] | None = None

    async def write(self, chunk: bytes) -> None:
        if self._process is None:
            await self._begin()
        if self._pipe is None:
            raise AssertionError
        self._feeding = asyncio.ensure_future(asyncio.to_thread(write_whole, self._pipe, chunk))
        try:
            await self._unless_denied(self._feeding)
        except BrokenPipeError as error:
            await self.finish()  # it has ended, and says why
            raise ImageError("CorruptImage", "bytes follow the end of the disk", permanent=True) from error
        except TimeoutError as error:
            raise _too_long() from error

    async def finish(self) -> Stored | None:
        process = self._process
        if process is None:
            raise AssertionError
        self._close()
        ended = asyncio.create_task(process.communicate())
        try:
            await self._unless_denied(ended)
        except TimeoutError as error:
            raise _too_long() from error
        finally:
            if not ended.done():
                ended.cancel()
        _, stderr = ended.result()
        try:
            made = json.loads(sandbox.last_line(stderr))
            if made.get("reason") == DISK_FULL:
                raise OSError(errno.ENOSPC, made["message"])
            if "reason" in made:
                raise ImageError(made["reason"], made["message"][:800], permanent=bool(made["permanent"]))
            return Stored(made["content_digest"], made["size"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ImageError(
                "UnfoldFailed", f"what unfolds the file ended with {process.returncode}", permanent=False
            ) from error

    async def _unless_denied(self, work: asyncio.Future[Any]) -> None:
        """Wait for it, and no longer than until leave to write more is denied; TimeoutError."""
        if self._granting is None:
            raise AssertionError
        async with asyncio.timeout(_CHUNK_SECONDS):
            await asyncio.wait({work, self._granting}, return_when=asyncio.FIRST_COMPLETED)
            if self._granting.done():
                self._granting.result()
            await asyncio.shield(work)

    async def _grant(self, ours: socket.socket) -> None:
        """Let the process write as long as there is room."""
        loop = asyncio.get_running_loop()
        with ours, contextlib.suppress(ConnectionError):
            while await loop.sock_recv(ours, len(ASK)):
                await self._look(LEAVE)
                await loop.sock_sendall(ours, GRANT)

    async def abort(self) -> None:
        if self._process is not None:
            await sandbox.kill(self._process)
        if self._granting is not None:
            self._granting.cancel()
            await asyncio.gather(self._granting, return_exceptions=True)
        if self._feeding is not None:
            # The pipe is broken now, so whoever still writes into it is about to hear of it.
            await asyncio.wait([self._feeding])
            if not self._feeding.cancelled():
                self._feeding.exception()
        self._close()

    def _close(self) -> None:
        if self._pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                self._pipe.close()
            self._pipe = None

    async def _begin(self) -> None:
        packing = self._packing
        order = Order(packing.kind, packing.most, packing.ratio)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)  # noqa: FBT003 - so the standard library has it
        self._granting = asyncio.create_task(self._grant(ours))
        program = sandbox.python(
            "orlop_agent.image.unfold",
            order.packing,
            str(order.most),
            str(order.ratio),
            str(theirs.fileno()),
        )
        limits = sandbox.Limits(_MEMORY, _PROCESSOR_SECONDS, max(packing.most, FREE))
        read, write = os.pipe2(os.O_CLOEXEC)
        self._pipe = os.fdopen(write, "wb", buffering=0)
        try:
            fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, _PIPE)
            with self._target.open("wb", buffering=0) as target:
                self._process = await sandbox.start(
                    sandbox.command(program, limits),
                    stdin=read,
                    stdout=target,
                    stderr=asyncio.subprocess.PIPE,
                    pass_fds=(theirs.fileno(),),
                )
        finally:
            os.close(read)
            theirs.close()


def digest_of(path: Path) -> str:
    """sha256 of a file, read once."""
    with path.open("rb") as file:
        return f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"


def _too_long() -> ImageError:
    return ImageError("UnfoldTimeout", f"a MiB took over {_CHUNK_SECONDS:.0f} s to unfold", permanent=True)
