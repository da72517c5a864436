"""Filter, weigh, choose; or say per filter why no host will do."""

from __future__ import annotations

import numpy as np

from orlop_operator.scheduling.facts import Placement, Rejection, Request, Unplaceable
from orlop_operator.scheduling.profile import BUILT_IN, Profile
from orlop_operator.scheduling.world import Mask, Scores, World

ALTERNATES = 3
_LONGEST = 1000
"""Characters; the API allows 1024 in a message."""

NO_HYPERVISOR = "no hypervisor: label a node with orlop.dev/hypervisor=true"


def place(request: Request, world: World, profile: Profile = BUILT_IN) -> Placement | Unplaceable:
    """The best host for the request. Whoever acts on it tells the World by `hold`, at once."""
    if not world.hosts:
        return Unplaceable(NO_HYPERVISOR)
    fits = candidates(request, world, profile)
    count = int(np.count_nonzero(fits))
    if not count:
        return explain(request, world, profile)
    score = np.where(fits, scores(request, world, profile), -np.inf)
    best: list[str] = []
    # The largest a few times over costs a fifth of sorting out the few largest.
    for _ in range(min(1 + ALTERNATES, count)):
        row = int(score.argmax())
        best.append(world.hosts[row].name)
        score[row] = -np.inf
    return Placement(best[0], tuple(best[1:]))


def candidates(request: Request, world: World, profile: Profile = BUILT_IN) -> Mask:
    """The hosts that pass every filter; not to be written to."""
    every = world.every
    fits = every
    for rule in profile.filters:
        keep = rule.keep(world, request)
        if keep is not every:
            fits = keep if fits is every else fits & keep
    return fits


def scores(request: Request, world: World, profile: Profile = BUILT_IN) -> Scores:
    """How well each host suits, whether it may have the request or not."""
    nothing = world.nothing
    total = np.zeros(len(world.hosts))
    for weight, multiplier in profile.weights:
        score = weight.score(world, request)
        if score is not nothing:
            total += score if multiplier == 1 else score * multiplier
    return total


def explain(request: Request, world: World, profile: Profile = BUILT_IN) -> Unplaceable:
    """Count each host once, under the first filter that rejects it; larger groups first."""
    left = np.ones(len(world.hosts), np.bool_)
    rejections: list[Rejection] = []
    for rule in profile.filters:
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
        part, left = f"{', ' if index else ''}{rejection}", _LONGEST - 30 - len(text)
        if index and len(part) > left:
            rest = sum(r.count for r in rejections[index:])
            return f"{text}, {rest} for other reasons"
        # What most hosts have against it is said in any case, as far as there is room.
        text += part if len(part) <= left else f"{part[: left - 1]}…"
    return text
