"""Nodes that refused this Instance lately are not asked again yet."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from orlop_operator.scheduling.facts import Rejection, Request
from orlop_operator.scheduling.filters.grouping import grouped
from orlop_operator.scheduling.world import Mask, World


def keep(world: World, request: Request) -> Mask:
    if not request.excluded:
        return world.every
    mask = np.ones(len(world.hosts), np.bool_)
    for name in request.excluded:
        row = world.row(name)
        if row is not None:
            mask[row] = False
    return mask


def explain(world: World, request: Request, rejected: Mask) -> Iterable[Rejection]:
    return grouped(world, rejected, lambda host: f"refused ({request.excluded[host.name]})")
