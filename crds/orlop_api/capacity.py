"""What a node gives to guests, and how much more that is than it has: ratios of vCPUs, memory and disk."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from orlop_api.resource import ApiModel, ByteCount, rule, rules

_PATTERN = r"^[0-9]{1,2}(\.[0-9]{1,3})?$"

Ratio = Annotated[str, Field(max_length=6, pattern=_PATTERN)]
"""A decimal with at most three digits behind the point."""


def _between(least: str, most: str, example: str) -> dict[str, str]:
    pattern = _PATTERN.replace("\\", "\\\\")
    return rule(
        f"self.matches('{pattern}') && double(self) >= double('{least}') && double(self) <= double('{most}')",
        f"must be a ratio from {least} to {most} with at most three decimals, as text: '{example}'",
    )


class Capacity(ApiModel):
    """What the node can give to guests in all, overcommit included; the scheduler subtracts what is held."""

    vcpus: Annotated[int, Field(ge=0, le=1_000_000)]
    """Virtual CPUs."""
    memory_bytes: ByteCount
    """Memory in bytes, what the node itself needs taken off before."""
    disk_bytes: ByteCount
    """Bytes of the data pool."""


class Overcommit(ApiModel):
    """What guests may be promised, as multiples of what the node has."""

    vcpus: Annotated[Ratio, Field(json_schema_extra=rules(_between("0.1", "64", "16")))] | None = None
    """vCPUs for each processor, from 0.1 to 64."""
    memory: Annotated[Ratio, Field(json_schema_extra=rules(_between("0.1", "4", "1.5")))] | None = None
    """Bytes of memory for each that is not the node's own, from 0.1 to 4. Above 1 the node must be able to swap, or
    guests are killed when they use what they were promised."""
    disk: Annotated[Ratio, Field(json_schema_extra=rules(_between("0.1", "16", "2")))] | None = None
    """Bytes of disks for each of the data pool, from 0.1 to 16. Above 1 guests are halted once the pool is full."""


class Ratios(ApiModel):
    """Ratios that hold for one node."""

    vcpus: Ratio | None = None
    """vCPUs for each processor."""
    memory: Ratio | None = None
    """Bytes of memory for each that is not the node's own."""
    disk: Ratio | None = None
    """Bytes of disks for each of the data pool."""
