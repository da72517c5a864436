"""A PreferNoSchedule taint that is not tolerated: only when nothing else will do."""

from __future__ import annotations

import numpy as np

from orlop_operator.scheduling.facts import Request
from orlop_operator.scheduling.toleration import untolerated
from orlop_operator.scheduling.world import Scores, World

PENALTY = 2.0
"""Of a host's capacity: more than all the other weights together can give."""
SOFT = frozenset({"PreferNoSchedule"})


def score(world: World, request: Request) -> Scores:
    avoid = world.where(
        ("soft taints", request.tolerations),
        lambda host: bool(untolerated(host.taints, request.tolerations, SOFT)),
    )
    return np.where(avoid, -PENALTY, 0.0)
