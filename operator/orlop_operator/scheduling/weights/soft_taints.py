"""A PreferNoSchedule taint that is not tolerated: only when nothing else will do."""

from __future__ import annotations

from orlop_operator.scheduling.facts import Request
from orlop_operator.scheduling.toleration import untolerated
from orlop_operator.scheduling.world import Scores, World

PENALTY = 6.0
"""Of a host's capacity: more than all the other weights together can make of a difference."""
SOFT = frozenset({"PreferNoSchedule"})


def score(world: World, request: Request) -> Scores:
    tolerations = request.tolerations
    return world.numbers(
        ("soft taints", tolerations),
        lambda host: -PENALTY if untolerated(host.taints, tolerations, SOFT) else 0.0,
    )
