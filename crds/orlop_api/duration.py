"""Durations as Kubernetes writes them ("30m", "24h"): one whole number and one unit."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from orlop_api.resource import rule

_SECONDS = {"s": 1, "m": 60, "h": 3600}
_PATTERN = r"^[0-9]{1,6}(s|m|h)$"

Duration = Annotated[str, Field(max_length=7, pattern=_PATTERN)]


def lasting(least: str, most: str, example: str) -> dict[str, str]:
    """The rule of a field that takes durations in these bounds, both included."""
    return rule(
        f"self.matches('{_PATTERN}') && duration(self) >= duration('{least}')"
        f" && duration(self) <= duration('{most}')",
        f"must be a duration from {least} to {most}, for example {example}",
    )


def to_seconds(duration: str) -> int:
    """Seconds of a duration; ValueError when it is not one."""
    if re.fullmatch(_PATTERN, duration) is None:
        raise ValueError(f"{duration!r} is not a duration: a whole number with s, m or h, for example 24h")
    return int(duration[:-1]) * _SECONDS[duration[-1]]
