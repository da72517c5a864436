"""The node is in the zone of placement.zone, by Kubernetes' own label for that."""

from __future__ import annotations

from collections.abc import Iterable

from orlop_operator.scheduling.facts import Rejection, Request
from orlop_operator.scheduling.filters.grouping import grouped
from orlop_operator.scheduling.world import Mask, World

LABEL = "topology.kubernetes.io/zone"


def keep(world: World, request: Request) -> Mask:
    zone = request.zone
    if zone is None:
        return world.every
    return world.where(
        ("label", LABEL, zone),
        lambda host: host.labels.get(LABEL) == zone,
        lambda: world.labeled(LABEL, lambda value: value == zone),
    )


def explain(world: World, request: Request, rejected: Mask) -> Iterable[Rejection]:
    return grouped(
        world,
        rejected,
        lambda host: f"in {_zone(host.labels.get(LABEL))} (need zone {request.zone})",
    )


def _zone(name: str | None) -> str:
    return f"zone {name}" if name else "no zone"
