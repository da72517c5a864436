"""Class `shared`: one file for each Volume in a directory that several nodes have mounted.

Which node may write is the operator's claim; QEMU's own locks, which the file system carries between nodes, are
the last line.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, nullcontext
from functools import partial
from pathlib import Path

from orlop_agent.domain.spec import Disk
from orlop_agent.failure import StepError
from orlop_agent.volume.driver import Origin, Tell, VolumeData, unheard
from orlop_agent.volume.filedisk import FileDisk
from orlop_agent.volume.local import file_name
from orlop_agent.volume.pools import SharedPools
from orlop_api.volume_class import SharedLocation

_VOLUMES = "volumes"


class SharedVolumes:
    """Files in the directory `volumes` of each pool, named by their Volume's uid."""

    def __init__(self, pools: SharedPools) -> None:
        self._pools = pools

    def disk(self, data: VolumeData) -> Disk:
        return self._file(data).disk

    def origin(self, data: VolumeData) -> AbstractAsyncContextManager[Origin]:
        return nullcontext(Origin(self.disk(data)))

    async def exists(self, data: VolumeData) -> bool:
        return await (await self._enter(data)).exists()

    async def create(self, data: VolumeData, size: int) -> None:
        await (await self._enter(data)).create(size)

    async def copy_from(self, data: VolumeData, origin: Disk, size: int, tell: Tell = unheard) -> None:
        await (await self._enter(data)).copy_from(origin, size, tell)

    async def size(self, data: VolumeData) -> int:
        return await (await self._enter(data)).size()

    async def unlock(self, data: VolumeData) -> None:
        await (await self._enter(data)).unlock()

    async def grow(self, data: VolumeData, size: int) -> None:
        await (await self._enter(data)).grow(size)

    async def delete(self, data: VolumeData) -> None:
        await (await self._enter(data)).delete_all(data.uid)

    async def discard(self, data: VolumeData) -> None:
        await (await self._enter(data)).discard(data.uid)

    async def note(self, data: VolumeData, text: bytes) -> None:
        await (await self._enter(data)).note(text)

    async def noted(self, data: VolumeData) -> bytes | None:
        return await (await self._enter(data)).noted()

    async def _enter(self, data: VolumeData) -> FileDisk:
        """The Volume's file, once it is sure that the pool is there, and the right one."""
        file, kept = self._file(data), _kept(data)
        await self._pools.enter(kept.pool, kept.pool_id)
        await file.in_thread(_make, file.path.parent)
        return file

    def _file(self, data: VolumeData) -> FileDisk:
        kept = _kept(data)
        pool, cache = self._pools.place(kept.pool, kept.pool_id)
        path = pool / _VOLUMES / file_name(data.uid, kept.format.value, data.location.generation)
        ask = partial(self._pools.ask, kept.pool)
        return FileDisk(path, kept.format, kept.preallocation, cache, ask, data.luks)


def _make(directory: Path) -> None:
    directory.mkdir(mode=0o755, exist_ok=True)


def _kept(data: VolumeData) -> SharedLocation:
    if data.location.shared is None:
        raise StepError("BadOrder", "the volume is in no shared pool", permanent=True)
    return data.location.shared
