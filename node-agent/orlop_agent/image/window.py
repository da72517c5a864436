"""A foreign disk as the header checks see it: short pieces at given places, never the whole."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

_MOST = 4 << 20


class Window(Protocol):
    """A file that is read here and there."""

    size: int

    def at(self, offset: int, length: int) -> bytes:
        """Those bytes, fewer where the file ends."""


@dataclass(frozen=True, slots=True)
class Bytes:
    """The beginning of a file of that size."""

    head: bytes
    size: int

    def at(self, offset: int, length: int) -> bytes:
        return self.head[offset : offset + length]


class OpenFile:
    """A file on disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.size = path.stat().st_size

    def at(self, offset: int, length: int) -> bytes:
        if not 0 <= offset <= self.size:
            return b""
        with self._path.open("rb") as file:
            file.seek(offset)
            return file.read(min(length, _MOST))
