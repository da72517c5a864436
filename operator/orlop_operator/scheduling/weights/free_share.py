"""Spread and pack: the share of a resource, or of the scarcest one, that stays free with the request on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from orlop_operator.scheduling.facts import Request
from orlop_operator.scheduling.world import DISK, MEMORY, VCPUS, Scores, World


@dataclass(frozen=True, slots=True)
class FreeShare:
    """At most 1. The smallest share counts, where it is of several resources."""

    resources: tuple[int, ...] = (VCPUS, MEMORY, DISK)
    sign: int = 1
    """1: the emptiest host wins. -1: the fullest."""

    def score(self, world: World, request: Request, /) -> Scores:
        room, capacity = world.room, world.capacity
        need = (request.vcpus, request.memory, request.disk)
        least: Scores | None = None
        for resource in self.resources:
            share = room[resource] - need[resource]
            if resource == DISK and request.held:
                share = world.raised(share, request.held)
            np.divide(share, capacity[resource], out=share)
            least = share if least is None else np.minimum(least, share, out=least)
        if least is None:
            return world.nothing
        return least if self.sign > 0 else np.negative(least, out=least)


RESOURCES = {"vcpus": (VCPUS,), "memory": (MEMORY,), "disk": (DISK,), "scarcest": (VCPUS, MEMORY, DISK)}
SPREAD = {name: FreeShare(rows) for name, rows in RESOURCES.items()}
PACK = {name: FreeShare(rows, -1) for name, rows in RESOURCES.items()}
