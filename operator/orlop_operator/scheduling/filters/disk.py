"""The node has enough free room in its data pool."""

from __future__ import annotations

from collections.abc import Iterable

from orlop_api.quantity import rounded
from orlop_operator.scheduling.facts import Rejection, Request
from orlop_operator.scheduling.filters.shortage import shortage
from orlop_operator.scheduling.world import DISK, Mask, World


def keep(world: World, request: Request) -> Mask:
    fits: Mask = world.free[DISK] >= request.disk
    return fits


def explain(world: World, request: Request, rejected: Mask) -> Iterable[Rejection]:
    return shortage(world, DISK, request.disk, rejected, what="disk", unit=rounded)
