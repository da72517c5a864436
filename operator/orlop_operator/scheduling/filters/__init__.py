"""The filters, in the order in which they are asked; a rejected host counts for the first that rejects it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from orlop_operator.scheduling.facts import Rejection, Request
from orlop_operator.scheduling.filters import (
    alive,
    architecture,
    cordoned,
    disk,
    excluded,
    memory,
    nic_families,
    obtainable,
    physical_network,
    pinned,
    selector,
    shared_pool,
    taints,
    vcpu,
)
from orlop_operator.scheduling.world import Mask, World


class Filter(Protocol):
    """One file: which hosts may have the request, and why the others may not."""

    def keep(self, world: World, request: Request, /) -> Mask:
        """The hosts that pass; not to be written to."""

    def explain(self, world: World, request: Request, rejected: Mask, /) -> Iterable[Rejection]:
        """Why these hosts did not; the counts add up to their number."""


FILTERS: tuple[Filter, ...] = (
    alive,
    cordoned,
    pinned,
    shared_pool,
    physical_network,
    selector,
    taints,
    architecture,
    nic_families,
    obtainable,
    excluded,
    vcpu,
    memory,
    disk,
)
