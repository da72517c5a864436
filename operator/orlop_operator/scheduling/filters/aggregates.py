"""The node is in every Aggregate that placement.aggregates and the Flavor name."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from operator import eq

import numpy as np

from orlop_operator.scheduling.facts import AggregateNeed, Host, Rejection, Request
from orlop_operator.scheduling.filters.grouping import grouped
from orlop_operator.scheduling.world import Mask, World


def keep(world: World, request: Request) -> Mask:
    mask = world.every
    for need in request.aggregates:
        mask = mask & _members(world, need)
    return mask


def _members(world: World, need: AggregateNeed) -> Mask:
    labels = need.labels
    if labels is None:
        return ~world.every
    if not labels:
        return world.every
    return world.where(
        ("aggregate", labels),
        need.has,
        lambda: np.logical_and.reduce([world.labeled(key, partial(eq, value)) for key, value in labels]),
    )


def explain(world: World, request: Request, rejected: Mask) -> Iterable[Rejection]:
    def why(host: Host) -> str:
        unknown = [need.name for need in request.aggregates if need.labels is None]
        if unknown:
            return f"Aggregate {', '.join(unknown)} does not exist"
        missed = [need.name for need in request.aggregates if not need.has(host)]
        return f"not in Aggregate {', '.join(missed)}"

    return grouped(world, rejected, why)
