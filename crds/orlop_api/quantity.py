"""Kubernetes quantities ("512Mi") and bytes: resource.Quantity without milli units and exponents."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import Field

from orlop_api.resource import rule

_UNITS = {
    "": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12,
    "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40,
}  # fmt: skip
_PATTERN = r"^[0-9]+(\.[0-9]{1,3})?(k|M|G|T|Ki|Mi|Gi|Ti)?$"
_SHAPE = re.compile(r"([0-9]+(?:\.[0-9]{1,3})?)(k|M|G|T|Ki|Mi|Gi|Ti)?")

Quantity = Annotated[str, Field(max_length=20, pattern=_PATTERN)]


def between(least: str, most: str, example: str) -> dict[str, str]:
    """The rule of a field that takes quantities in these bounds, both included.

    Kubernetes' own quantities also have milli-units and exponents; here 500m of memory is a mistake.
    """
    return rule(
        f"self.matches('{_PATTERN.replace(chr(92), chr(92) * 2)}')"
        f" && quantity(self).compareTo(quantity('{least}')) >= 0"
        f" && quantity(self).compareTo(quantity('{most}')) <= 0",
        f"must be a quantity from {least} to {most}, for example {example}",
    )


def to_bytes(quantity: str) -> int:
    """Bytes of a quantity, rounded up; ValueError when it is not one."""
    match = _SHAPE.fullmatch(quantity)
    if match is None:
        raise ValueError(
            f"{quantity!r} is not a quantity: a number with k, M, G, T, Ki, Mi, Gi, Ti or nothing"
        )
    number, unit = match.groups()
    whole, _, fraction = number.partition(".")
    scale = _UNITS[unit or ""]
    thousandths = int(whole) * 1000 + int(fraction.ljust(3, "0") or 0)
    return -(-thousandths * scale // 1000)


def from_bytes(count: int) -> str:
    """The shortest exact binary quantity, for people: 536870912 is 512Mi."""
    for unit in ("Ti", "Gi", "Mi", "Ki"):
        if count and count % _UNITS[unit] == 0:
            return f"{count // _UNITS[unit]}{unit}"
    return str(count)


def rounded(count: int) -> str:
    """About this many bytes in at most four characters and a unit, for sentences: 6.2Gi."""
    for unit in ("Ti", "Gi", "Mi", "Ki"):
        if count >= _UNITS[unit]:
            return f"{count / _UNITS[unit]:.1f}".removesuffix(".0") + unit
    return str(count)
