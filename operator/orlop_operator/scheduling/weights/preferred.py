"""Soft affinity: how much of what placement.nodeAffinity prefers the node is."""

from __future__ import annotations

import numpy as np

from orlop_operator.scheduling.facts import Request
from orlop_operator.scheduling.matching import matches, where
from orlop_operator.scheduling.world import Scores, World


def score(world: World, request: Request) -> Scores:
    """The part of the terms' weights that matches: 1 where all do."""
    preferred = request.preferred
    whole = sum(each.weight for each in preferred)
    if not whole:
        return world.nothing
    return world.numbers(
        ("preferred", preferred),
        lambda host: sum(each.weight for each in preferred if matches(each.term, host)) / whole,
        lambda: np.sum([each.weight * where(each.term, world) for each in preferred], axis=0) / whole,
    )
