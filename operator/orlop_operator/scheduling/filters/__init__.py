"""The filters, in the order in which they are asked; a rejected host counts for the first that rejects it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from orlop_operator.scheduling.facts import Rejection, Request
from orlop_operator.scheduling.filters import (
    affinity,
    aggregates,
    alive,
    architecture,
    cordoned,
    cpu_features,
    cpu_model,
    disabled,
    disk,
    excluded,
    firmware,
    group,
    machine_type,
    memory,
    nic_families,
    obtainable,
    physical_network,
    pinned,
    selector,
    shared_pool,
    taints,
    tpm,
    vcpu,
    zone,
)
from orlop_operator.scheduling.world import Mask, World


class Filter(Protocol):
    """One file: which hosts may have the request, and why the others may not."""

    def keep(self, world: World, request: Request, /) -> Mask:
        """The hosts that pass; not to be written to. `world.every` where it cannot reject anyone."""

    def explain(self, world: World, request: Request, rejected: Mask, /) -> Iterable[Rejection]:
        """Why these hosts did not; the counts add up to their number."""


BY_NAME: Mapping[str, Filter] = {
    "alive": alive,
    "disabled": disabled,
    "cordoned": cordoned,
    "pinned": pinned,
    "shared_pool": shared_pool,
    "physical_network": physical_network,
    "zone": zone,
    "aggregates": aggregates,
    "selector": selector,
    "affinity": affinity,
    "taints": taints,
    "architecture": architecture,
    "machine_type": machine_type,
    "firmware": firmware,
    "tpm": tpm,
    "cpu_model": cpu_model,
    "cpu_features": cpu_features,
    "nic_families": nic_families,
    "obtainable": obtainable,
    "group": group,
    "excluded": excluded,
    "vcpu": vcpu,
    "memory": memory,
    "disk": disk,
}
FILTERS: tuple[Filter, ...] = tuple(BY_NAME.values())
OPTIONAL = frozenset({"disabled", "cordoned", "zone", "aggregates", "selector", "affinity", "taints"})
"""Policy, which a profile may leave out. The others are facts: without them a node would refuse, or have no data."""
