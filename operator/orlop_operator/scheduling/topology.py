"""The domains that nodes are in, by a label: zones, racks, or with the host name's label each node by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from orlop_api.instance_group import HOSTNAME
from orlop_operator.scheduling.facts import Host
from orlop_operator.scheduling.world import Mask, World


def domain_of(host: Host, key: str) -> str | None:
    """The domain of a host; None where it is in none. Nodes that share a host name label are two all the same."""
    return host.name if key == HOSTNAME else host.labels.get(key) or None


def anywhere(world: World, key: str) -> Mask:
    """The hosts that are in a domain; not to be written to."""
    if key == HOSTNAME:
        return world.every
    return world.where(("has label", key), lambda host: bool(host.labels.get(key)))


def within(world: World, key: str, domains: Iterable[str]) -> Mask:
    """The hosts that are in one of these."""
    mask = np.zeros(len(world.hosts), np.bool_)
    for domain in domains:
        if key == HOSTNAME:
            row = world.row(domain)
            if row is not None:
                mask[row] = True
        else:
            mask |= world.where(("label", key, domain), _has(key, domain))
    return mask


def _has(key: str, value: str) -> Callable[[Host], bool]:
    return lambda host: host.labels.get(key) == value
