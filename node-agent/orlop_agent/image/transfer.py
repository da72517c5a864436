"""One file on its way: what has arrived, its running hashes, and whether it may go on after a cut."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orlop_agent.image.errors import ImageError
from orlop_agent.image.signature import Proof
from orlop_agent.image.sink import Packing, Sink, sink

_SNIFF = 8
"""Bytes that tell a compression."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What arrived, and what is in the file now."""

    digest: str
    """sha256 of the bytes as served."""
    size: int
    """Bytes as served."""
    content_digest: str
    """sha256 of the file."""
    stored: int
    """Bytes of the file."""


Expect = Callable[[int], Awaitable[None]]
"""Called with bytes that are still to be written, before they are; ImageError where there is no room for them."""


@dataclass(frozen=True, slots=True)
class Part:
    """A file on its way into the cache, and who is told what is still to come."""

    path: Path
    expect: Expect


class Transfer:
    """Fed by one attempt after the other."""

    def __init__(
        self, part: Part, checksums: Sequence[str], packing: Packing, proof: Proof | None = None
    ) -> None:
        self._checksums = checksums
        self._proof = proof
        self.checked = bool(checksums) or proof is not None
        """Whether the whole is known by more than where it comes from."""
        self.received = 0
        self.expected: int | None = None
        """Bytes in all, when a server said."""
        self.resumed = False
        """Whether what is here came in several pieces."""
        self.in_one_go = False
        """Whether pieces are not to be trusted any more."""
        self.part = part
        self._packing = packing
        self._sink: Sink | None = None
        self._head = b""
        self._validator = ""
        self._place = ""
        self._hashes = self._fresh()

    def _fresh(self) -> dict[str, Any]:
        kinds = {"sha256", *(checksum.partition(":")[0] for checksum in self._checksums)}
        kinds |= {self._proof.kind} if self._proof is not None else set()
        return {kind: hashlib.new(kind) for kind in kinds}

    def continuation(self, place: str) -> dict[str, str]:
        """The headers that ask for the rest; none where only the whole file will do."""
        if not self.received or self.in_one_go:
            return {}
        validator = self._validator if place == self._place else ""
        if validator:
            return {"Range": f"bytes={self.received}-", "If-Range": validator}
        if self.checked:
            return {"Range": f"bytes={self.received}-"}
        return {}

    def heard(self, place: str, headers: Mapping[str, str]) -> None:
        """A place answers: by which mark its file is known there."""
        if self.received:
            self.resumed = True
        tag = headers.get("ETag", "")
        # A weak one says nothing about bytes (RFC 9110, 8.8.1).
        self._validator = tag if tag.startswith('"') else headers.get("Last-Modified", "")
        self._place = place

    async def look(self, least: int = 0) -> None:
        """At the room for what is still to come, so many bytes at least; ImageError where there is too little."""
        await self.part.expect(max(least, (self.expected or self.received) - self.received))

    async def take(self, chunk: bytes) -> None:
        """Hash and write, side by side."""
        self.received += len(chunk)
        if self._sink is None:
            self._head += chunk
            if len(self._head) < _SNIFF:
                await asyncio.to_thread(self._hash, chunk)
                return
            self._sink = sink(self._head, self.part.path, self._packing, self.look)
            written = self._sink.write(self._head)
        else:
            written = self._sink.write(chunk)
        hashed = asyncio.create_task(asyncio.to_thread(self._hash, chunk))
        try:
            await written
        finally:
            await hashed

    def _hash(self, chunk: bytes) -> None:
        for known in self._hashes.values():
            known.update(chunk)

    async def finish(self) -> Fetched:
        """All is here: ImageError when it is not what was asked for, or no disk could be made of it."""
        for checksum in self._checksums:
            kind, _, wanted = checksum.partition(":")
            if self._hashes[kind].hexdigest() != wanted:
                raise ImageError(
                    "ChecksumMismatch",
                    f"the file's {kind} is {self._hashes[kind].hexdigest()}, the Image wants {wanted}",
                    permanent=True,
                )
        if self._proof is not None:
            self._proof.verify(self._hashes[self._proof.kind].digest())
        if self._sink is None:
            self._sink = sink(self._head, self.part.path, self._packing, self.look)
            await self._sink.write(self._head)
        stored = await self._sink.finish()
        digest = f"sha256:{self._hashes['sha256'].hexdigest()}"
        if stored is None:
            return Fetched(digest, self.received, digest, self.received)
        return Fetched(digest, self.received, stored.content_digest, stored.size)

    async def restart(self) -> None:
        """Forget what has arrived."""
        await self.abort()
        self._hashes = self._fresh()
        self.received, self.expected, self.resumed, self._head = 0, None, False, b""

    async def abort(self) -> None:
        """What was written is worth nothing."""
        if self._sink is not None:
            await self._sink.abort()
            self._sink = None
