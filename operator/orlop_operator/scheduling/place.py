"""Filter, weigh, choose; or say per filter why no host will do."""

from __future__ import annotations

import numpy as np

from orlop_operator.scheduling.facts import Placement, Rejection, Request, Unplaceable
from orlop_operator.scheduling.filters import FILTERS
from orlop_operator.scheduling.weights import WEIGHTS
from orlop_operator.scheduling.world import Mask, World

ALTERNATES = 3
_LONGEST = 1000
"""Characters; the API allows 1024 in a message."""

NO_HYPERVISOR = "no hypervisor: label a node with orlop.dev/hypervisor=true"


def place(request: Request, world: World) -> Placement | Unplaceable:
    """The best host for the request. Whoever acts on it tells the World by `hold`, at once."""
    if not world.hosts:
        return Unplaceable(NO_HYPERVISOR)
    fits = candidates(request, world)
    if not fits.any():
        return explain(request, world)
    score = np.where(fits, 0.0, -np.inf)
    for weight in WEIGHTS:
        score += weight.score(world, request)
    best: list[str] = []
    for _ in range(min(1 + ALTERNATES, int(np.count_nonzero(fits)))):
        row = int(score.argmax())
        best.append(world.hosts[row].name)
        score[row] = -np.inf
    return Placement(best[0], tuple(best[1:]))


def candidates(request: Request, world: World) -> Mask:
    """The hosts that pass every filter."""
    fits = np.ones(len(world.hosts), np.bool_)
    for rule in FILTERS:
        fits &= rule.keep(world, request)
    return fits


def explain(request: Request, world: World) -> Unplaceable:
    """Count each host once, under the first filter that rejects it; larger groups first."""
    left = np.ones(len(world.hosts), np.bool_)
    rejections: list[Rejection] = []
    for rule in FILTERS:
        keep = rule.keep(world, request)
        rejected = left & ~keep
        if rejected.any():
            rejections.extend(rule.explain(world, request, rejected))
        left &= keep
    rejections.sort(key=lambda rejection: -rejection.count)
    return Unplaceable(_sentence(len(world.hosts), rejections), tuple(rejections))


def _sentence(hosts: int, rejections: list[Rejection]) -> str:
    text = f"0/{hosts} hypervisor{'s' if hosts > 1 else ''}: "
    for index, rejection in enumerate(rejections):
        part = f"{', ' if index else ''}{rejection}"
        rest = sum(r.count for r in rejections[index:])
        if len(text) + len(part) > _LONGEST - 30:
            return f"{text}, {rest} for other reasons"
        text += part
    return text
