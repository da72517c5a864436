"""Conditions, as metav1.Condition has them, and the one way to change a list of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from orlop_api.resource import ApiModel, Message, list_map


class Truth(StrEnum):
    """A condition's status."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


class Condition(ApiModel):
    """One observation about the object, with the reason for it."""

    type: Annotated[str, Field(max_length=316)]
    """What is observed, for example Ready."""
    status: Truth
    """True, False or Unknown."""
    reason: Annotated[
        str, Field(min_length=1, max_length=128, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")
    ]
    """The cause in one CamelCase word, for programs."""
    message: Message = ""
    """The cause in one sentence that names the blocker, for people."""
    observed_generation: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] = 0
    """The metadata.generation that this was said about."""
    last_transition_time: Annotated[str, Field(json_schema_extra={"format": "date-time"})] = ""
    """When status last changed."""


Conditions = Annotated[list[Condition], Field(max_length=16, json_schema_extra=list_map("type"))]


def timestamp(now: datetime) -> str:
    """RFC 3339 in UTC with whole seconds, as the API server writes it."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def find(conditions: Iterable[Condition], kind: str) -> Condition | None:
    """The condition of this type, if somebody has set it."""
    return next((c for c in conditions if c.type == kind), None)


def is_true(conditions: Iterable[Condition], kind: str) -> bool:
    """Whether the condition of this type is there and True."""
    found = find(conditions, kind)
    return found is not None and found.status is Truth.TRUE


def merged(old: Iterable[Condition], new: Iterable[Condition], now: datetime) -> list[Condition]:
    """`new` in place of what `old` says of the same types.

    The transition time stays while the status stays, so an unchanged observation compares equal
    and needs no write.
    """
    before = {c.type: c for c in old}
    for condition in new:
        known = before.get(condition.type)
        since = known.last_transition_time if known and known.status is condition.status else timestamp(now)
        before[condition.type] = condition.model_copy(update={"last_transition_time": since})
    return list(before.values())
