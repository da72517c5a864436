"""The node has enough free memory."""

from __future__ import annotations

from collections.abc import Iterable

from orlop_api.quantity import rounded
from orlop_operator.scheduling.facts import Rejection, Request
from orlop_operator.scheduling.filters.shortage import enough, shortage
from orlop_operator.scheduling.world import MEMORY, Mask, World


def keep(world: World, request: Request) -> Mask:
    return enough(world.free[MEMORY], request.memory, world)


def explain(world: World, request: Request, rejected: Mask) -> Iterable[Rejection]:
    return shortage(world, world.free[MEMORY], request.memory, rejected, what="memory", unit=rounded)
