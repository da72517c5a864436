"""Whether the data of a Volume exists: what is written down of that, and when nobody knows. Pure."""

from __future__ import annotations

from datetime import datetime

from orlop_api.condition import Condition, is_true
from orlop_api.volume import Volume
from orlop_operator.reconcile.conditions import settled, true
from orlop_operator.reconcile.effects import Body
from orlop_operator.reconcile.location import kept_by_others, pinned, served_by

CREATED = true("Ready", "Created", "the data exists")


def created(volume: Volume) -> bool:
    """Whether its data exists somewhere: then it must never be made anew."""
    return volume.status is not None and is_true(volume.status.conditions, "Ready")


def is_unsettled(volume: Volume) -> bool:
    """Whether nobody has it, and a node that had it may have made its data and not said so: only that node knows.

    Who wrote the order down may have ended before the answer, and the next answer is about another order.
    """
    where, status = pinned(volume), volume.status
    if where is None or status is None or status.attachments or created(volume):
        return False
    # What a node serves it makes by an order of its own, until it has answered.
    return not kept_by_others(where) and served_by(where) is None


def record(volume: Volume, now: datetime) -> Body | None:
    """The status fields that say that the data exists; None where they are there."""
    return None if created(volume) else conditions(volume, [CREATED], now) | as_found(volume)


def as_found(volume: Volume) -> Body:
    """And that what spec.restore says when the data is new asks for nothing."""
    wanted = volume.spec.restore
    return {} if wanted is None else {"restored": wanted.whole()}


def conditions(volume: Volume, wanted: list[Condition], now: datetime) -> Body:
    """The status fields that say these."""
    generation = volume.metadata.generation
    old = volume.status.conditions if volume.status else []
    return {
        "observedGeneration": generation,
        "conditions": [c.wire() for c in settled(old, wanted, generation, now)],
    }
