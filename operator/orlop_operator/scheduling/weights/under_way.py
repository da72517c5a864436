"""What the node is busy with: machines that are not started yet, copies and imports (Nova's IoOpsWeigher)."""

from __future__ import annotations

import numpy as np

from orlop_operator.scheduling.facts import Request
from orlop_operator.scheduling.world import Scores, World

EACH = 0.01
"""Off for each: half of what the image in the cache is worth."""
MOST = 0.1
"""For all of them together; they are over soon, and room stays for as long as the machine is there."""


def score(world: World, _request: Request) -> Scores:
    busy = world.busy
    if not busy:
        return world.nothing
    made = np.multiply(busy.column, -EACH)
    return np.maximum(made, -MOST, out=made)
