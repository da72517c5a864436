"""The node's processors are what the Image requires."""

from __future__ import annotations

from collections.abc import Iterable

from orlop_operator.scheduling.facts import Rejection, Request
from orlop_operator.scheduling.filters.grouping import grouped
from orlop_operator.scheduling.world import Mask, World


def keep(world: World, request: Request) -> Mask:
    wanted = request.architecture
    if wanted is None:
        return world.every
    return world.where(("architecture", wanted), lambda host: host.architecture == wanted)


def explain(world: World, request: Request, rejected: Mask) -> Iterable[Rejection]:
    return grouped(
        world,
        rejected,
        lambda host: f"architecture {host.architecture or 'unknown'} (need {request.architecture})",
    )
