"""What an administrator gave the node (Hypervisor.spec.scheduling.weight)."""

from __future__ import annotations

from orlop_operator.scheduling.facts import Request
from orlop_operator.scheduling.world import Scores, World


def score(world: World, _request: Request) -> Scores:
    return world.numbers("node weight", lambda host: host.weight)
