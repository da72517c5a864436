"""The weights: their scores add up, each times its multiplier, and the host with the highest sum wins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from orlop_operator.scheduling.facts import Request
from orlop_operator.scheduling.weights import (
    failures,
    group,
    image_locality,
    node_weight,
    preferred,
    soft_taints,
    under_way,
)
from orlop_operator.scheduling.weights.free_share import PACK, SPREAD
from orlop_operator.scheduling.world import Scores, World


class Weight(Protocol):
    """One file: how well each host suits; the unit is a host's whole capacity."""

    def score(self, world: World, request: Request, /) -> Scores:
        """One number for each host; not to be written to."""


PLAIN: Mapping[str, Weight] = {
    "image_locality": image_locality,
    "soft_taints": soft_taints,
    "preferred": preferred,
    "group": group,
    "failures": failures,
    "under_way": under_way,
    "node_weight": node_weight,
}
OF_RESOURCES: Mapping[str, Mapping[str, Weight]] = {"spread": SPREAD, "pack": PACK}
"""Those that come for each resource; `scarcest` is the one of which the smallest share is left."""
