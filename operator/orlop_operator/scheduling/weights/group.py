"""Near the others of the Instance's group, or away from them; also where that is not a must, and before it is one."""

from __future__ import annotations

from collections import Counter

import numpy as np

from orlop_operator.scheduling.facts import Request
from orlop_operator.scheduling.topology import domain_of, within
from orlop_operator.scheduling.world import Scores, World

EACH = 1.0
"""Off for each other one in the domain: a whole capacity, so that an empty domain comes before a full one."""
ALL = 1.0
"""For a domain that has all the others; a part of it for a part of them."""


def score(world: World, request: Request) -> Scores:
    need = request.group
    if need is None or not need.others:
        return world.nothing
    counts: Counter[str] = Counter()
    for node, count in need.others.items():
        row = world.row(node)
        domain = domain_of(world.hosts[row], need.key) if row is not None else None
        if domain is not None:
            counts[domain] += count
    made: Scores = np.zeros(len(world.hosts))
    each = ALL / max(1, sum(counts.values())) if need.together else -EACH
    for domain, count in counts.items():
        made[within(world, need.key, (domain,))] += each * count
    return made
