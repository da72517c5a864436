"""Class `local`: one qcow2 for each Volume in this node's data pool."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

from orlop_agent import durable
from orlop_agent.failure import StepError
from orlop_agent.volume.file import make_once
from orlop_api.assignment import AssignedVolume

_UID = re.compile(r"[0-9a-zA-Z][0-9a-zA-Z-]{0,63}")


class LocalVolumes:
    """Files below `directory`, named by their Volume's uid."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def ensure(self, volume: AssignedVolume) -> Path:
        """The file; made once and never again."""
        path = self._path(volume.volume_uid)
        if volume.created == "Created" and not await asyncio.to_thread(path.exists):
            raise StepError(
                "DiskLost",
                f"the data of volume {volume.name} ({volume.volume_uid}) is not in this node's pool any more",
                permanent=True,
            )
        await make_once(path, volume.size_bytes)
        return path

    async def delete(self, volume_uid: str) -> None:
        await asyncio.to_thread(durable.remove, self._path(volume_uid))

    def exists(self, volume_uid: str) -> bool:
        return self._path(volume_uid).exists()

    def _path(self, volume_uid: str) -> Path:
        if not _UID.fullmatch(volume_uid):
            raise StepError("BadVolume", f"{volume_uid!r} is no uid", permanent=True)
        return self._directory / f"{volume_uid}.qcow2"
