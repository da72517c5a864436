"""The node has every label of placement.nodeSelector."""

from __future__ import annotations

from collections.abc import Iterable

from orlop_operator.scheduling.facts import Host, Rejection, Request
from orlop_operator.scheduling.filters.grouping import grouped
from orlop_operator.scheduling.world import Mask, World


def keep(world: World, request: Request) -> Mask:
    if not request.node_selector:
        return world.every
    mask = world.every
    for key, value in request.node_selector.items():
        mask = mask & _labeled(world, key, value)
    return mask


def _labeled(world: World, key: str, value: str) -> Mask:
    return world.where(
        ("label", key, value),
        lambda host: host.labels.get(key) == value,
        lambda: world.labeled(key, lambda found: found == value),
    )


def explain(world: World, request: Request, rejected: Mask) -> Iterable[Rejection]:
    def why(host: Host) -> str:
        missed = [f"{k}={v}" for k, v in request.node_selector.items() if host.labels.get(k) != v]
        return f"node selector {','.join(missed)} does not match"

    return grouped(world, rejected, why)
