"""Room in the data pool for what is being fetched, so that a new image never takes what running guests need.

The pool keeps some bytes free for the disks of guests, which grow. Whoever fetches books what is still to come;
where it does not fit, cached images that nothing uses go first.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from orlop_agent.image.errors import ImageError
from orlop_agent.image.shelf import PART, Shelf
from orlop_agent.image.transfer import Expect
from orlop_api.quantity import rounded

_SPARE, _SPARE_SHARE = 1 << 30, 20
"""Bytes that stay free: so many, or one part in so many of a small pool."""
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class Room:
    """The file system that the cache is on."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._bookings: set[Booking] = set()

    @contextmanager
    def part(self) -> Iterator[tuple[Path, Expect]]:
        """A file to fetch into, gone afterwards unless it was kept; and who is told how much is to come."""
        part = self._shelf.root / f"{PART}{secrets.token_hex(8)}"
        with self.booking() as booking:
            try:
                yield part, booking.expect
            finally:
                part.unlink(missing_ok=True)

    @contextmanager
    def booking(self) -> Iterator[Booking]:
        """For one file that is about to be written. A full disk becomes ImageError DiskFull."""
        booking = Booking(self)
        self._bookings.add(booking)
        try:
            yield booking
        except OSError as error:
            if error.errno in _FULL:
                raise self._full(booking.bytes) from error
            raise
        finally:
            self._bookings.discard(booking)

    async def tidy(self) -> int:
        """Keep the limits, and the pool's spare bytes where that can be done; bytes that were freed."""
        booked = self._booked()
        return await self._shelf.clear(incoming=booked, short=booked + self._spare() - self._free())

    async def relieve(self) -> None:
        """Before a new disk: where the pool's spare bytes are in use, cached images make room, if they can."""
        if self._free() - self._booked() < self._spare():
            await self.tidy()

    async def need(self) -> None:
        """ImageError DiskFull unless all that is booked fits."""
        booked, spare = self._booked(), self._spare()
        if self._free() - booked < spare or self._over(booked):
            await self.tidy()
        if self._free() - self._booked() < spare:
            raise self._full(self._booked())

    def _over(self, booked: int) -> bool:
        return booked + sum(file.size for file in self._shelf.cached()) > self._shelf.capacity()

    def _booked(self) -> int:
        return sum(booking.bytes for booking in self._bookings)

    def _free(self) -> int:
        pool = os.statvfs(self._shelf.root)
        return pool.f_bavail * pool.f_frsize

    def _spare(self) -> int:
        pool = os.statvfs(self._shelf.root)
        return min(_SPARE, pool.f_blocks * pool.f_frsize // _SPARE_SHARE)

    def _full(self, wanted: int) -> ImageError:
        return ImageError(
            "DiskFull",
            f"the node's data pool has {rounded(self._free())} free and keeps {rounded(self._spare())} for the disks "
            f"of machines; {rounded(wanted)} of images are still to come, and no cached image can go",
            permanent=False,
        )


class Booking:
    """What one file still needs."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.bytes = 0

    async def expect(self, size: int) -> None:
        """So many bytes are still to be written. ImageError DiskFull when there is no room for them."""
        self.bytes = size
        await self._room.need()
