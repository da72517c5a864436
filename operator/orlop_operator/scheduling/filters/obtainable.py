"""An image that nobody gives now runs only where it is already."""

from __future__ import annotations

from collections.abc import Iterable

from orlop_operator.scheduling.facts import Rejection, Request
from orlop_operator.scheduling.filters.grouping import grouped
from orlop_operator.scheduling.world import Mask, World


def keep(world: World, request: Request) -> Mask:
    digest = request.image
    if digest is None or not request.not_given:
        return world.every
    return world.where(("image", digest), lambda host: digest in host.images)


def explain(world: World, request: Request, rejected: Mask) -> Iterable[Rejection]:
    return grouped(
        world, rejected, lambda _: f"without the image, which no node gives now ({request.not_given})"
    )
