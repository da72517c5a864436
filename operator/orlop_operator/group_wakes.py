"""Whom a change of an InstanceGroup, or the end of a member, concerns. Pure, over what the store knows."""

from __future__ import annotations

from collections.abc import Iterator

from orlop_api.assignment import Assignment
from orlop_api.instance_group import InstanceGroup
from orlop_operator.kinds import INSTANCE, INSTANCE_GROUP, Object
from orlop_operator.protocol import is_final
from orlop_operator.store import Change, Key, Store


def is_news(change: Change) -> bool:
    """Whether all who name the object look again: not because one more of a group has got its place."""
    old, new = change.old, change.new
    if not isinstance(old, InstanceGroup) or not isinstance(new, InstanceGroup):
        return True
    return (old.metadata.uid, old.metadata.deleting) != (new.metadata.uid, new.metadata.deleting)


def of_groups(change: Change, store: Store) -> Iterator[Key]:
    """Instances that may wait for a place that was given back; and groups whose member may be over now."""
    thing = change.new or change.old
    if isinstance(thing, InstanceGroup) and not is_news(change):
        if _places(change.old) - _places(change.new):
            yield from _unplaced(store, change.key)
    elif isinstance(thing, Assignment) and change.new is None and store.by_uid(thing.metadata.name) is None:
        # Its Instance went before it.
        for group in store.all(INSTANCE_GROUP):
            if thing.metadata.name in {uid for uid, _ in _places(group)}:
                yield Key(INSTANCE_GROUP.name, group.metadata.namespace, group.metadata.name)


def _places(thing: Object | None) -> frozenset[tuple[str, str]]:
    status = thing.status if isinstance(thing, InstanceGroup) else None
    return frozenset((member.uid, member.domain) for member in status.members) if status else frozenset()


def _unplaced(store: Store, group: Key) -> Iterator[Key]:
    for key in store.dependents(group):
        instance = store.get(INSTANCE, key.namespace, key.name) if key.kind == INSTANCE.name else None
        order = store.assignment_of(instance.metadata.uid) if instance is not None else None
        if instance is not None and (order is None or order.spec.node_name is None or is_final(order)):
            yield key
