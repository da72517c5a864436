"""Images that the operator asks this node to fetch and describe: each order once, told as it goes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Protocol

import structlog

from orlop_agent.image.fetch import Progress
from orlop_agent.image.pace import Pace
from orlop_api.hypervisor import ImportOrder, ImportReport, ImportState
from orlop_api.image import ImageProgress

_TELL = 2.0
"""Seconds between words on how far an import is."""

_log = structlog.get_logger()


class Importer(Protocol):
    """Fetches and describes; a failure is part of the report."""

    def digests(self) -> list[str]: ...
    async def run_import(self, order: ImportOrder, progress: Progress) -> ImportReport: ...


class Imports:
    """Orders under way, and what became of them."""

    def __init__(self, node: str, importer: Importer, changed: Callable[[], None]) -> None:
        self._node = node
        self._importer = importer
        self._changed = changed
        self._reports: dict[str, ImportReport] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._remembered = False

    def follow(self, orders: Iterable[ImportOrder], published: Iterable[ImportReport]) -> None:
        """Start what is new, end what is not wanted any more."""
        wanted = {order.image_uid: order for order in orders}
        if not self._remembered:
            self._remembered = True
            self._remember(published)
        for uid in [uid for uid in self._reports if uid not in wanted]:
            del self._reports[uid]
            if uid in self._tasks:
                self._tasks.pop(uid).cancel()
        for uid, order in wanted.items():
            report = self._reports.get(uid)
            if report is None or report.generation != order.generation:
                if uid in self._tasks:
                    self._tasks.pop(uid).cancel()
                self._reports[uid] = _pulling(order, None)
                self._tasks[uid] = asyncio.create_task(self._run(order), name=f"import of {uid}")

    def reports(self) -> list[ImportReport]:
        """What the status shall say, in a steady order."""
        return [self._reports[uid] for uid in sorted(self._reports)]

    async def close(self) -> None:
        """End everything that is under way."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()

    def _remember(self, published: Iterable[ImportReport]) -> None:
        """What the agent before this one published holds, where it is still true."""
        cached = set(self._importer.digests())
        for report in published:
            digests = {report.digest, report.kernel_digest, report.initrd_digest} - {None}
            there = report.state is ImportState.READY and digests <= cached
            useless = report.state is ImportState.FAILED and report.retry == "Useless"
            if there or useless:
                self._reports[report.image_uid] = report

    async def _run(self, order: ImportOrder) -> None:
        told = time.monotonic()
        pace = Pace(told)

        def tell(received: int, expected: int | None) -> None:
            nonlocal told
            if time.monotonic() - told >= _TELL:
                told = time.monotonic()
                progress = pace.progress(self._node, received, expected, told)
                self._reports[order.image_uid] = _pulling(order, progress)
                self._changed()

        try:
            report = await self._importer.run_import(order, tell)
        except OSError as error:
            report = _failed(order, "NodeError", f"the node's disk: {error.strerror or type(error).__name__}")
        except Exception:  # noqa: BLE001 - told in full: without a report the Image would be Importing for ever
            _log.exception("import.bug", image=order.image_uid)
            report = _failed(order, "InternalError", "the node's agent has a bug: its log tells more")
        self._reports[order.image_uid] = report
        self._tasks.pop(order.image_uid, None)
        _log.info("import.done", image=order.image_uid, state=report.state.value, reason=report.reason)
        self._changed()


def _failed(order: ImportOrder, reason: str, message: str) -> ImportReport:
    """Worth a retry."""
    return ImportReport(
        image_uid=order.image_uid,
        generation=order.generation,
        state=ImportState.FAILED,
        reason=reason,
        message=message,
    )


def _pulling(order: ImportOrder, progress: ImageProgress | None) -> ImportReport:
    return ImportReport(
        image_uid=order.image_uid,
        generation=order.generation,
        state=ImportState.PULLING,
        progress=progress,
    )
