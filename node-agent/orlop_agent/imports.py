"""Images that the operator asks this node to fetch and describe: each order once, told as it goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Protocol

import structlog

from orlop_agent.image.fetch import Progress
from orlop_agent.image.pace import Pace
from orlop_agent.standing import Standing
from orlop_api.hypervisor import ImportOrder, ImportReport, ImportState
from orlop_api.image import ImageProgress

_TELL = 2.0
"""Seconds between words on how far an import is."""

_log = structlog.get_logger()


class Importer(Protocol):
    """Fetches and describes; a failure is part of the report."""

    def digests(self) -> list[str]: ...
    async def run_import(self, order: ImportOrder, progress: Progress) -> ImportReport: ...


class Imports(Standing[ImportOrder, ImportReport]):
    """Orders under way, and what became of them: one try each, since the operator says when the next one is due."""

    def __init__(self, node: str, importer: Importer, changed: Callable[[], None]) -> None:
        self._node = node
        self._importer = importer
        self._published: dict[str, ImportReport] | None = None
        super().__init__(
            lambda order: order.image_uid,
            self._known,
            self._import,
            lambda report: report.state is not ImportState.PULLING,
            lambda: iter([0.0]),
        )
        self.listen(changed)

    def remember(self, published: Iterable[ImportReport]) -> None:
        """What the agent before this one published holds, where it is still true. Only the first time counts."""
        if self._published is not None:
            return
        cached = set(self._importer.digests())
        self._published = {}
        for report in published:
            digests = {report.digest, report.kernel_digest, report.initrd_digest} - {None}
            there = report.state is ImportState.READY and digests <= cached
            useless = report.state is ImportState.FAILED and report.retry == "Useless"
            if there or useless:
                self._published[report.image_uid] = report

    def _known(self, order: ImportOrder) -> ImportReport:
        known = (self._published or {}).pop(order.image_uid, None)
        return known if known is not None and known.generation == order.generation else _pulling(order, None)

    async def _import(self, order: ImportOrder) -> ImportReport:
        """The one try; a failure is part of the report."""
        told = time.monotonic()
        pace = Pace(told)

        def tell(received: int, expected: int | None) -> None:
            nonlocal told
            if time.monotonic() - told >= _TELL:
                told = time.monotonic()
                progress = pace.progress(self._node, received, expected, told)
                self._say(order.image_uid, order, _pulling(order, progress))

        try:
            report = await self._importer.run_import(order, tell)
        except OSError as error:
            report = _failed(order, "NodeError", f"the node's disk: {error.strerror or type(error).__name__}")
        except Exception:  # noqa: BLE001 - told in full: without a report the Image would be Importing for ever
            _log.exception("import.bug", image=order.image_uid)
            report = _failed(order, "InternalError", "the node's agent has a bug: its log tells more")
        _log.info("import.done", image=order.image_uid, state=report.state.value, reason=report.reason)
        return report


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
