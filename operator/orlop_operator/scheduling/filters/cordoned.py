"""The node is not cordoned (Node.spec.unschedulable) and still a hypervisor."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from orlop_operator.scheduling.facts import Rejection, Request
from orlop_operator.scheduling.world import Mask, World


def keep(world: World, _request: Request) -> Mask:
    return world.where("uncordoned", lambda host: not host.cordoned)


def explain(_world: World, _request: Request, rejected: Mask) -> Iterable[Rejection]:
    return [Rejection(int(np.count_nonzero(rejected)), "cordoned")]
