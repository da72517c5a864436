"""Facts for the plans of a Volume and of a VolumeSnapshot, from the store. Reads only."""

from __future__ import annotations

from collections.abc import Collection

from orlop_api.hypervisor import Hypervisor
from orlop_api.instance import VolumeMount
from orlop_api.resource import LocalRef
from orlop_api.volume import Volume
from orlop_operator.kinds import HYPERVISOR, VOLUME, VOLUME_CLASS, VOLUME_SNAPSHOT
from orlop_operator.reconcile.copies import copied_by
from orlop_operator.reconcile.existence import created
from orlop_operator.reconcile.gather import Context, disk_facts, origin_of
from orlop_operator.reconcile.gather_quota import stands
from orlop_operator.reconcile.instance.facts import DiskFacts
from orlop_operator.reconcile.location import anywhere, carrier, holders, maker, pinned
from orlop_operator.reconcile.restore import is_unfinished
from orlop_operator.reconcile.rights import of_volume
from orlop_operator.reconcile.snapshot import SnapshotFacts
from orlop_operator.reconcile.storage import storage_order
from orlop_operator.reconcile.volume_status import VolumeFacts
from orlop_operator.store import Key, Store


def volume_facts(context: Context, key: Key, *, gone: Collection[str]) -> VolumeFacts | None:
    """All about a Volume."""
    store = context.store
    volume = store.get(VOLUME, key.namespace, key.name)
    if volume is None:
        return None
    uid, wanted, host = volume.metadata.uid, volume.spec.restore, _carrier(store, volume)
    orders = (store.assignment_of(held.instance_uid) for held in holders(volume))
    said = [order.status for order in orders if order is not None and order.status is not None]
    sizes = [known.size_bytes for status in said for known in status.volume_sizes if known.volume_uid == uid]
    return VolumeFacts(
        volume,
        context.now(),
        store.get(VOLUME_CLASS, "", volume.spec.class_name),
        created=any(uid in status.created_volumes for status in said),
        size=min(sizes, default=None),
        gone=gone,
        copied_by=copied_by(store, volume) if volume.metadata.deleting or is_unfinished(volume) else "",
        hypervisor=host,
        others=_others(store, volume, host),
        snapshot=store.get(VOLUME_SNAPSHOT, key.namespace, wanted.snapshot_ref.name) if wanted else None,
        origin_uid=next(
            (thing.metadata.uid for thing in origin_of(store, volume) if thing is not None), None
        ),
        begins=_begins(context, volume),
        answers=context.reviews.of(of_volume(volume)),
        standing=stands(store, context.verdicts, volume),
    )


def _begins(context: Context, volume: Volume) -> DiskFacts | None:
    if volume.spec.source is None or created(volume):
        return None
    mount = VolumeMount(name="data", volume_ref=LocalRef(name=volume.metadata.name))
    return disk_facts(context, volume.metadata.namespace, mount)


def _carrier(store: Store, volume: Volume) -> Hypervisor | None:
    """The node that works on its data; only data that several reach is looked for among all."""
    where = pinned(volume)
    if where is not None and anywhere(where):
        return carrier(volume, store.all(HYPERVISOR))
    keeper = volume.status.node_name if volume.status is not None else None
    node = keeper or maker(volume, store.get(VOLUME_CLASS, "", volume.spec.class_name))
    if node is None:
        # Where nothing is kept nothing is to be done; an order may still stand that was answered.
        ordered = (host for host in store.all(HYPERVISOR) if storage_order(host, volume.metadata.uid))
        return next(ordered, None)
    return store.get(HYPERVISOR, "", node)


def _others(store: Store, volume: Volume, host: Hypervisor | None) -> tuple[Hypervisor, ...]:
    """Nodes that had orders for data that several reach before this one took over."""
    where, uid = pinned(volume), volume.metadata.uid
    if where is None or not anywhere(where) or host is None:
        return ()
    name = host.metadata.name
    return tuple(h for h in store.all(HYPERVISOR) if h.metadata.name != name and storage_order(h, uid))


def snapshot_facts(context: Context, key: Key) -> SnapshotFacts | None:
    """All about a VolumeSnapshot."""
    store = context.store
    snapshot = store.get(VOLUME_SNAPSHOT, key.namespace, key.name)
    if snapshot is None:
        return None
    volume = store.get(VOLUME, key.namespace, snapshot.spec.volume_ref.name)
    reader = copied_by(store, snapshot) if snapshot.metadata.deleting else ""
    standing = stands(store, context.verdicts, snapshot)
    hosts = tuple(store.all(HYPERVISOR))
    return SnapshotFacts(snapshot, context.now(), volume, hosts, reader, standing=standing)
