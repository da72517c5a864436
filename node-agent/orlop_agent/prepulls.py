"""Images that this node shall have before an Instance needs them: fetched, kept, and told of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import structlog

from orlop_agent.api import backoff
from orlop_agent.image.errors import ImageError
from orlop_agent.image.fetch import Progress
from orlop_agent.image.store import ImageFiles
from orlop_agent.standing import Standing
from orlop_api.assigned_image import AssignedImage, digests
from orlop_api.assignment import AssignedSecret
from orlop_api.hypervisor import ImportState, PrePullOrder, PrePullReport

_FIRST, _LONGEST = 10.0, 300.0
"""Seconds between tries."""

_log = structlog.get_logger()


class Fetcher(Protocol):
    """The image cache."""

    async def ensure(
        self, image: AssignedImage, progress: Progress, secret: AssignedSecret | None = None
    ) -> ImageFiles: ...


class PrePulls(Standing[PrePullOrder, PrePullReport]):
    """Orders, and how they stand."""

    def __init__(self, images: Fetcher, changed: Callable[[], None]) -> None:
        self._images = images
        super().__init__(
            lambda order: order.image_uid,
            lambda order: _report(order, ImportState.PULLING),
            self._once,
            lambda report: report.state is ImportState.READY,
            lambda: backoff.delays(first=_FIRST, most=_LONGEST),
        )
        self.listen(changed)

    def digests(self) -> set[str]:
        """What stays in the cache for them."""
        return set().union(*(digests(order.image) for order in self.orders()))

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
        _log.info("prepull.done", image=order.image_uid, digest=order.image.digest)
        return _report(order, ImportState.READY)


def _report(order: PrePullOrder, state: ImportState, reason: str = "", message: str = "") -> PrePullReport:
    return PrePullReport(
        image_uid=order.image_uid, digest=order.image.digest, state=state, reason=reason, message=message
    )


def _no_progress(_received: int, _expected: int | None) -> None:
    """The Image tells of nodes, not of bytes."""
