"""New Images: fetched or made, described, and put into the cache."""

from __future__ import annotations

import asyncio

from orlop_agent.image.errors import ImageError
from orlop_agent.image.fetch import Progress
from orlop_agent.image.intake import Intake, Taken
from orlop_agent.image.names import boot_name, disk_name
from orlop_agent.image.room import Room
from orlop_agent.image.shelf import Shelf
from orlop_agent.image.transfer import Part
from orlop_agent.metrics import CacheMetrics
from orlop_api.hypervisor import ImportOrder, ImportReport, ImportState
from orlop_api.source import OrderedFile


class Importing:
    """Into one cache."""

    def __init__(self, intake: Intake, room: Room, shelf: Shelf, metrics: CacheMetrics) -> None:
        self._intake = intake
        self._room = room
        self._shelf = shelf
        self._metrics = metrics
        self._held: list[set[str]] = []

    def held(self) -> set[str]:
        """Digests of what imports that are under way have put into the cache already."""
        return set().union(*self._held)

    async def run(self, order: ImportOrder, progress: Progress) -> ImportReport:
        """One order; a failure is part of the report."""
        with self._metrics.importing() as outcome:
            report = await self._run(order, progress)
            outcome.append(report.state.value)
        return report

    async def _run(self, order: ImportOrder, progress: Progress) -> ImportReport:
        report = ImportReport(image_uid=order.image_uid, generation=order.generation, state=ImportState.READY)
        # Nothing of it is in use yet, and none of it shall go before all of it is there.
        held: set[str] = set()
        self._held.append(held)
        try:
            disk = await self._disk(order, progress, held)
            kernel = await self._plain(order.kernel, held)
            initrd = await self._plain(order.initrd, held)
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
            self._held = [other for other in self._held if other is not held]
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

    async def _disk(self, order: ImportOrder, progress: Progress, held: set[str]) -> Taken:
        with self._room.part() as (path, expect):
            part = Part(path, expect)
            if order.origin is not None:
                taken = await self._intake.made(order.origin, part, progress)
            else:
                checksums = [order.checksum] if order.checksum else []
                taken = await self._intake.disk(
                    order.source, checksums, order.format, part, progress, order.secret, order.signature
                )
                self._metrics.source_received.inc(taken.size)
            held.add(taken.digest)
            name = disk_name(taken.digest, taken.content_digest)
            await asyncio.to_thread(self._shelf.keep, path, name)
        return taken

    async def _plain(self, file: OrderedFile | None, held: set[str]) -> str | None:
        if file is None:
            return None
        checksums = [file.checksum] if file.checksum else []
        with self._room.part() as (path, expect):
            fetched = await self._intake.file(file.source, checksums, Part(path, expect))
            self._metrics.source_received.inc(fetched.size)
            held.add(fetched.digest)
            await asyncio.to_thread(self._shelf.keep, path, boot_name(fetched.digest))
        return fetched.digest
