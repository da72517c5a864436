"""The node's hypervisor can give a guest the CPU model that it needs."""

from __future__ import annotations

from collections.abc import Iterable

from orlop_operator.scheduling.facts import Rejection, Request
from orlop_operator.scheduling.filters.grouping import grouped
from orlop_operator.scheduling.hardware import UNTOLD, among
from orlop_operator.scheduling.world import Mask, World


def keep(world: World, request: Request) -> Mask:
    wanted = request.hardware.cpu_model
    if wanted is None:
        return world.every
    return world.where(("cpu model", wanted), among(lambda offer: offer.cpu_models, wanted))


def explain(world: World, request: Request, rejected: Mask) -> Iterable[Rejection]:
    return grouped(
        world,
        rejected,
        lambda host: (
            UNTOLD if host.hardware is None else f"CPU model {request.hardware.cpu_model} is not usable"
        ),
    )
