"""The node has an interface on every physical network that the NICs are on, and that one will do."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from functools import partial

import numpy as np

from orlop_operator.scheduling.facts import Host, PhysicalNeed, Rejection, Request
from orlop_operator.scheduling.world import Mask, World

_MOST_NAMED = 3


def keep(world: World, request: Request) -> Mask:
    if not request.physical:
        return world.every
    mask = np.ones(len(world.hosts), np.bool_)
    for need in request.physical:
        mask &= world.where(("physical network", need), partial(_has, need))
    return mask


def explain(world: World, request: Request, rejected: Mask) -> Iterable[Rejection]:
    """By what they lack, and which they are: whoever cables nodes wants their names."""
    found: defaultdict[tuple[PhysicalNeed, str], list[str]] = defaultdict(list)
    for row in np.flatnonzero(rejected):
        host = world.hosts[row]
        reasons = ((need, why_not(need, host)) for need in request.physical)
        found[next((need, reason) for need, reason in reasons if reason is not None)].append(host.name)
    return [
        Rejection(len(names), f"{reason} ({_several(names)}{_elsewhere(world, need, reason)})")
        for (need, reason), names in found.items()
    ]


def _several(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more


def _elsewhere(world: World, need: PhysicalNeed, reason: str) -> str:
    """Who has an interface there, for who asks where that is."""
    if reason != _nowhere(need):
        return ""
    there = sorted(host.name for host in world.hosts if need.name in host.physical)
    if not there:
        return "; no node has one"
    return f"; {_several(there)} {'has' if len(there) == 1 else 'have'} one"


def _has(need: PhysicalNeed, host: Host) -> bool:
    return why_not(need, host) is None


def _nowhere(need: PhysicalNeed) -> str:
    return f"have no interface on physical network {need.name}"


def why_not(need: PhysicalNeed, host: Host) -> str | None:
    """What the host lacks, as what several hosts lack; None where it will do."""
    missed = [f"{key}={value}" for key, value in need.node_selector if host.labels.get(key) != value]
    found = host.physical.get(need.name)
    if missed:
        return f"lack {','.join(missed)}, which segment.nodeSelector of a Network on {need.name} asks for"
    if found is None:
        return _nowhere(need)
    if need.bridge and not found.bridge:
        return f"have an interface on physical network {need.name} that is no bridge"
    if found.mtu < need.mtu:
        return (
            f"have an interface on physical network {need.name} with an MTU of {found.mtu}, below {need.mtu}"
        )
    return None
