"""The node has mounted every shared pool that the Volumes are in, and it is the same one."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import numpy as np

from orlop_operator.scheduling.facts import Host, PoolNeed, Rejection, Request
from orlop_operator.scheduling.filters.grouping import grouped
from orlop_operator.scheduling.world import Mask, World


def keep(world: World, request: Request) -> Mask:
    if not request.pools:
        return world.every
    mask = np.ones(len(world.hosts), np.bool_)
    for need in request.pools:
        mask &= world.where(("shared pool", need), partial(_has, need))
    return mask


def explain(world: World, request: Request, rejected: Mask) -> Iterable[Rejection]:
    def why(host: Host) -> str:
        missed = next(need for need in request.pools if not _has(need, host))
        if missed.name in host.shared_pools:
            return f"have another shared pool {missed.name} than the data is in"
        return f"have no shared pool {missed.name}"

    return grouped(world, rejected, why)


def _has(need: PoolNeed, host: Host) -> bool:
    found = host.shared_pools.get(need.name)
    return found is not None and need.pool_id in {None, found}
