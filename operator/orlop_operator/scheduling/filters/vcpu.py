"""The node has enough free virtual CPUs, overcommit included."""

from __future__ import annotations

from collections.abc import Iterable

from orlop_operator.scheduling.facts import Rejection, Request
from orlop_operator.scheduling.filters.shortage import enough, shortage
from orlop_operator.scheduling.world import VCPUS, Mask, World


def keep(world: World, request: Request) -> Mask:
    return enough(world.free[VCPUS], request.vcpus, world)


def explain(world: World, request: Request, rejected: Mask) -> Iterable[Rejection]:
    return shortage(world, world.free[VCPUS], request.vcpus, rejected, what="vCPUs", unit=str)
