"""The node's agent can read an order with a NIC that has no IPv4 address; older ones can read none with it."""

from __future__ import annotations

from collections.abc import Iterable

from orlop_operator.scheduling.facts import Host, Rejection, Request
from orlop_operator.scheduling.filters.grouping import grouped
from orlop_operator.scheduling.world import Mask, World


def keep(world: World, request: Request) -> Mask:
    if not request.ipv6_alone:
        return world.every
    return world.where(("nic families", "IPv6"), _has)


def explain(world: World, _request: Request, rejected: Mask) -> Iterable[Rejection]:
    return grouped(
        world, rejected, lambda _: "have an agent that knows no Network of IPv6 alone (upgrade it)"
    )


def _has(host: Host) -> bool:
    return "IPv6" in host.nic_families
