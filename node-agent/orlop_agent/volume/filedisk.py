"""The data of one Volume as a file: what the drivers that keep files have in common."""

from __future__ import annotations

import asyncio
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from orlop_agent import durable
from orlop_agent.domain.spec import Disk, DiskFile, Luks
from orlop_agent.failure import StepError
from orlop_agent.volume import qemu_img
from orlop_agent.volume.driver import Tell, unheard
from orlop_agent.volume.file import InThread, make_once, remove, remove_all
from orlop_agent.volume.reflink import reflink
from orlop_api.image import DiskFormat
from orlop_api.quantity import rounded
from orlop_api.volume_class import Preallocation

_SPARE, _SPARE_SHARE = 1 << 30, 20
"""Bytes that copies leave free: so many, or one part in so many of a small file system, as the image cache does."""
_RESERVES = frozenset({Preallocation.FALLOC, Preallocation.FULL})
"""What is shared has no room of its own to be written to."""


@dataclass(frozen=True, slots=True)
class FileDisk:
    """A file that is one Volume's."""

    path: Path
    format: DiskFormat
    preallocation: Preallocation = Preallocation.OFF
    cache: str | None = None
    """How QEMU shall cache it, where that is another way than in the node's data pool."""
    in_thread: InThread = asyncio.to_thread
    """Where calls are made that the file system may keep waiting."""
    luks: Luks | None = None
    """None where it is not encrypted."""

    @property
    def disk(self) -> Disk:
        """What QEMU opens."""
        reserved = self.preallocation in _RESERVES
        return Disk(
            DiskFile(self.path), self.format.value, cache=self.cache, luks=self.luks, reserved=reserved
        )

    async def exists(self) -> bool:
        """Whether it is there; what is no regular file is never opened."""
        try:
            found = await self.in_thread(os.lstat, self.path)
        except FileNotFoundError:
            return False
        if not stat.S_ISREG(found.st_mode):
            raise StepError("BadVolume", "the volume's file is not a regular file", permanent=True)
        return True

    async def create(self, size: int) -> None:
        """Make it, empty, unless it is there."""

        async def make(aside: Path) -> None:
            preallocation = self.preallocation.value.lower()
            form = self.format.value
            await qemu_img.create(aside, size, form=form, preallocation=preallocation, sealed=self.luks)

        if not await self.exists():
            await make_once(self.path, make, self.in_thread)

    async def copy_from(self, origin: Disk, size: int, tell: Tell = unheard) -> None:
        """Make it as a copy that stands alone, unless it is there."""

        async def make(aside: Path) -> None:
            made = Disk(DiskFile(aside), self.format.value, luks=self.luks)
            had = await qemu_img.virtual_size(origin)
            if had > size:
                raise StepError(
                    "VolumeTooSmall",
                    f"what is copied has {had} bytes, the volume {size}: it needs at least as many",
                    permanent=True,
                )
            if not await self._share(origin, aside):
                await self._room_for(origin)
                preallocation = self.preallocation.value.lower()
                await qemu_img.convert(origin, made, had, preallocation=preallocation, tell=tell)
            if had < size:
                await qemu_img.resize(made, size)

        if not await self.exists():
            await make_once(self.path, make, self.in_thread)

    async def _share(self, origin: Disk, aside: Path) -> bool:
        """Copy without copying, where that gives what the class promises.

        What is shared is encrypted as the origin is: with the same passphrase, as whoever opened the origin made sure.
        """
        if origin.base is not None or origin.format != self.format.value or self.preallocation in _RESERVES:
            return False
        if (origin.luks is None) is not (self.luks is None):
            return False
        match origin.source:
            case DiskFile(path):
                return await self.in_thread(reflink, path, aside)
            case _:
                return False

    async def _room_for(self, origin: Disk) -> None:
        """A copy that cannot be finished is not begun: until it fails nobody else could write either."""
        needed = await qemu_img.measure(origin)
        free, spare = await self.in_thread(room, self.path.parent)
        if needed > free - spare:
            raise StepError(
                "DiskFull",
                f"a copy needs {rounded(needed)}; where the data is kept {rounded(free)} are free, and"
                f" {rounded(spare)} of that stay for what machines write",
            )

    async def size(self) -> int:
        """Bytes that a guest sees."""
        return await qemu_img.virtual_size(self.disk)

    async def unlock(self) -> None:
        """See that the passphrase opens it, if it is encrypted."""
        await qemu_img.unlock(self.disk)

    async def grow(self, size: int) -> None:
        """Give it `size` bytes, unless it has as many."""
        if await self.size() < size:
            await qemu_img.resize(self.disk, size)

    async def delete(self) -> None:
        """Delete it, what is left of a making that was broken off, and what is noted of it."""
        await self.in_thread(remove, self.path)
        await self.in_thread(durable.remove, self._note)

    async def delete_all(self, uid: str) -> None:
        """The same of every file of this uid."""
        await self.in_thread(remove_all, self.path.parent, uid)
        # By name too: NFS lists a directory as it was a while ago, and may not know of what another node made since.
        await self.delete()

    async def discard(self, uid: str) -> None:
        """Delete it, and what is left of any making of this uid: where nodes share a place nobody sweeps it."""
        await self.in_thread(remove_all, self.path.parent, uid, self.path)

    async def note(self, text: bytes) -> None:
        """Keep a note beside it."""
        await self.in_thread(durable.write, self._note, text)

    async def noted(self) -> bytes | None:
        """The note, if there is one."""
        try:
            return await self.in_thread(self._note.read_bytes)
        except FileNotFoundError:
            return None

    @property
    def _note(self) -> Path:
        return self.path.with_suffix(".note")


def room(directory: Path) -> tuple[int, int]:
    """Bytes that are free there, and how many of them copies leave."""
    system = os.statvfs(directory)
    return system.f_bavail * system.f_frsize, min(_SPARE, system.f_blocks * system.f_frsize // _SPARE_SHARE)
