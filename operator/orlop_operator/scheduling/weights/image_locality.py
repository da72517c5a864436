"""A host that has the image saves a download."""

from __future__ import annotations

from orlop_operator.scheduling.facts import Request
from orlop_operator.scheduling.world import Scores, World

WORTH = 0.02
"""Of a host's capacity. So little that many Instances of one new image do not heap up on the node that
imported it: after a few the others fetch it too, and from then on all are equal."""


def score(world: World, request: Request) -> Scores:
    digest = request.image
    if digest is None:
        return world.nothing
    return world.numbers(("image worth", digest), lambda host: WORTH if digest in host.images else 0.0)
