"""Write a stream into a file with holes where it is nothing but zeros."""

from __future__ import annotations

from typing import BinaryIO

from orlop_agent.image.whole import write_whole

_BLOCK = 1 << 16
_ZEROS = bytes(_BLOCK)


class SparseWriter:
    """Fed from front to back; `finish` gives the file its length."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._end = 0
        self._at = 0
        """The file's own position: it stays behind while there are only zeros."""
        self.written = 0
        """Bytes that take room: the holes are not among them."""

    @property
    def size(self) -> int:
        """Bytes that were fed."""
        return self._end

    def write(self, data: bytes) -> None:
        """Append."""
        view = memoryview(data)
        start = position = 0
        while position < len(view):
            step = min(_BLOCK - (self._end + position) % _BLOCK, len(view) - position)
            if _is_zero(view[position : position + step]):
                self._put(view[start:position], start)
                start = position + step
            position += step
        self._put(view[start:], start)
        self._end += len(view)

    def finish(self) -> None:
        """Give the file its length, zeros at its end included."""
        self._file.flush()
        self._file.truncate(self._end)

    def _put(self, piece: memoryview, offset: int) -> None:
        if not piece:
            return
        where = self._end + offset
        if where != self._at:
            self._file.seek(where)
        write_whole(self._file, piece)
        self.written += len(piece)
        self._at = where + len(piece)


def _is_zero(piece: memoryview) -> bool:
    # Most pieces of a disk that are not zeros say so at one of these three; only the others are compared.
    if piece[0] or piece[-1] or piece[len(piece) // 2]:
        return False
    return bytes(piece) == _ZEROS[: len(piece)]
