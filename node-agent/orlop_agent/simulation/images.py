"""The image cache of a simulated node: names of files that are not there, after the time that a fetch would take."""

from __future__ import annotations

import asyncio
import hashlib
import time
from pathlib import Path

from orlop_agent.image.evict import Cached
from orlop_agent.image.fetch import Progress
from orlop_agent.image.header import stored_as
from orlop_agent.image.store import ImageFiles
from orlop_agent.simulation.latencies import Latencies, take
from orlop_api.assigned_image import AssignedImage, BootFile
from orlop_api.assignment import AssignedSecret
from orlop_api.hypervisor import ImportOrder, ImportReport, ImportState
from orlop_api.image import ImageFormat

_SIZE = 64 << 20
"""Bytes of each image, as it is told."""
_CAPACITY = 1 << 40


class SimulatedImages:
    """Every image exists, and is what its URL hashes to."""

    def __init__(self, root: Path, latencies: Latencies) -> None:
        self._root = root
        self._latencies = latencies
        self._used_at: dict[str, float] = {}
        self._fetching: dict[str, asyncio.Task[None]] = {}

    def digests(self) -> list[str]:
        return sorted(self._used_at)

    def cached(self) -> list[Cached]:
        return [Cached(digest, _SIZE, used_at) for digest, used_at in list(self._used_at.items())]

    def capacity(self) -> int:
        return _CAPACITY

    def busy(self) -> set[str]:
        return set(self._fetching)

    async def tidy(self) -> int:
        """There is always room."""
        return 0

    async def relieve(self) -> None:
        """There is always room."""

    async def ensure(
        self,
        image: AssignedImage,
        progress: Progress,  # noqa: ARG002 - it is not there, and then it is
        secret: AssignedSecret | None = None,  # noqa: ARG002 - nobody asks for a login
    ) -> ImageFiles:
        await self._fetch(image.digest)
        kernel, initrd = await self.boot_files(image)
        return ImageFiles(self._path(image.digest), stored_as(image.format), kernel, initrd)

    async def boot_files(self, image: AssignedImage) -> tuple[Path | None, Path | None]:
        return self._boot_file(image.kernel), self._boot_file(image.initrd)

    async def run_import(
        self,
        order: ImportOrder,
        progress: Progress,  # noqa: ARG002 - as above
    ) -> ImportReport:
        digest = order.checksum if order.checksum is not None and order.checksum.startswith("sha256:") else ""
        digest = digest or f"sha256:{hashlib.sha256(order.source.model_dump_json().encode()).hexdigest()}"
        await self._fetch(digest)
        return ImportReport(
            image_uid=order.image_uid,
            generation=order.generation,
            state=ImportState.READY,
            digest=digest,
            format=order.format or ImageFormat.QCOW2,
            size_bytes=_SIZE,
            virtual_size_bytes=_SIZE,
        )

    async def _fetch(self, digest: str) -> None:
        """Once, however many wait for it."""
        if digest not in self._used_at:
            task = self._fetching.get(digest)
            if task is None:
                task = self._fetching[digest] = asyncio.create_task(take(self._latencies.image))
                task.add_done_callback(lambda _: self._fetching.pop(digest, None))
            await asyncio.shield(task)
        self._used_at[digest] = time.time()

    def _boot_file(self, file: BootFile | None) -> Path | None:
        return self._path(file.digest) if file is not None else None

    def _path(self, digest: str) -> Path:
        return self._root / digest.removeprefix("sha256:")
