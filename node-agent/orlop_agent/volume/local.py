"""Class `local`: one file for each Volume in this node's data pool."""

from __future__ import annotations

import re
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path

from orlop_agent.domain.spec import Disk
from orlop_agent.failure import StepError
from orlop_agent.volume.driver import Origin, Tell, VolumeData, unheard
from orlop_agent.volume.filedisk import FileDisk
from orlop_api.volume_class import LocalParameters

_UID = re.compile(r"[0-9a-zA-Z][0-9a-zA-Z-]{0,63}")


def file_name(uid: str, suffix: str, generation: int | None = None) -> str:
    """The name of a Volume's file; StepError for what is no uid."""
    if not _UID.fullmatch(uid):
        raise StepError("BadVolume", f"{uid!r} is no uid", permanent=True)
    return f"{uid}.{suffix}" if generation is None else f"{uid}.{generation}.{suffix}"


class LocalVolumes:
    """Files below `directory`, named by their Volume's uid and generation."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def disk(self, data: VolumeData) -> Disk:
        return self._file(data).disk

    def origin(self, data: VolumeData) -> AbstractAsyncContextManager[Origin]:
        return nullcontext(Origin(self.disk(data)))

    async def exists(self, data: VolumeData) -> bool:
        return await self._file(data).exists()

    async def create(self, data: VolumeData, size: int) -> None:
        await self._file(data).create(size)

    async def copy_from(self, data: VolumeData, origin: Disk, size: int, tell: Tell = unheard) -> None:
        await self._file(data).copy_from(origin, size, tell)

    async def size(self, data: VolumeData) -> int:
        return await self._file(data).size()

    async def unlock(self, data: VolumeData) -> None:
        await self._file(data).unlock()

    async def grow(self, data: VolumeData, size: int) -> None:
        await self._file(data).grow(size)

    async def delete(self, data: VolumeData) -> None:
        await self._file(data).delete_all(data.uid)

    async def discard(self, data: VolumeData) -> None:
        await self._file(data).discard(data.uid)

    async def note(self, data: VolumeData, text: bytes) -> None:
        await self._file(data).note(text)

    async def noted(self, data: VolumeData) -> bytes | None:
        return await self._file(data).noted()

    def _file(self, data: VolumeData) -> FileDisk:
        kept = data.location.local or LocalParameters()
        path = self._directory / file_name(data.uid, kept.format.value, data.location.generation)
        return FileDisk(path, kept.format, kept.preallocation, luks=data.luks)
