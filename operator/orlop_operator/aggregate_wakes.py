"""Whom a change of an Aggregate, or of a Node's labels, concerns. Pure, over what the store knows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from orlop_api.aggregate import Aggregate
from orlop_api.hypervisor import Hypervisor
from orlop_api.placement import selects
from orlop_operator.kinds import AGGREGATE, HYPERVISOR, NODE, Node, Object
from orlop_operator.reconcile.aggregate import members
from orlop_operator.store import Change, Key, Store


def of_aggregates(change: Change, store: Store) -> Iterator[Key]:
    """Hypervisors whose ratios may be others now, and Aggregates that have others in them. No more than that."""
    thing = change.new or change.old
    if isinstance(thing, Aggregate):
        if is_other(change):
            for name in {name for each in (change.old, change.new) for name in _ruled(each, store)}:
                yield Key(HYPERVISOR.name, "", name)
    elif isinstance(thing, Node):
        before, after = _labels(change.old), _labels(change.new)
        if before != after:
            yield from _of_labels(store, before, after)
    elif isinstance(thing, Hypervisor) and (change.old is None or change.new is None):
        node = store.get(NODE, "", thing.metadata.name)
        if node is not None:
            yield from _of_labels(store, None, node.metadata.labels)


def is_other(change: Change) -> bool:
    """Whether it is more than its status that changed."""
    old, new = change.old, change.new
    if not isinstance(old, Aggregate) or not isinstance(new, Aggregate):
        return True
    return old.spec != new.spec


def _ruled(thing: Object | None, store: Store) -> list[str]:
    """Hypervisors that it gives a ratio."""
    if not isinstance(thing, Aggregate) or thing.spec.overcommit is None:
        return []
    return members(store, thing.spec.node_selector)


def _labels(thing: Object | None) -> Mapping[str, str] | None:
    return thing.metadata.labels if isinstance(thing, Node) else None


def _of_labels(
    store: Store, before: Mapping[str, str] | None, after: Mapping[str, str] | None
) -> Iterator[Key]:
    """Aggregates that only one of the two is in; there are few of them."""
    for each in store.all(AGGREGATE):
        selector = each.spec.node_selector
        was, now = (labels is not None and selects(selector.items(), labels) for labels in (before, after))
        if was != now:
            yield Key(AGGREGATE.name, "", each.metadata.name)
