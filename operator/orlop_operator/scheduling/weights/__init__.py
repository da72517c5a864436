"""The weights: their scores add up, and the host with the highest sum wins."""

from __future__ import annotations

from typing import Protocol

from orlop_operator.scheduling.facts import Request
from orlop_operator.scheduling.weights import free_capacity, image_locality, soft_taints
from orlop_operator.scheduling.world import Scores, World


class Weight(Protocol):
    """One file: how well each host suits; the unit is a host's whole capacity."""

    def score(self, world: World, request: Request, /) -> Scores:
        """One number for each host; not to be written to."""


WEIGHTS: tuple[Weight, ...] = (free_capacity, image_locality, soft_taints)
