"""Which Quotas want a look when something has changed, and who does when a Quota has. Pure, over the store."""

from __future__ import annotations

from collections.abc import Iterator

from orlop_api.assignment import Assignment
from orlop_api.flavor import Flavor
from orlop_api.floating_ip import FloatingIP
from orlop_api.image import Image
from orlop_api.instance import Instance
from orlop_api.quota import NAME, Quota, StoppedInstances
from orlop_api.snapshot import VolumeSnapshot
from orlop_api.volume import Volume
from orlop_operator.kinds import INSTANCE, QUOTA, Object, OwnedPort
from orlop_operator.reconcile.counting import KINDS, is_settled
from orlop_operator.reconcile.existence import created
from orlop_operator.store import Change, Key, Store


def of_quotas(change: Change, store: Store) -> Iterator[Key]:
    """What the change means for Quotas, or for those who wait for one."""
    match change.new or change.old:
        case Quota() as quota:
            yield from _waiting(change, quota.metadata.namespace, store)
        case (Instance() | Volume() | VolumeSnapshot() | OwnedPort() | FloatingIP() | Image()) as thing:
            if _as_counted(change.old) != _as_counted(change.new):
                yield from _of_namespace(store, thing.metadata.namespace)
        case Assignment() as order:
            namespace = order.spec.instance.namespace
            found = store.get(QUOTA, namespace, NAME)
            frees = found is not None and found.spec.stopped_instances is StoppedInstances.FREE
            # At its end the last is given back; before that only by a mark, or where stopped ones are free.
            marked = _mark(change.old) != _mark(change.new)
            if change.new is None or marked or (frees and _as_ordered(change.old) != _as_ordered(change.new)):
                yield from _of_namespace(store, namespace)
        case Flavor():
            for namespace in {key.namespace for key in store.dependents(change.key)}:
                yield from _of_namespace(store, namespace)
        case _:
            return


def _of_namespace(store: Store, namespace: str) -> Iterator[Key]:
    if store.get(QUOTA, namespace, NAME) is not None:
        yield Key(QUOTA.name, namespace, NAME)


def _waiting(change: Change, namespace: str, store: Store) -> Iterator[Key]:
    """Whose reservation changed, and who uses that; everybody where the Quota comes, goes, or counts otherwise."""
    old, new = change.old, change.new
    before, after = (each.holds if isinstance(each, Quota) else {} for each in (old, new))
    for uid in before.keys() | after.keys():
        if before.get(uid) != after.get(uid) and (key := store.by_uid(uid)) is not None:
            yield key
            yield from store.dependents(key)
    if _policy(old) is _policy(new):
        return
    for kind in (INSTANCE, *(KINDS if old is None or new is None else ())):
        yield from store.keys(kind, namespace)


def _policy(thing: Object | None) -> StoppedInstances | None:
    return thing.spec.stopped_instances if isinstance(thing, Quota) else None


def _as_counted(thing: Object | None) -> object:
    """All of an object that a Quota looks at."""
    match thing:
        case Volume():
            state: object = created(thing), thing.status.capacity_bytes if thing.status is not None else None
        case VolumeSnapshot():
            state = is_settled(thing)
        case OwnedPort() if thing.owner_uid is not None:
            return None
        case Instance() | OwnedPort() | FloatingIP() | Image():
            state = None
        case _:
            return None
    return thing.metadata.uid, thing.metadata.generation, thing.metadata.deleting, state


def _mark(thing: Object | None) -> int:
    return thing.spec.reservation if isinstance(thing, Assignment) else 0


def _as_ordered(thing: Object | None) -> object:
    """All of an Assignment that tells whether something runs, or may."""
    if not isinstance(thing, Assignment):
        return None
    state = thing.status.state if thing.status is not None else None
    return thing.spec.node_name, thing.spec.desired, thing.spec.epoch, thing.spec.reservation, state
