"""What a Volume begins as: there, large enough for, and where it can be copied from. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from orlop_api.assigned_image import AssignedImage
from orlop_api.assignment import AssignedOrigin
from orlop_api.quantity import from_bytes, to_bytes
from orlop_api.volume import Volume, VolumeImage, VolumeSource
from orlop_api.volume_class import Driver, VolumeLocation
from orlop_operator.reconcile.effects import Ask
from orlop_operator.reconcile.existence import created
from orlop_operator.reconcile.instance.facts import Blocker, DiskFacts, named
from orlop_operator.reconcile.instance.image import pinned
from orlop_operator.reconcile.location import (
    driver,
    held_elsewhere,
    holders,
    kept_by_others,
    maker,
    served_by,
    takes_several,
    who_has,
)
from orlop_operator.reconcile.rights import REPLACED, Answers, is_replaced, may_begin, replaced
from orlop_operator.reconcile.snapshot import kept
from orlop_operator.reconcile.source import credentials
from orlop_operator.scheduling import Pin, PoolNeed

BEGINS_EMPTY = (
    "spec.source is for classes of driver local, shared and rbd, and of driver iscsi with tgt: Volumes of others begin"
    " empty"
)


@dataclass(frozen=True)
class Origin:
    """What the node is told, and where alone it can be done."""

    assigned: AssignedOrigin
    pin: Pin | None = None
    pool: PoolNeed | None = None
    """The shared pool that a node must have for it."""
    image: VolumeImage | None = None
    """What the data is that is copied, where it is an image's."""


def resolve(disk: DiskFacts, answers: Answers) -> Origin | Blocker | None:
    """The origin of a Volume that has no data yet; None for one that has, or that begins empty."""
    volume = disk.volume
    if volume is None or created(volume) or volume.spec.source is None:
        return None
    source = volume.spec.source
    kind = driver(volume, disk.volume_class) if disk.volume_class is not None else None
    if kind is Driver.NBD or (kind is Driver.ISCSI and maker(volume, disk.volume_class) is None):
        what = named("Volume", volume.metadata.namespace, volume.metadata.name)
        return Blocker("NotSupported", f"{what}: {BEGINS_EMPTY}")
    found = disk.image or disk.snapshot or disk.origin
    if found is not None and is_replaced(volume, found.metadata.uid):
        return Blocker(REPLACED, replaced(volume))
    right = may_begin(volume, answers)
    if isinstance(right, Ask):
        raise AssertionError(right)  # noqa: TRY004 - asked before anything is resolved
    if right is not None:
        return right
    if source.image_ref is not None:
        return _image(disk, volume, source)
    if source.snapshot_ref is not None:
        return _snapshot(disk, volume, source)
    return _volume(disk, volume, source)


def _image(disk: DiskFacts, volume: Volume, source: VolumeSource) -> Origin | Blocker:
    if source.image_ref is None:
        raise AssertionError
    namespace = source.image_ref.namespace or volume.metadata.namespace
    what = named("Image", namespace, source.image_ref.name)
    image = volume.status.image if volume.status is not None else None
    if image is None:
        found = pinned(disk.image, what)
        if isinstance(found, Blocker):
            return found
        if disk.image is not None and credentials(disk.image):
            message = (
                f"{what} needs a login or an authority of its own: only machines that boot from it get those"
            )
            return Blocker("NotSupported", message)
        needs = disk.image.spec.requirements if disk.image is not None else None
        image = VolumeImage(**found.model_dump(), requirements=needs)
    # A kernel belongs to the machine, and not to its disks.
    beside = {"requirements", "kernel", "initrd", "command_line"}
    assigned = AssignedOrigin(image=AssignedImage(**image.model_dump(exclude=beside)))
    return _too_small(volume, image.virtual_size_bytes, what) or Origin(assigned, image=image)


def _snapshot(disk: DiskFacts, volume: Volume, source: VolumeSource) -> Origin | Blocker:
    if source.snapshot_ref is None:
        raise AssertionError
    what = named("VolumeSnapshot", volume.metadata.namespace, source.snapshot_ref.name)
    snapshot = disk.snapshot
    if snapshot is None:
        return Blocker("VolumeSnapshotNotFound", f"{what} does not exist")
    if snapshot.metadata.deleting:
        return Blocker("VolumeSnapshotNotReady", f"{what} is being deleted")
    status = snapshot.status
    if status is None or status.location is None or not kept(snapshot):
        why = f": {status.message}" if status is not None and status.message else ""
        return Blocker("VolumeSnapshotNotReady", f"{what} is not ready{why}")
    unfit = _plain(volume, status.location, what) or _too_small(volume, status.size_bytes or 0, what)
    if unfit is not None:
        return unfit
    assigned = AssignedOrigin(volume_uid=snapshot.metadata.uid, location=status.location)
    return _there(assigned, what, status.node_name, status.pool_id, status.image)


def _volume(disk: DiskFacts, volume: Volume, source: VolumeSource) -> Origin | Blocker:
    if source.volume_ref is None:
        raise AssertionError
    what = named("Volume", volume.metadata.namespace, source.volume_ref.name)
    origin = disk.origin
    if origin is None:
        return Blocker("VolumeNotFound", f"{what} does not exist")
    if origin.metadata.deleting:
        return Blocker("VolumeNotReady", f"{what} is being deleted")
    status = origin.status
    if status is None or status.location is None or not created(origin):
        return Blocker("VolumeNotReady", f"{what} has no data yet")
    if kept_by_others(status.location):
        return Blocker("NotSupported", f"{what} is kept by others' server, and only that can copy it")
    if takes_several(origin) and holders(origin):
        message = f"{what} may be written to by several guests: it is copied once {who_has(origin)} let it go"
        return Blocker("VolumeInUse", message)
    unfit = _plain(volume, status.location, what) or _too_small(volume, to_bytes(origin.spec.size), what)
    if unfit is not None:
        return unfit
    assigned = AssignedOrigin(
        volume_uid=origin.metadata.uid, location=status.location, held_by=held_elsewhere(origin)
    )
    # Where a guest has it, only that guest's node can read it, or who serves it by asking that node.
    node = served_by(status.location) or next(
        (held.node_name for held in status.attachments), status.node_name
    )
    return _there(assigned, what, node, status.pool_id, status.image)


def _there(
    assigned: AssignedOrigin, what: str, node: str | None, pool_id: str | None, image: VolumeImage | None
) -> Origin:
    shared = assigned.location.shared if assigned.location is not None else None
    return Origin(
        assigned,
        Pin(what, node, pool_id) if node else None,
        PoolNeed(shared.pool, shared.pool_id) if shared is not None else None,
        image,
    )


def _plain(volume: Volume, where: VolumeLocation, what: str) -> Blocker | None:
    if where.encryption is None or volume.spec.encryption is not None:
        return None
    mine = named("Volume", volume.metadata.namespace, volume.metadata.name)
    return Blocker(
        "NotEncrypted",
        f"{what} is encrypted, and {mine}, which begins as it, is not: create one whose spec.encryption names a Secret "
        "with the same passphrase",
    )


def _too_small(volume: Volume, needed: int, what: str) -> Blocker | None:
    if to_bytes(volume.spec.size) >= needed:
        return None
    mine = named("Volume", volume.metadata.namespace, volume.metadata.name)
    return Blocker(
        "VolumeTooSmall",
        f"{what} has {from_bytes(needed)}, and {mine}, which begins as it, {volume.spec.size}: "
        "create one that is as large at least",
    )
