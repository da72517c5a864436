"""Limits on what a guest may do with one disk, as Cinder's front-end QoS specs have them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from orlop_api.quantity import Quantity, between
from orlop_api.resource import ApiModel, rule, rules

Rate = Annotated[int, Field(ge=1, le=10_000_000, json_schema_extra={"format": "int64"})]
Bandwidth = Annotated[Quantity, Field(json_schema_extra=rules(between("1Ki", "1Ti", "50Mi")))]


class Burst(ApiModel):
    """What the disk may do for a short time, above its lasting limits."""

    iops_per_second: Rate | None = None
    """Reads and writes a second, at least those of the lasting limit."""
    bytes_per_second: Bandwidth | None = None
    """Bytes a second, read and written, at least those of the lasting limit."""
    seconds: Annotated[int, Field(ge=1, le=3600)] = 10
    """How long a burst may last at this rate, 1 to 3600 seconds; saved up by doing less before."""


class QualityOfService(ApiModel):
    """Limits on what a guest may do with the disk; reads and writes count together."""

    iops_per_second: Rate | None = None
    """Reads and writes a second, from 1 to 10 million; no limit when absent."""
    bytes_per_second: Bandwidth | None = None
    """Bytes a second, read and written, from 1Ki to 1Ti, for example 50Mi; no limit when absent."""
    burst: Burst | None = None
    """What the disk may do for a short time, above its lasting limits."""


def _burst_above(field: str, at_least: str) -> dict[str, str]:
    """A burst is of a limit that there is, and above it."""
    burst = f"self.burst.{field}"
    return rule(
        f"!has(self.burst) || !has({burst}) || has(self.{field}) && {at_least}",
        f"burst.{field} needs {field}, and must be at least as much",
    )


LIMITS = rules(
    rule(
        "has(self.iopsPerSecond) || has(self.bytesPerSecond)",
        "at least one of iopsPerSecond and bytesPerSecond must be set",
    ),
    _burst_above("iopsPerSecond", "self.burst.iopsPerSecond >= self.iopsPerSecond"),
    _burst_above(
        "bytesPerSecond",
        "quantity(self.burst.bytesPerSecond).compareTo(quantity(self.bytesPerSecond)) >= 0",
    ),
    rule(
        "!has(self.burst) || has(self.burst.iopsPerSecond) || has(self.burst.bytesPerSecond)",
        "at least one of burst.iopsPerSecond and burst.bytesPerSecond must be set",
    ),
)
