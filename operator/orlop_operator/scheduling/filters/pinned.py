"""Data that already exists on one node takes the Instance there."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from orlop_operator.scheduling.facts import Host, Pin, Rejection, Request
from orlop_operator.scheduling.filters.grouping import grouped
from orlop_operator.scheduling.world import Mask, World


def keep(world: World, request: Request) -> Mask:
    if not request.pins:
        return world.every
    mask = np.ones(len(world.hosts), np.bool_)
    for pin in request.pins:
        here = np.zeros(len(world.hosts), np.bool_)
        row = world.row(pin.node)
        if row is not None and _misses(pin, world.hosts[row]) is None:
            here[row] = True
        mask &= here
    return mask


def explain(world: World, request: Request, rejected: Mask) -> Iterable[Rejection]:
    def why(host: Host) -> str:
        return next(filter(None, (_misses(pin, host) for pin in request.pins)), "")

    return grouped(world, rejected, why)


def _misses(pin: Pin, host: Host) -> str | None:
    if pin.node != host.name:
        return f"{pin.what} is on {pin.node}"
    if pin.pool_id is not None and pin.pool_id != host.pool_id:
        return f"{pin.what} was in another data pool of {pin.node}, which is gone"
    return None
