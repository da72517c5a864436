"""Rejected hosts, counted by the sentence that each gets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np

from orlop_operator.scheduling.facts import Host, Rejection
from orlop_operator.scheduling.world import Mask, World


def grouped(world: World, rejected: Mask, text: Callable[[Host], str]) -> Iterable[Rejection]:
    """One Rejection for each different text; the largest group first."""
    counts = Counter(text(world.hosts[row]) for row in np.flatnonzero(rejected))
    return [Rejection(count, reason) for reason, count in counts.most_common()]
