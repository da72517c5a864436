"""Facts for a Quota's plan: all of its namespace that counts, and how that stands. Reads only, from the store."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

from orlop_api.assignment import ASSIGNMENT_NAMESPACE
from orlop_api.instance import Instance
from orlop_api.quota import NAME, Quota
from orlop_api.snapshot import VolumeSnapshot
from orlop_api.volume import Volume
from orlop_operator.kinds import ASSIGNMENT, FLAVOR, INSTANCE, QUOTA, VOLUME, VOLUME_SNAPSHOT
from orlop_operator.reconcile.counting import (
    KINDS,
    UNLIMITED,
    Counted,
    Standing,
    asker,
    is_being_taken,
    standing,
)
from orlop_operator.reconcile.instance import quota as instances
from orlop_operator.reconcile.quota import QuotaFacts
from orlop_operator.reserving import Asker
from orlop_operator.store import Key, Store
from orlop_operator.verdicts import Verdicts


def quota_facts(store: Store, key: Key, now: datetime, gone: Collection[str]) -> QuotaFacts | None:
    """All about a Quota; None where it does not exist."""
    quota = store.get(QUOTA, key.namespace, key.name)
    return QuotaFacts(quota, now, tuple(_askers(store, quota, gone)), gone) if quota is not None else None


def stands(store: Store, verdicts: Verdicts, thing: Counted) -> Standing:
    """How an object stands with the Quota of its namespace."""
    meta = thing.metadata
    quota = store.get(QUOTA, meta.namespace, NAME)
    if quota is None:
        return UNLIMITED
    return standing(quota, _counted(store, quota, thing), verdicts.of(meta.namespace, meta.uid))


def _askers(store: Store, quota: Quota, gone: Collection[str]) -> Iterator[Asker]:
    namespace, policy = quota.metadata.namespace, quota.spec.stopped_instances
    flavors = frozenset((each.metadata.uid, each.metadata.resource_version) for each in store.all(FLAVOR))
    beside = hash((flavors, policy))

    def asked(instance: Instance) -> Asker | None:
        flavor = store.get(FLAVOR, "", instance.spec.flavor_name)
        return instances.asker(instance, flavor, store.assignment_of(instance.metadata.uid), policy)

    def seen(uid: str) -> tuple[int, int]:
        return store.version_of(ASSIGNMENT, ASSIGNMENT_NAMESPACE, uid), beside

    yield from (each for each in store.said(INSTANCE, namespace, seen, asked) if each is not None)
    behind = _unknown(store, quota, gone)
    for kind in KINDS:
        for thing in store.alone(kind, namespace):
            counted = _counted(store, quota, thing, behind)
            if counted is not None:
                yield counted


def _unknown(store: Store, quota: Quota, gone: Collection[str]) -> str:
    """Another operator reserved for a VolumeSnapshot that the watch has yet to bring here: any Volume may be its."""
    for uid, hold in quota.holds.items():
        if "volume_snapshots" in hold.amounts and uid not in gone and store.by_uid(uid) is None:
            return "it grows once a VolumeSnapshot is taken"
    return ""


def _counted(store: Store, quota: Quota, thing: Counted, behind: str = "") -> Asker | None:
    match thing:
        case Volume():
            return asker(thing, quota, behind=behind or _behind(store, quota, thing))
        case VolumeSnapshot():
            volume = store.get(VOLUME, thing.metadata.namespace, thing.spec.volume_ref.name)
            return asker(thing, quota, volume)
        case _:
            return asker(thing, quota)


def _behind(store: Store, quota: Quota, volume: Volume) -> str:
    """The VolumeSnapshot of it that is to be taken first."""
    meta = volume.metadata
    for key in sorted(store.dependents(Key(VOLUME.name, meta.namespace, meta.name))):
        snapshot = store.get(VOLUME_SNAPSHOT, key.namespace, key.name)
        if key.kind == VOLUME_SNAPSHOT.name and snapshot is not None and is_being_taken(snapshot, quota):
            return f"it grows once VolumeSnapshot {key.name} of it is taken"
    return ""
