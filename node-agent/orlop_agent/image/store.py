"""The node's image cache: files named by digest and use (names.py), read-only, complete or not there.

A file gets its name only after its bytes were hashed and looked at, by one link. However many
Instances wait for a digest, it is fetched once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import structlog

from orlop_agent.image.errors import ImageError
from orlop_agent.image.evict import Cached
from orlop_agent.image.fetch import Progress
from orlop_agent.image.header import CONVERTED, stored_as
from orlop_agent.image.importing import Importing
from orlop_agent.image.inside import Read, nothing
from orlop_agent.image.intake import Intake, Secrets, no_secrets
from orlop_agent.image.kept import Wanted, examine_kept, no_check, no_recheck
from orlop_agent.image.names import boot_name, disk_name
from orlop_agent.image.published import Maker
from orlop_agent.image.refusal import refused
from orlop_agent.image.room import Room
from orlop_agent.image.shelf import Folders, InUse, Shelf, no_folders, unknown
from orlop_agent.image.transfer import Expect, Part
from orlop_agent.metrics import CacheMetrics
from orlop_api.assigned_image import AssignedImage, BootFile
from orlop_api.assignment import AssignedSecret
from orlop_api.config import ImageConfig
from orlop_api.hypervisor import ImportOrder, ImportReport
from orlop_api.image import DiskFormat
from orlop_api.peer import ImagePeer

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ImageFiles:
    """What an Instance boots from."""

    disk: Path
    format: DiskFormat
    kernel: Path | None
    initrd: Path | None


@dataclass
class _Download:
    """One running fetch and everybody who wants to hear of it."""

    digest: str
    task: asyncio.Task[Path]
    listeners: list[Progress]


class Peers(Protocol):
    """Other nodes."""

    async def take(
        self,
        peers: Sequence[ImagePeer],
        name: str,
        digest: str,
        target: Path,
        progress: Progress,
        expect: Expect,
    ) -> bool:
        """Whether one of them gave the file that is called `name` in caches and hashes to `digest`."""


class Keepers(Protocol):
    """Nodes that published something."""

    async def take(self, keeper: str, name: str, digest: str, part: Part, progress: Progress) -> None:
        """Fetch what is called `name` in caches and hashes to `digest` from its keeper; ImageError."""


class ImageStore:
    """The cache below `root`."""

    def __init__(
        self,
        root: Path,
        config: ImageConfig,
        in_use: InUse = unknown,
        disks: Folders = no_folders,
        peers: Peers | None = None,
        metrics: CacheMetrics | None = None,
        secrets: Secrets = no_secrets,
        inside: Read = nothing,
        maker: Maker | None = None,
        keepers: Keepers | None = None,
    ) -> None:
        self._root = root
        self._intake = Intake(config, secrets, inside, maker)
        self._peers = peers
        self._keepers = keepers
        self._metrics = metrics or CacheMetrics()
        self._shelf = Shelf(root, config, in_use, disks, self._metrics)
        self._room = Room(self._shelf)
        self._downloads: dict[str, _Download] = {}
        self._importing = Importing(self._intake, self._room, self._shelf, self._metrics)

    def digests(self) -> list[str]:
        """What is in the cache, sorted."""
        return sorted(file.digest for file in self.cached())

    def cached(self) -> list[Cached]:
        """What is in the cache."""
        return self._shelf.cached()

    def capacity(self) -> int:
        """Bytes that it may hold."""
        return self._shelf.capacity()

    def busy(self) -> set[str]:
        """Digests of what is being fetched, and of what imports that are under way have fetched already."""
        return {download.digest for download in self._downloads.values()} | self._importing.held()

    async def tidy(self) -> int:
        """Keep the cache within its limits, and room for guests' disks; bytes that were freed."""
        return await self._room.tidy()

    def exposition(self) -> bytes:
        """What Prometheus is told."""
        return self._metrics.exposition(self.cached(), self.capacity())

    async def relieve(self) -> None:
        """Make room for a new disk where the data pool is short of it and something may go."""
        await self._room.relieve()

    async def ensure(
        self, image: AssignedImage, progress: Progress, secret: AssignedSecret | None = None
    ) -> ImageFiles:
        """The files of a pinned image, fetched where they are missing; ImageError when they cannot be had.

        `secret` has what its source asks for, if it asks for anything.
        """
        disk, (kernel, initrd) = await asyncio.gather(
            self._disk(image, progress, secret), self.boot_files(image)
        )
        return ImageFiles(disk, stored_as(image.format), kernel, initrd)

    async def boot_files(self, image: AssignedImage) -> tuple[Path | None, Path | None]:
        """Kernel and initial RAM disk alone, for a machine whose disk is there already; ImageError."""
        kernel, initrd = (self._boot_file(file, image.peers) for file in (image.kernel, image.initrd))
        return await asyncio.gather(kernel, initrd)

    async def run_import(self, order: ImportOrder, progress: Progress) -> ImportReport:
        """Fetch or make, and describe, a new Image; a failure is part of the report."""
        return await self._importing.run(order, progress)

    async def _disk(
        self, image: AssignedImage, progress: Progress, secret: AssignedSecret | None = None
    ) -> Path:
        async def take(part: Part, tell: Progress) -> int:
            if image.source.published is not None and self._keepers is not None:
                keeper = image.source.published.node_name
                await self._keepers.take(keeper, name, content, part, tell)
                await self._intake.look_at_stored(part.path, image.format)
                return 0  # of a source
            known = [image.digest]
            taken = await self._intake.disk(image.source, known, image.format, part, tell, secret)
            # Other versions of qemu-img may convert to other bytes; unpacking gives the same ones everywhere.
            if taken.content_digest != content and taken.format not in CONVERTED:
                raise refused(
                    "ContentMismatch",
                    f"the disk in the file is {taken.content_digest}, the Image was imported with {content}",
                )
            return taken.size

        async def check(path: Path) -> None:
            await self._intake.look_at_stored(path, image.format)

        def recheck(path: Path) -> None:
            examine_kept(path, image.format)

        content = image.content_digest or image.digest
        name = disk_name(image.digest, content)
        wanted = Wanted(image.digest, name, content, image.peers, take, check, recheck)
        return await self._once(wanted, progress)

    async def _boot_file(self, file: BootFile | None, peers: Sequence[ImagePeer]) -> Path | None:
        if file is None:
            return None

        async def take(part: Part, _: Progress) -> int:
            return (await self._intake.file(file.source, [file.digest], part, file.digest)).size

        name = boot_name(file.digest)
        wanted = Wanted(file.digest, name, file.digest, peers, take, no_check, no_recheck)
        return await self._once(wanted, _no_progress)

    async def _once(self, wanted: Wanted, progress: Progress) -> Path:
        """The file of a name: there, on its way, or fetched now."""
        path = self._shelf.use(wanted.name)
        if path is not None:
            await asyncio.to_thread(wanted.recheck, path)
            self._metrics.hits.inc()
            return path
        self._metrics.misses.inc()
        download = self._downloads.get(wanted.name)
        if download is None:
            download = self._begin(wanted)
        download.listeners.append(progress)
        # One waiter that is cancelled (its Instance was deleted) must not take the file from the others.
        try:
            return await asyncio.shield(download.task)
        except asyncio.CancelledError:
            download.listeners.remove(progress)
            if not download.listeners:
                # Whoever comes while it unwinds would only wait for its end: another one is begun for them.
                self._forget(wanted.name, download)
                download.task.cancel()
            raise

    def _begin(self, wanted: Wanted) -> _Download:
        listeners: list[Progress] = []
        task = asyncio.create_task(self._download(wanted, listeners))
        download = self._downloads[wanted.name] = _Download(wanted.digest, task, listeners)
        task.add_done_callback(lambda _: self._forget(wanted.name, download))
        return download

    def _forget(self, name: str, download: _Download) -> None:
        if self._downloads.get(name) is download:
            del self._downloads[name]

    async def _download(self, wanted: Wanted, listeners: Sequence[Progress]) -> Path:
        def tell(received: int, expected: int | None) -> None:
            for listener in listeners:
                listener(received, expected)

        with self._room.part() as (path, expect):
            if not await self._from_peer(wanted, path, tell, expect):
                self._metrics.source_received.inc(await wanted.take(Part(path, expect), tell))
            return await asyncio.to_thread(self._shelf.keep, path, wanted.name)

    async def _from_peer(self, wanted: Wanted, part: Path, tell: Progress, expect: Expect) -> bool:
        if self._peers is None:
            return False
        if not await self._peers.take(wanted.peers, wanted.name, wanted.content, part, tell, expect):
            return False
        try:
            await wanted.check(part)
        except ImageError as error:
            # Every peer would give these same bytes, for the digest is right: what is left is the source.
            _log.warning("peer.refused", digest=wanted.digest, reason=error.reason, error=error.message)
            return False
        return True


def _no_progress(_received: int, _expected: int | None) -> None:
    """Nobody listens."""
