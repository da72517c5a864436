"""A profile: which filters count, and how much each weight does."""

from __future__ import annotations

from dataclasses import dataclass

from orlop_operator.scheduling.filters import FILTERS, Filter
from orlop_operator.scheduling.weights import OF_RESOURCES, PLAIN, Weight


@dataclass(frozen=True, slots=True)
class Profile:
    """Filters in their order, and weights with their multipliers."""

    name: str
    filters: tuple[Filter, ...] = FILTERS
    weights: tuple[tuple[Weight, float], ...] = ()


BUILT_IN = Profile(
    "default",
    FILTERS,
    ((OF_RESOURCES["spread"]["scarcest"], 1.0), *((weight, 1.0) for weight in PLAIN.values())),
)
"""What counts while nobody wrote another one."""
