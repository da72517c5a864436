"""gzip, xz and zstd, told by their first bytes and unfolded piece by piece in bounded memory."""

from __future__ import annotations

import lzma
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

from orlop_agent.image.errors import ImageError

_MAGIC = {b"\x1f\x8b": "gzip", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
_PIECE = 1 << 20
_XZ_MEMORY = 100 << 20
"""What `xz -9` needs to unfold, and some room (xz(1))."""
_ZSTD_WINDOW = 1 << 27
"""What `zstd --long` uses (zstd(1))."""
_ZSTD_FEED = 1 << 12
"""A block of 128 KiB of zeros is four bytes (RFC 8878, 3.1.1.2), so what is fed at once bounds what comes out."""


class _Stream(Protocol):
    """One gzip member, xz stream or zstd frame."""

    ended: bool
    left: bytes
    """What was fed and is not part of it, once it has ended."""

    def feed(self, data: bytes) -> Iterator[bytes]: ...


class _Gzip:
    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=31)
        self.ended, self.left = False, b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        while data and not self._stream.eof:
            yield self._stream.decompress(data, _PIECE)
            data = self._stream.unconsumed_tail
        self.ended, self.left = self._stream.eof, self._stream.unused_data


class _Xz:
    def __init__(self) -> None:
        self._stream = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)
        self.ended, self.left = False, b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        yield self._stream.decompress(data, _PIECE)
        while not self._stream.eof and not self._stream.needs_input:
            yield self._stream.decompress(b"", _PIECE)
        self.ended, self.left = self._stream.eof, self._stream.unused_data


class _Zstd:
    def __init__(self) -> None:
        import zstandard  # noqa: PLC0415 - large, and only the confined process needs it

        self._stream: Any = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).decompressobj()
        self.ended, self.left = False, b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        view = memoryview(data)
        for start in range(0, len(view), _ZSTD_FEED):
            yield self._stream.decompress(view[start : start + _ZSTD_FEED])
            if self._stream.eof:
                self.ended = True
                self.left = self._stream.unused_data + bytes(view[start + _ZSTD_FEED :])
                return


_STREAMS: dict[str, Callable[[], _Stream]] = {"gzip": _Gzip, "xz": _Xz, "zstd": _Zstd}


def detect(head: bytes) -> str | None:
    """Which of the three a stream is, from its first bytes."""
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)


def unfolded(name: str, chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The plain bytes. Streams that follow one another count as one, as the programs of those names have it.

    ImageError: damaged, ends early, needs too much memory, or something else follows.
    """
    stream: _Stream | None = None
    for chunk in chunks:
        data = chunk
        while data:
            if stream is None:
                data = data.lstrip(b"\0")  # padding: xz allows it, and what copies whole blocks adds it
                if not data:
                    break
                stream = _STREAMS[name]()
            try:
                yield from (piece for piece in stream.feed(data) if piece)
            except (zlib.error, lzma.LZMAError, EOFError, ValueError) as error:
                raise _damaged(name, error) from error
            except Exception as error:
                if type(error).__module__.partition(".")[0] not in {"zstandard", "zstd"}:
                    raise
                raise _damaged(name, error) from error
            data = stream.left if stream.ended else b""
            if stream.ended:
                stream = None
    if stream is not None:
        raise ImageError("CorruptImage", f"the {name} stream ends early", permanent=False)


def _damaged(name: str, error: Exception) -> ImageError:
    return ImageError("CorruptImage", f"the {name} stream cannot be unfolded: {error}", permanent=True)
