"""Bytes as served to the disk that is in them, in a process that can do no harm.

Compressed files and the layers of container disks are parsed here only: this module runs confined, with the
served bytes on standard input and the disk's file as standard output. Its last line on standard error is
what it made, or why it could not, in JSON. One compression and no other in it; what comes out is bounded by
size and by ratio.
"""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import socket
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

from orlop_agent.image.compression import detect, unfolded
from orlop_agent.image.errors import ImageError
from orlop_agent.image.sparse import SparseWriter

_CHUNK = 1 << 20
FREE = 1 << 30
"""Bytes that may come out whatever the ratio: a small disk of zeros is no bomb."""
LEAVE = 16 << 20
"""Bytes that leave is asked to write at a time: far less than a node keeps free."""
ASK, GRANT = b"?", b"!"
"""What the agent is asked, on a socket of the two, and its answer."""
DISK_FULL = "DiskFull"
_DISK = "disk"
"""The directory of a container disk that holds the disk (KubeVirt's convention)."""


@dataclass(frozen=True, slots=True)
class Order:
    """How the bytes are packed, and what may come out."""

    packing: str
    """file or layer."""
    most: int
    """Bytes."""
    ratio: int


@dataclass(frozen=True, slots=True)
class Stored:
    """The file that was made."""

    content_digest: str
    size: int


class _Served:
    """The bytes as served, and how many there were."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.count = 0

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self._source.read(_CHUNK):
            self.count += len(chunk)
            yield chunk


class _Pulled(io.RawIOBase):
    """Chunks, for a reader that wants to choose how much it reads."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        while not self._rest:
            chunk = next(self._chunks, None)
            if chunk is None:
                return 0
            self._rest = memoryview(chunk)
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def unfold(source: BinaryIO, target: BinaryIO, order: Order, leave: Callable[[], None]) -> Stored:
    """Write the disk that is in `source`; ImageError when it is not to be had.

    `leave` returns when there is room for LEAVE bytes more: a few served bytes may be many.
    """
    served = _Served(source)
    chunks = _plain(served, order)
    if order.packing == "layer":
        chunks = _disk_of(chunks)
    writer, digest, first, granted = SparseWriter(target), hashlib.sha256(), True, 0
    for chunk in chunks:
        if first and (inner := detect(chunk)):
            raise _refused(
                "NestedCompression", f"in the file is another {inner} stream; one layer is unfolded"
            )
        first = False
        digest.update(chunk)
        if writer.written + len(chunk) > granted:
            leave()
            granted = writer.written + LEAVE
        writer.write(chunk)
    writer.finish()
    return Stored(f"sha256:{digest.hexdigest()}", writer.size)


def _plain(served: _Served, order: Order) -> Iterator[bytes]:
    """Without the compression, if there is one, and within the bounds."""
    chunks = iter(served)
    first = next(chunks, b"")
    name = detect(first)
    total = 0
    for chunk in unfolded(name, _again(first, chunks)) if name else _again(first, chunks):
        total += len(chunk)
        if total > order.most:
            raise _refused("ImageTooLarge", f"the file unfolds to more than the {order.most} bytes allowed")
        if total > max(FREE, order.ratio * served.count):
            raise _refused(
                "ImageTooLarge", f"the file unfolds to over {order.ratio} times its size, which is the limit"
            )
        yield chunk


def _again(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _disk_of(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The one file below disk/ of a layer; everything else in it is passed over, nothing is ever extracted."""
    found = False
    stream = io.BufferedReader(_Pulled(chunks), _CHUNK)
    try:
        with tarfile.open(fileobj=stream, mode="r|") as layer:
            for member in layer:
                if not _below_disk(member):
                    continue
                if found:
                    raise _refused("BadLayer", "the layer has more than one file below disk/")
                found = True
                content = layer.extractfile(member)
                if content is None:
                    raise AssertionError(member.name)
                while chunk := content.read(_CHUNK):
                    yield chunk
    except (tarfile.TarError, EOFError, UnicodeError, ValueError, OverflowError) as error:
        raise _refused("BadLayer", f"the layer is no sound tar: {error}") from error
    if not found:
        raise _refused("BadLayer", "the layer has no file below disk/")


def _below_disk(member: tarfile.TarInfo) -> bool:
    """Whether it is the disk; ImageError for what a container disk must not have there."""
    parts = [part for part in PurePosixPath(member.name.lstrip("/")).parts if part != "."]
    if ".." in parts:
        raise _refused("BadLayer", "the layer has a name with .. in it")
    if not parts or parts[0] != _DISK:
        return False
    if member.isdir():
        return False
    if member.issym() or member.islnk():
        raise _refused("BadLayer", "the layer has a link below disk/; a regular file is needed")
    if len(parts) == 1 or not member.isreg() or member.issparse():
        raise _refused("BadLayer", "the layer has something below disk/ that is no regular file")
    return True


def _refused(reason: str, message: str) -> ImageError:
    return ImageError(reason, message, permanent=True)


def _main() -> int:
    order = Order(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    agent = socket.socket(fileno=int(sys.argv[4]))

    def leave() -> None:
        agent.sendall(ASK)
        if not agent.recv(1):
            sys.exit(1)  # there is no room, and nobody waits for this process any more

    try:
        with os.fdopen(1, "wb", closefd=False) as target:
            made = asdict(unfold(sys.stdin.buffer, target, order, leave))
    except ImageError as error:
        made = {"reason": error.reason, "message": error.message, "permanent": error.permanent}
    except MemoryError:
        made = {
            "reason": "ImageTooLarge",
            "message": "unfolding takes more memory than is allowed",
            "permanent": True,
        }
    except OSError as error:
        # RLIMIT_FSIZE is never met: what may come out is counted.
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = DISK_FULL if full else "NodeError"
        made = {"reason": reason, "message": f"the node's disk: {error.strerror}", "permanent": False}
    sys.stderr.write(json.dumps(made) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(_main())
