"""How many more of one kind fit, and where: placed one after the other, on a World that nobody decides by. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from orlop_operator.scheduling.facts import Request
from orlop_operator.scheduling.place import candidates
from orlop_operator.scheduling.profile import BUILT_IN, Profile
from orlop_operator.scheduling.table import Verdict, table
from orlop_operator.scheduling.world import World


@dataclass(frozen=True, slots=True)
class Room:
    """One host: how many more it takes, and what is in the way of the next one."""

    node: str
    count: int
    limits: tuple[Verdict, ...]


def room(request: Request, world: World, profile: Profile = BUILT_IN) -> tuple[Room, ...]:
    """All hosts, those with most room first. The World is full afterwards: give a copy.

    Each round puts one on every host that passes the filters, so there are as many rounds as fit on the roomiest one.
    Something must be wanted of a resource, or it would never end: a Flavor has at least one vCPU.
    """
    if request.vcpus < 1:
        raise AssertionError
    counts: Counter[str] = Counter()
    while (fits := candidates(request, world, profile)).any():
        for row in np.flatnonzero(fits):
            node = world.hosts[row].name
            counts[node] += 1
            world.hold(f"{node}/{counts[node]}", node, request.usage)
    found = (Room(row.node, counts[row.node], row.rejections) for row in table(request, world, profile))
    return tuple(sorted(found, key=lambda each: (-each.count, each.node)))
