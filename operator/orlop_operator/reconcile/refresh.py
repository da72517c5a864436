"""An Image that follows its source: when it is looked at again, and what follows from what was found. Pure."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from orlop_api.condition import Condition, timestamp
from orlop_api.duration import to_seconds
from orlop_api.hypervisor import ImportOrder, ImportReport, ImportState
from orlop_api.image import Image, ImageStatus, PastDigest, RefreshStatus
from orlop_operator.reconcile.conditions import false, true
from orlop_operator.reconcile.effects import Body

LONGEST_HISTORY = 10
TYPE = "Refreshed"
_SINCE = 1_000_000_000
"""First imports count their tries from 0; looks at the source are numbered by their time, in seconds."""


def due_in(image: Image, now: datetime) -> float | None:
    """Seconds until the source is to be looked at; None where it never is."""
    wish, status = image.spec.refresh, image.status
    if wish is None or status is None:
        return None
    if status.refresh is None:
        return 0.0
    last = datetime.fromisoformat(status.refresh.attempted_at)
    return (last - now).total_seconds() + to_seconds(wish.interval)


def generation(now: datetime) -> int:
    """Of an order to look again: later than every one before, and than the last look that was told."""
    return int(now.timestamp())


def told(image: Image, order: ImportOrder) -> bool:
    """Whether the Image says already what this order brought; or it was for the first import."""
    status = image.status
    if image.spec.refresh is None or status is None:
        return True
    if status.refresh is None:
        return order.generation < _SINCE
    return datetime.fromisoformat(status.refresh.attempted_at).timestamp() >= order.generation


def outcome(status: ImageStatus, report: ImportReport, pins: Body, now: datetime) -> tuple[Body, Condition]:
    """Fields of the status that change, and the condition. What failed leaves the Image as it was."""
    # Whole seconds, and never before the order that it answers.
    at = timestamp(max(now, datetime.fromtimestamp(report.generation, UTC)))
    if report.state is not ImportState.READY or report.digest is None:
        before = status.refresh.succeeded_at if status.refresh else at
        kept = RefreshStatus(attempted_at=at, succeeded_at=before)
        message = f"{report.message or report.reason}; the Image stays as it is"
        return {"refresh": kept.wire()}, false(TYPE, report.reason or "ImportFailed", message)
    changed = pins | {"refresh": RefreshStatus(attempted_at=at, succeeded_at=at).wire()}
    history = grown(status.history or (), status.digest, report.digest, at)
    changed["history"] = [past.wire() for past in history]
    return changed, true(TYPE, "Fetched", "the source was looked at, and the whole file arrived")


def grown(history: Collection[PastDigest], before: str | None, digest: str, at: str) -> list[PastDigest]:
    """The newest first. An Image that was given `refresh` later begins with what it was."""
    known = list(history)
    if not known and before is not None:
        known = [PastDigest(digest=before, since=at)]
    if not known or known[0].digest != digest:
        known = [PastDigest(digest=digest, since=at), *known]
    return known[:LONGEST_HISTORY]
