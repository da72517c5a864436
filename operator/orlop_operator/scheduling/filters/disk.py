"""The node has enough free room in its data pool."""

from __future__ import annotations

from collections.abc import Iterable

from orlop_api.quantity import rounded
from orlop_operator.scheduling.facts import Rejection, Request
from orlop_operator.scheduling.filters.shortage import enough, shortage
from orlop_operator.scheduling.world import DISK, Column, Mask, World


def keep(world: World, request: Request) -> Mask:
    return enough(_free(world, request), request.disk, world)


def explain(world: World, request: Request, rejected: Mask) -> Iterable[Rejection]:
    return shortage(world, _free(world, request), request.disk, rejected, what="disk", unit=rounded)


def _free(world: World, request: Request) -> Column:
    """What is held for the request itself is not in its way."""
    free = world.free[DISK]
    return world.raised(free.copy(), request.held) if request.held else free
