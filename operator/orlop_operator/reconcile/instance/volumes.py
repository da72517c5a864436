"""The Volumes: there, free, and where their data is. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from orlop_api.assignment import AssignedVolume
from orlop_api.instance import Instance
from orlop_api.quantity import to_bytes
from orlop_api.volume import Volume
from orlop_operator.kinds import VOLUME
from orlop_operator.reconcile.effects import Body, Patch
from orlop_operator.reconcile.instance.facts import Blocker, DiskFacts, Facts, named
from orlop_operator.reconcile.volume import created
from orlop_operator.scheduling import Pin

TYPE = "VolumesReady"


@dataclass(frozen=True)
class Disks:
    """What placement and the node are told."""

    assigned: tuple[AssignedVolume, ...] = ()
    pins: tuple[Pin, ...] = ()
    fresh_bytes: int = 0
    """Bytes that Volumes without data will take of the node's pool."""


def resolve(facts: Facts) -> Disks | Blocker:
    """All Volumes, or the first that is missing or somebody else's."""
    instance = facts.instance
    assigned: list[AssignedVolume] = []
    pins: list[Pin] = []
    fresh = 0
    for disk in facts.disks:
        volume = disk.volume
        blocker = _blocked(instance, disk)
        if blocker is not None:
            return blocker
        if volume is None or disk.volume_class is None:
            raise AssertionError
        size = to_bytes(volume.spec.size)
        exists = created(volume)
        if exists and volume.status is not None and volume.status.node_name is not None:
            what = named("Volume", volume.metadata.namespace, volume.metadata.name)
            pins.append(Pin(what, volume.status.node_name, volume.status.pool_id))
        else:
            fresh += size
        assigned.append(
            AssignedVolume(
                name=disk.mount.name,
                volume_uid=volume.metadata.uid,
                driver=disk.volume_class.spec.driver,
                size_bytes=size,
                created="Created" if exists else "Unknown",
            )
        )
    return Disks(tuple(assigned), tuple(pins), fresh)


def _blocked(instance: Instance, disk: DiskFacts) -> Blocker | None:
    namespace = instance.metadata.namespace
    what = named("Volume", namespace, disk.mount.volume_ref.name)
    volume = disk.volume
    if volume is None:
        return Blocker("VolumeNotFound", f"{what} does not exist")
    if volume.metadata.deleting:
        return Blocker("VolumeNotReady", f"{what} is being deleted")
    if disk.volume_class is None:
        return Blocker(
            "VolumeClassNotFound", f"VolumeClass {volume.spec.class_name} of {what} does not exist"
        )
    holder = volume.status.attachment if volume.status else None
    if holder is not None and holder.instance_uid != instance.metadata.uid:
        return Blocker("VolumeInUse", f"{what} is attached to Instance {namespace}/{holder.instance_name}")
    return None


def attach(facts: Facts, node: str, pool_id: str | None) -> tuple[Patch[Volume], ...]:
    """Claim every Volume for this Instance on this node, where that was not done yet."""
    instance = facts.instance
    wanted = {
        "instanceName": instance.metadata.name,
        "instanceUID": instance.metadata.uid,
        "nodeName": node,
    }
    patches = []
    for disk in facts.disks:
        volume = disk.volume
        if volume is None:
            continue
        status = volume.status
        change: Body = {}
        if status is None or status.attachment is None or status.attachment.wire() != wanted:
            change["attachment"] = wanted
        if not created(volume) and (status is None or status.node_name != node or status.pool_id != pool_id):
            change |= {"nodeName": node, "poolID": pool_id}
        if change:
            patches.append(Patch(VOLUME, volume, {"status": change}, "status"))
    return tuple(patches)


def detach(volume: Volume, fresh: Body | None) -> Patch[Volume]:
    """Free it; `fresh` says on it that its data exists, where that is news.

    A Volume whose data was never made has no node any more.
    """
    change: Body = {"attachment": None} | (fresh or {})
    if fresh is None and not created(volume):
        change |= {"nodeName": None, "poolID": None}
    return Patch(VOLUME, volume, {"status": change}, "status")
