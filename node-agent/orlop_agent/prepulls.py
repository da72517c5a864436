"""Images that this node shall have before an Instance needs them: fetched, kept, and told of."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Protocol

import structlog

from orlop_agent.api import backoff
from orlop_agent.image.errors import ImageError
from orlop_agent.image.fetch import Progress
from orlop_agent.image.store import ImageFiles
from orlop_api.assignment import AssignedImage, AssignedSecret, digests
from orlop_api.hypervisor import ImportState, PrePullOrder, PrePullReport

_FIRST, _LONGEST = 10.0, 300.0
"""Seconds between tries."""

_log = structlog.get_logger()


class Fetcher(Protocol):
    """The image cache."""

    async def ensure(
        self, image: AssignedImage, progress: Progress, secret: AssignedSecret | None = None
    ) -> ImageFiles: ...


class PrePulls:
    """Orders, and how they stand."""

    def __init__(self, images: Fetcher, changed: Callable[[], None]) -> None:
        self._images = images
        self._changed = changed
        self._orders: dict[str, PrePullOrder] = {}
        self._reports: dict[str, PrePullReport] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def follow(self, orders: Iterable[PrePullOrder]) -> None:
        """Start what is new, end what is not wanted any more."""
        wanted = {order.image_uid: order for order in orders}
        for uid, order in list(self._orders.items()):
            if wanted.get(uid) != order:
                del self._orders[uid], self._reports[uid]
                self._tasks.pop(uid).cancel()
        for uid in wanted.keys() - self._orders.keys():
            order = self._orders[uid] = wanted[uid]
            self._reports[uid] = _report(order, ImportState.PULLING)
            self._tasks[uid] = asyncio.create_task(self._run(order), name=f"pre-pull of {uid}")

    def digests(self) -> set[str]:
        """What stays in the cache for them."""
        return set().union(*(digests(order.image) for order in self._orders.values()))

    def reports(self) -> list[PrePullReport]:
        """What the status shall say, in a steady order."""
        return [self._reports[uid] for uid in sorted(self._reports)]

    async def close(self) -> None:
        """End everything that is under way."""
        tasks = list(self._tasks.values())
        self.follow(())
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, order: PrePullOrder) -> None:
        for delay in backoff.delays(first=_FIRST, most=_LONGEST):
            report = await self._once(order)
            self._say(report)
            if report.state is ImportState.READY:
                _log.info("prepull.done", image=order.image_uid, digest=order.image.digest)
                return
            await asyncio.sleep(delay)

    async def _once(self, order: PrePullOrder) -> PrePullReport:
        """One try; a failure is part of the report."""
        try:
            await self._images.ensure(order.image, _no_progress, order.secret)
        except ImageError as error:
            return _report(order, ImportState.FAILED, error.reason, error.message)
        except OSError as error:
            message = f"the node's disk: {error.strerror or type(error).__name__}"
            return _report(order, ImportState.FAILED, "NodeError", message)
        except Exception:  # noqa: BLE001 - told in full: without a report it would be Pulling for ever
            _log.exception("prepull.bug", image=order.image_uid)
            message = "the node's agent has a bug: its log tells more"
            return _report(order, ImportState.FAILED, "InternalError", message)
        return _report(order, ImportState.READY)

    def _say(self, report: PrePullReport) -> None:
        if self._reports.get(report.image_uid) != report:
            self._reports[report.image_uid] = report
            self._changed()


def _report(order: PrePullOrder, state: ImportState, reason: str = "", message: str = "") -> PrePullReport:
    return PrePullReport(
        image_uid=order.image_uid, digest=order.image.digest, state=state, reason=reason, message=message
    )


def _no_progress(_received: int, _expected: int | None) -> None:
    """The Image tells of nodes, not of bytes."""
