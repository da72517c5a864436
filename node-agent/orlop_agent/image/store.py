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
from orlop_agent.image.inside import Read, nothing
from orlop_agent.image.intake import Intake, Secrets, Taken, no_secrets
from orlop_agent.image.kept import Wanted, examine_kept, no_check, no_recheck
from orlop_agent.image.names import boot_name, disk_name
from orlop_agent.image.refusal import refused
from orlop_agent.image.room import Room
from orlop_agent.image.shelf import Folders, InUse, Shelf, no_folders, unknown
from orlop_agent.image.transfer import Expect, Part
from orlop_agent.metrics import CacheMetrics
from orlop_api.assigned_image import AssignedImage, BootFile
from orlop_api.assignment import AssignedSecret
from orlop_api.config import ImageConfig
from orlop_api.hypervisor import ImportOrder, ImportReport, ImportState
from orlop_api.image import DiskFormat
from orlop_api.peer import ImagePeer
from orlop_api.source import OrderedFile

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
    ) -> None:
        self._root = root
        self._intake = Intake(config, secrets, inside)
        self._peers = peers
        self._metrics = metrics or CacheMetrics()
        self._shelf = Shelf(root, config, in_use, disks, self._metrics)
        self._room = Room(self._shelf)
        self._downloads: dict[str, _Download] = {}
        self._importing: list[set[str]] = []

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
        return {download.digest for download in self._downloads.values()}.union(*self._importing)

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
        """Fetch and describe a new Image; a failure is part of the report."""
        with self._metrics.importing() as outcome:
            report = await self._import(order, progress)
            outcome.append(report.state.value)
        return report

    async def _import(self, order: ImportOrder, progress: Progress) -> ImportReport:
        report = ImportReport(image_uid=order.image_uid, generation=order.generation, state=ImportState.READY)
        # Nothing of it is in use yet, and none of it shall go before all of it is there.
        held: set[str] = set()
        self._importing.append(held)
        try:
            disk = await self._import_disk(order, progress, held)
            kernel = await self._import_plain(order.kernel, held)
            initrd = await self._import_plain(order.initrd, held)
        except ImageError as error:
            return report.model_copy(
                update={
                    "state": ImportState.FAILED,
                    "reason": error.reason,
                    "message": error.message,
                    "retry": "Useless" if error.permanent else "Useful",
                }
            )
        finally:
            self._importing = [other for other in self._importing if other is not held]
        return report.model_copy(
            update={
                "digest": disk.digest,
                "size_bytes": disk.size,
                "reference": disk.reference,
                "content_digest": disk.content_digest if disk.content_digest != disk.digest else None,
                "format": disk.format,
                "virtual_size_bytes": disk.virtual_size,
                "kernel_digest": kernel,
                "initrd_digest": initrd,
            }
        )

    async def _disk(
        self, image: AssignedImage, progress: Progress, secret: AssignedSecret | None = None
    ) -> Path:
        async def take(part: Part, tell: Progress) -> int:
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
            return (await self._intake.file(file.source, [file.digest], part)).size

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

    async def _import_disk(self, order: ImportOrder, progress: Progress, held: set[str]) -> Taken:
        with self._room.part() as (path, expect):
            part, known = Part(path, expect), [*filter(None, [order.checksum])]
            taken = await self._intake.disk(order.source, known, order.format, part, progress, order.secret)
            self._metrics.source_received.inc(taken.size)
            held.add(taken.digest)
            name = disk_name(taken.digest, taken.content_digest)
            await asyncio.to_thread(self._shelf.keep, path, name)
        return taken

    async def _import_plain(self, file: OrderedFile | None, held: set[str]) -> str | None:
        if file is None:
            return None
        with self._room.part() as (path, expect):
            known = [*filter(None, [file.checksum])]
            fetched = await self._intake.file(file.source, known, Part(path, expect))
            self._metrics.source_received.inc(fetched.size)
            held.add(fetched.digest)
            await asyncio.to_thread(self._shelf.keep, path, boot_name(fetched.digest))
        return fetched.digest


def _no_progress(_received: int, _expected: int | None) -> None:
    """Nobody listens."""
