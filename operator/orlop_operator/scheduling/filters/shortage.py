"""What the three capacity filters share: whether there is enough, and else how much is missing, and who is nearest."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from orlop_operator.scheduling.facts import Rejection
from orlop_operator.scheduling.world import Column, Mask, World


def enough(column: Column, need: int, world: World) -> Mask:
    """Who needs nothing fits on an overfull host too; a host is overfull where its overcommit was lowered."""
    if not need:
        return world.every
    fits: Mask = column >= need
    return fits


def shortage(
    world: World, column: Column, need: int, rejected: Mask, *, what: str, unit: Callable[[int], str]
) -> Iterable[Rejection]:
    """`not enough memory (need 8Gi, most free 6Gi on node-4)`; nearest among the rejected hosts."""
    free = np.where(rejected, column, np.iinfo(np.int64).min)
    nearest = int(free.argmax())
    most = max(0, int(free[nearest]))
    where = f"most free {unit(most)} on {world.hosts[nearest].name}"
    return [Rejection(int(np.count_nonzero(rejected)), f"not enough {what} (need {unit(need)}, {where})")]
