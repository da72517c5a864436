"""A guest's processor can have, on the node, every feature that it needs."""

from __future__ import annotations

from collections.abc import Iterable

from orlop_operator.scheduling.facts import Host, Rejection, Request
from orlop_operator.scheduling.filters.grouping import grouped
from orlop_operator.scheduling.hardware import UNTOLD, among
from orlop_operator.scheduling.world import Mask, World


def keep(world: World, request: Request) -> Mask:
    mask = world.every
    for name in request.hardware.cpu_features:
        mask = mask & world.where(("cpu feature", name), among(lambda offer: offer.cpu_features, name))
    return mask


def explain(world: World, request: Request, rejected: Mask) -> Iterable[Rejection]:
    def why(host: Host) -> str:
        if host.hardware is None:
            return UNTOLD
        lacked = (name for name in request.hardware.cpu_features if name not in host.hardware.cpu_features)
        return f"CPU lacks {', '.join(lacked)}"

    return grouped(world, rejected, why)
