"""Nodes where Instances failed lately are asked later: something may be wrong there that no filter knows."""

from __future__ import annotations

import numpy as np

from orlop_operator.scheduling.facts import Request
from orlop_operator.scheduling.world import Scores, World

EACH = 0.1
"""For an Instance that is Failed there."""
MOST = 0.5
"""For all of them together; the node may be the right one all the same."""
OWN = 0.5
"""Where the very Instance was refused before."""


def score(world: World, request: Request) -> Scores:
    failed = world.failed
    if not request.failed and not failed.any():
        return world.nothing
    made: Scores = -np.minimum(failed * EACH, MOST)
    for name in request.failed:
        row = world.row(name)
        if row is not None:
            made[row] -= OWN
    return made
