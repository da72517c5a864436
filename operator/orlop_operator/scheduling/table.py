"""Every host with every filter's word and every weight's score: what `place` decides by, node by node. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from orlop_operator.scheduling.facts import Request
from orlop_operator.scheduling.filters import BY_NAME, Filter
from orlop_operator.scheduling.profile import BUILT_IN, Profile
from orlop_operator.scheduling.weights import OF_RESOURCES, PLAIN, Weight
from orlop_operator.scheduling.world import World

_FILTERS: Mapping[Filter, str] = {rule: name for name, rule in BY_NAME.items()}
_WEIGHTS: Mapping[Weight, str] = {weight: name for name, weight in PLAIN.items()} | {
    weight: f"{name} {resource}" for name, each in OF_RESOURCES.items() for resource, weight in each.items()
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """One filter that rejects the host, and its sentence."""

    filter: str
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """One host: all filters that reject it, or none and the scores."""

    node: str
    rejections: tuple[Verdict, ...]
    scores: Mapping[str, float]
    """Weight to score, times its multiplier, of those that make a difference; none of a host that is rejected."""

    @property
    def total(self) -> float:
        """What hosts are compared by."""
        return sum(self.scores.values())


def table(request: Request, world: World, profile: Profile = BUILT_IN) -> tuple[Row, ...]:
    """The hosts that pass, the best first, then those with the fewest rejections."""
    found: list[list[Verdict]] = [[] for _ in world.hosts]
    for rule in profile.filters:
        for row in np.flatnonzero(~rule.keep(world, request)):
            found[row].append(Verdict(_FILTERS[rule], _sentence(rule, world, request, int(row))))
    scores = {
        _WEIGHTS[weight]: score * multiplier
        for weight, multiplier in profile.weights
        if (score := weight.score(world, request)).any()
    }
    rows = (
        Row(
            host.name,
            tuple(rejections),
            {} if rejections else {name: float(column[number]) for name, column in scores.items()},
        )
        for number, (host, rejections) in enumerate(zip(world.hosts, found, strict=True))
    )
    return tuple(sorted(rows, key=lambda row: (len(row.rejections), -row.total, row.node)))


def _sentence(rule: Filter, world: World, request: Request, row: int) -> str:
    """As it says it of this host alone."""
    alone = np.zeros(len(world.hosts), np.bool_)
    alone[row] = True
    return ", ".join(rejection.text for rejection in rule.explain(world, request, alone))
