"""Aggregate: which Hypervisors are in it, and the ratios that follow for each of them. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal

from orlop_api.aggregate import LISTED, Aggregate
from orlop_api.capacity import Overcommit, Ratios
from orlop_api.hypervisor import Hypervisor
from orlop_api.placement import selects
from orlop_operator.kinds import AGGREGATE, HYPERVISOR, NODE, Node
from orlop_operator.reconcile.conditions import differs, settled, true
from orlop_operator.reconcile.effects import Plan, Report
from orlop_operator.reconcile.instance.facts import several
from orlop_operator.store import Key, Store


def members(store: Store, selector: Mapping[str, str]) -> list[str]:
    """Names of the Hypervisors that are meant; others are not looked at."""
    nodes = store.labeled(selector) if selector else [key.name for key in store.keys(NODE, "")]
    return [name for name in nodes if store.version_of(HYPERVISOR, "", name)]


def ratios(store: Store, node: Node | None, hypervisor: Hypervisor | None) -> Ratios:
    """What holds for a node: its own word, else the lowest of its Aggregates', else nothing."""
    told = hypervisor.spec.scheduling if hypervisor is not None else None
    own = (told.overcommit if told is not None else None) or Overcommit()
    labels = node.metadata.labels if node is not None else {}
    said = [
        each.spec.overcommit
        for each in (store.all(AGGREGATE) if node is not None else ())
        if each.spec.overcommit is not None and selects(each.spec.node_selector.items(), labels)
    ]
    return Ratios(
        vcpus=own.vcpus or _lowest(each.vcpus for each in said),
        memory=own.memory or _lowest(each.memory for each in said),
        disk=own.disk or _lowest(each.disk for each in said),
    )


def _lowest(said: Iterable[str | None]) -> str | None:
    return min((each for each in said if each is not None), key=Decimal, default=None)


def look_at_aggregate(store: Store, key: Key, now: datetime) -> Plan | None:
    """What this Aggregate wants now; None where it does not exist."""
    aggregate = store.get(AGGREGATE, "", key.name)
    if aggregate is None:
        return None
    return plan_aggregate(aggregate, members(store, aggregate.spec.node_selector), now)


def plan_aggregate(aggregate: Aggregate, found: list[str], now: datetime) -> Plan:
    """Say who is in it."""
    old, generation = aggregate.status, aggregate.metadata.generation
    message = f"{len(found)} Hypervisors are in it" if len(found) != 1 else "1 Hypervisor is in it"
    if found:
        message = f"{message}: {several(found)}"
    ready = [true("Ready", "Valid", message)]
    conditions = settled(old.conditions if old else [], ready, generation, now)
    status = {
        "observedGeneration": generation,
        "hypervisorCount": len(found),
        "hypervisors": heapq.nsmallest(LISTED, found),
        "conditions": [condition.wire() for condition in conditions],
    }
    if not differs(old.wire() if old else None, status):
        return Plan()
    return Plan((Report(AGGREGATE, aggregate, status),))
