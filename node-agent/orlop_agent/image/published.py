"""Makes the file of an Image that is published: what a Volume holds, or a root disk with all that is below it.

It is a qcow2 that stands alone, whatever the disk was, so that nothing that a guest wrote can be taken for a header.
"""

from __future__ import annotations

import asyncio
import errno
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from orlop_agent.domain.spec import Disk, DiskFile
from orlop_agent.failure import StepError
from orlop_agent.hypervisor import Hypervisor, HypervisorError
from orlop_agent.image.bases import backing_file
from orlop_agent.image.errors import ImageError
from orlop_agent.image.fetch import Progress
from orlop_agent.image.foreign import qcow2
from orlop_agent.image.header import examine
from orlop_agent.image.names import served_digest
from orlop_agent.image.transfer import Part
from orlop_agent.image.window import OpenFile
from orlop_agent.paths import Layout
from orlop_agent.snapshots import Snapshots
from orlop_agent.volume import qemu_img
from orlop_agent.volume.driver import VolumeData
from orlop_api.hypervisor import PublishedOrigin
from orlop_api.image import ImageFormat

_LOOK = 2.0
"""Seconds between looks at how far a copy is."""
_BLOCK = 512
"""Bytes of a unit of st_blocks (stat(2))."""


class Maker(Protocol):
    """What makes such files."""

    async def make(self, origin: PublishedOrigin, part: Part, progress: Progress) -> None:
        """Write the disk to the part. ImageError; OSError of the node's own disk."""


class Publishing(Protocol):
    """What reads disks that no guest has, to make Images of them."""

    async def give_way(self, uid: str) -> None:
        """Let go of this Instance's root disk, or this Volume."""


@dataclass
class _Copy:
    """One that is under way."""

    what: str
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Publisher:
    """Of this node's Volumes and root disks."""

    def __init__(self, layout: Layout, snapshots: Snapshots, hypervisor: Hypervisor) -> None:
        self._layout = layout
        self._snapshots = snapshots
        self._hypervisor = hypervisor
        self._copies: dict[str, list[_Copy]] = {}
        """By the uid of the Instance or Volume that is read."""

    async def make(self, origin: PublishedOrigin, part: Part, progress: Progress) -> None:
        """Write the disk to the part. ImageError; OSError of the node's own disk."""
        try:
            async with self._open(origin) as (disk, copy):
                await _write(disk, part, progress, copy)
        except StepError as error:
            if "No space left" in error.message:
                raise OSError(errno.ENOSPC, "the disk is full") from error
            raise ImageError(error.reason, error.message, permanent=error.permanent) from error
        except HypervisorError as error:
            raise ImageError(
                "NotReadable", f"the disk cannot be read now: {error}", permanent=False
            ) from error

    async def give_way(self, uid: str) -> None:
        """End what reads the Instance's root disk, or the Volume: a guest is about to have it, and comes first."""
        copies = tuple(self._copies.get(uid, ()))
        for copy in copies:
            copy.stop.set()
        for copy in copies:
            await copy.over.wait()

    @contextmanager
    def _noted(self, uid: str, what: str) -> Iterator[_Copy]:
        """Until it ends, whoever needs the disk can end it."""
        copy = _Copy(what)
        self._copies.setdefault(uid, []).append(copy)
        try:
            yield copy
        finally:
            left = [other for other in self._copies.pop(uid) if other is not copy]
            if left:
                self._copies[uid] = left
            copy.over.set()

    @asynccontextmanager
    async def _open(self, origin: PublishedOrigin) -> AsyncIterator[tuple[Disk, _Copy]]:
        if origin.instance_uid is not None:
            async with self._root_disk(origin.instance_uid) as opened:
                yield opened
        elif origin.volume_uid is not None and origin.location is not None:
            if origin.location.encryption is not None:
                raise StepError(
                    "NotSupported", "the volume is encrypted, and an Image is not", permanent=True
                )
            data = VolumeData(origin.volume_uid, origin.location)
            async with self._snapshots.reading(data, quiesce=True) as (disk, _):
                with self._noted(origin.volume_uid, "the volume") as copy:
                    yield disk, copy
        else:
            raise StepError("BadOrder", "the order names neither a volume nor an instance", permanent=True)

    @asynccontextmanager
    async def _root_disk(self, instance_uid: str) -> AsyncIterator[tuple[Disk, _Copy]]:
        """An overlay, read with its base. Should its guest start all the same, QEMU's lock ends one of the two."""
        if instance_uid in self._copies:
            raise StepError("InUse", "another Image is being made of the same root disk")
        with self._noted(instance_uid, "the root disk") as copy:
            if await self._hypervisor.lookup(instance_uid) is not None:
                raise StepError("InstanceRunning", "a guest runs with this root disk")
            path = self._layout.root_disk(instance_uid)
            await asyncio.to_thread(_look_at_base, path, self._layout.images)
            yield Disk(DiskFile(path), "qcow2", readonly=True), copy


async def _write(disk: Disk, part: Part, progress: Progress, copy: _Copy) -> None:
    size = await qemu_img.virtual_size(disk)
    needed = await qemu_img.measure(disk)
    await part.expect(needed)
    work = asyncio.create_task(qemu_img.convert(disk, Disk(DiskFile(part.path), "qcow2"), size))
    stopped = asyncio.create_task(copy.stop.wait())
    try:
        while not work.done():
            await asyncio.wait([work, stopped], timeout=_LOOK, return_when=asyncio.FIRST_COMPLETED)
            if copy.stop.is_set():
                message = f"a guest was given {copy.what} while that was read, and comes first"
                raise StepError("InstanceRunning", message)
            written = await asyncio.to_thread(_allocated, part.path)
            await part.expect(max(0, needed - written))
            progress(min(written, needed), needed)
        await work
    finally:
        # What reads the disk has let go of it when this ends.
        for task in (work, stopped):
            task.cancel()
        await asyncio.wait([work, stopped])


def _allocated(path: Path) -> int:
    try:
        return path.stat().st_blocks * _BLOCK
    except FileNotFoundError:
        return 0


def _look_at_base(path: Path, images: Path) -> None:
    """StepError unless the overlay is there, and below it is nothing but a cached file with nothing below it.

    The overlay's header is this node's own: a guest cannot write there. qemu-img opens, as root, what headers name.
    """
    if path.is_symlink() or not path.is_file():
        raise StepError("DiskLost", "the root disk is not where it was", permanent=True)
    base = backing_file(path)
    if base is None:
        return
    below = Path(base)
    if below.parent != images or served_digest(below.name) is None or not below.is_file():
        raise StepError("DiskLost", "the image below the root disk is not where it was", permanent=True)
    window = OpenFile(below)
    if window.at(0, len(qcow2.MAGIC)) == qcow2.MAGIC:
        try:
            examine(window, ImageFormat.QCOW2, (ImageFormat.QCOW2,), sys.maxsize)
        except ImageError as error:
            raise StepError(error.reason, error.message, permanent=True) from error
