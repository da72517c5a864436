"""No administrator has disabled the Hypervisor (Hypervisor.spec.scheduling)."""

from __future__ import annotations

from collections.abc import Iterable

from orlop_operator.scheduling.facts import Host, Rejection, Request
from orlop_operator.scheduling.filters.grouping import grouped
from orlop_operator.scheduling.world import Mask, World


def keep(world: World, _request: Request) -> Mask:
    return world.where("enabled", lambda host: host.disabled is None)


def explain(world: World, _request: Request, rejected: Mask) -> Iterable[Rejection]:
    return grouped(world, rejected, _why)


def _why(host: Host) -> str:
    return f"disabled ({host.disabled})" if host.disabled else "disabled"
