"""The node is what one of the required terms of placement.nodeAffinity says."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from orlop_operator.scheduling.facts import Rejection, Request
from orlop_operator.scheduling.matching import described, matches, where
from orlop_operator.scheduling.world import Mask, World


def keep(world: World, request: Request) -> Mask:
    terms = request.affinity
    if terms is None:
        return world.every
    return world.where(
        ("affinity", terms),
        lambda host: any(matches(term, host) for term in terms),
        lambda: np.logical_or.reduce([where(term, world) for term in terms]),
    )


def explain(_world: World, request: Request, rejected: Mask) -> Iterable[Rejection]:
    wanted = " or ".join(described(term) for term in request.affinity or ())
    return [Rejection(int(np.count_nonzero(rejected)), f"node affinity {wanted} does not match")]
