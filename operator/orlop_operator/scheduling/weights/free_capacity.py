"""Spread: the host wins that keeps the largest part of its scarcest resource free."""

from __future__ import annotations

import numpy as np

from orlop_operator.scheduling.facts import Request
from orlop_operator.scheduling.world import Scores, World


def score(world: World, request: Request) -> Scores:
    """The smallest of the free shares of vCPUs, memory and disk with the request on it, at most 1."""
    need = np.array([[request.vcpus], [request.memory], [request.disk]], np.int64)
    shares: Scores = ((world.free - need) * world.share).min(axis=0)
    return shares
