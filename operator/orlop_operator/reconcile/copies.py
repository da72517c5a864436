"""Who is still to copy what a Volume or a VolumeSnapshot holds: until then it stays. From the store."""

from __future__ import annotations

from orlop_api.hypervisor import ImportState
from orlop_api.image import Image
from orlop_api.snapshot import VolumeSnapshot
from orlop_api.volume import Volume
from orlop_operator.kinds import HYPERVISOR, IMAGE, INSTANCE, VOLUME
from orlop_operator.reconcile.imports import answer_to
from orlop_operator.reconcile.instance.facts import named
from orlop_operator.reconcile.publish import Holdings
from orlop_operator.store import Store


def copied_by(store: Store, thing: Volume | VolumeSnapshot) -> str:
    """Who was told to begin a Volume as this one, to keep it, or to put one back to it, and has not done so yet."""
    uid = thing.metadata.uid
    for assignment in store.beginning_as(uid):
        made = assignment.status.created_volumes if assignment.status is not None else []
        for volume in assignment.spec.volumes:
            if (
                volume.origin is not None
                and volume.origin.volume_uid == uid
                and volume.volume_uid not in made
            ):
                return named("Instance", assignment.spec.instance.namespace, assignment.spec.instance.name)
    for other in store.all(VOLUME) if isinstance(thing, VolumeSnapshot) else ():
        begun = other.status.restoring if other.status is not None else None
        if begun is not None and begun.snapshot_uid == uid:
            return named("Volume", other.metadata.namespace, other.metadata.name)
    for order in (order for host in store.all(HYPERVISOR) for order in host.spec.storage):
        if order.origin is not None and order.origin.volume_uid == uid:
            key = store.by_uid(order.uid)
            return named("Volume", key.namespace, key.name) if key is not None else "a Volume"
    taking = (
        order for host in store.all(HYPERVISOR) for order in host.spec.storage if order.volume_uid == uid
    )
    return "a VolumeSnapshot" if next(taking, None) is not None else published_as(store, uid)


def published_as(store: Store, uid: str) -> str:
    """The Image that a node is making of this Volume, or of this Instance's root disk.

    One that failed keeps nobody waiting: it may fail for ever.
    """
    for host in store.all(HYPERVISOR):
        for order in host.spec.imports:
            report = answer_to(host, order)
            if report is not None and report.state is ImportState.FAILED:
                continue
            if order.origin is not None and uid in {order.origin.volume_uid, order.origin.instance_uid}:
                key = store.by_uid(order.image_uid)
                image = store.get(IMAGE, key.namespace, key.name) if key is not None else None
                if image is not None and (image.status is None or image.status.digest is None):
                    return named("Image", image.metadata.namespace, image.metadata.name)
    return ""


def holdings(store: Store, image: Image) -> Holdings:
    """What it is published from."""
    home, source = image.metadata.namespace, image.spec.source
    if source.volume_ref is not None:
        return Holdings(volume=store.get(VOLUME, home, source.volume_ref.name))
    if source.instance_ref is not None:
        instance = store.get(INSTANCE, home, source.instance_ref.name)
        assignment = store.assignment_of(instance.metadata.uid) if instance is not None else None
        return Holdings(instance=instance, assignment=assignment)
    return Holdings()
