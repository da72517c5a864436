"""The node's agent renews its Lease and has reported what the node has."""

from __future__ import annotations

from collections.abc import Iterable

from orlop_operator.scheduling.facts import Rejection, Request
from orlop_operator.scheduling.filters.grouping import grouped
from orlop_operator.scheduling.world import Mask, World


def keep(world: World, _request: Request) -> Mask:
    return world.ready


def explain(world: World, _request: Request, rejected: Mask) -> Iterable[Rejection]:
    return grouped(world, rejected, lambda host: f"not ready ({host.reason or 'Unknown'})")
