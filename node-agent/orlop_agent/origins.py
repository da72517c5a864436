"""What a new Volume begins as: an image, a snapshot, or what another Volume holds at that moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from orlop_agent.domain.spec import Disk, DiskFile
from orlop_agent.failure import StepError
from orlop_agent.image.errors import ImageError
from orlop_agent.image.fetch import Progress
from orlop_agent.image.kept import examine_kept
from orlop_agent.image.store import ImageFiles
from orlop_agent.snapshots import Snapshots
from orlop_agent.volume.driver import VolumeData
from orlop_api.assigned_image import AssignedImage
from orlop_api.assignment import AssignedOrigin


class Images(Protocol):
    """The node's image cache."""

    async def ensure(self, image: AssignedImage, progress: Progress) -> ImageFiles:
        """The files of an image, fetched where they are missing; ImageError."""


class Origins:
    """Opens them for a copy."""

    def __init__(self, images: Images, snapshots: Snapshots) -> None:
        self._images = images
        self._snapshots = snapshots

    @asynccontextmanager
    async def open(self, origin: AssignedOrigin, passphrase: bytes | None = None) -> AsyncIterator[Disk]:
        """The disk, for as long as it is read. StepError: KeyWrong where it is encrypted with another passphrase."""
        if origin.image is not None:
            try:
                files = await self._images.ensure(origin.image, _unheard)
                # qemu-img opens what a header names, as root: so just before it reads, there is nothing below.
                await asyncio.to_thread(examine_kept, files.disk, origin.image.format)
            except ImageError as error:
                raise StepError(error.reason, error.message, permanent=error.permanent) from error
            yield Disk(DiskFile(files.disk), files.format.value, readonly=True)
            return
        if origin.volume_uid is None or origin.location is None:
            raise StepError("BadOrder", "the order names neither an image nor data to copy", permanent=True)
        kept = VolumeData(origin.volume_uid, origin.location, passphrase)
        async with self._snapshots.reading(kept, quiesce=True, held_by=origin.held_by) as (disk, _):
            yield disk


def _unheard(_received: int, _expected: int | None) -> None:
    """The condition of a Volume that is made says Making, however far its image is."""
