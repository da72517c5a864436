"""Disks of a simulated node: empty files under the right names, so that the agent finds what it made."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from orlop_agent.domain.spec import Disk, DiskFile
from orlop_agent.paths import Layout
from orlop_agent.simulation.latencies import Latencies, take
from orlop_agent.volume.driver import Origin, Tell, VolumeData, unheard
from orlop_api.assignment import AssignmentSpec


class SimulatedDisks:
    """An Instance's own."""

    def __init__(self, latencies: Latencies) -> None:
        self._latencies = latencies

    async def empty(self, path: Path, size: int) -> None:  # noqa: ARG002 - of no bytes
        await take(self._latencies.disk)
        path.touch()  # noqa: ASYNC240 - in memory, as all that a simulated node keeps

    async def overlay(self, path: Path, size: int, base: Path, base_format: str) -> None:  # noqa: ARG002
        await self.empty(path, size)

    async def seed(self, layout: Layout, spec: AssignmentSpec, user_data: bytes) -> Path:  # noqa: ARG002
        return layout.seed(spec.instance.uid)


class SimulatedVolumes:
    """Data of Volumes, of every driver: its size, and nothing in it."""

    def __init__(self, root: Path, latencies: Latencies) -> None:
        self._root = root
        self._latencies = latencies
        self._sizes: dict[str, int] = {}
        self._notes: dict[str, bytes] = {}

    def disk(self, data: VolumeData) -> Disk:
        return Disk(DiskFile(self._root / f"{data.uid}.raw"), "raw", luks=data.luks)

    @asynccontextmanager
    async def origin(self, data: VolumeData) -> AsyncIterator[Origin]:
        yield Origin(self.disk(data))

    async def exists(self, data: VolumeData) -> bool:
        return data.uid in self._sizes

    async def create(self, data: VolumeData, size: int) -> None:
        if data.uid not in self._sizes:
            await take(self._latencies.disk)
            self._sizes[data.uid] = size

    async def copy_from(self, data: VolumeData, origin: Disk, size: int, tell: Tell = unheard) -> None:  # noqa: ARG002
        await self.create(data, size)

    async def size(self, data: VolumeData) -> int:
        return self._sizes[data.uid]

    async def unlock(self, data: VolumeData) -> None:
        """Any passphrase does."""

    async def grow(self, data: VolumeData, size: int) -> None:
        self._sizes[data.uid] = max(size, self._sizes.get(data.uid, 0))

    async def delete(self, data: VolumeData) -> None:
        self._sizes.pop(data.uid, None)
        self._notes.pop(data.uid, None)

    async def discard(self, data: VolumeData) -> None:
        """A restore of nothing leaves nothing."""

    async def note(self, data: VolumeData, text: bytes) -> None:
        self._notes[data.uid] = text

    async def noted(self, data: VolumeData) -> bytes | None:
        return self._notes.get(data.uid)
