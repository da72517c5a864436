"""The Volumes: there, free, and where their data is. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from orlop_api.assignment import AssignedVolume
from orlop_api.attachment import AssignedLimits
from orlop_api.instance import Instance
from orlop_api.qos import QualityOfService
from orlop_api.quantity import to_bytes
from orlop_api.volume import MOST_ATTACHMENTS, Attachment, Volume
from orlop_api.volume_class import Driver, MultiAttach, VolumeLocation
from orlop_operator.kinds import VOLUME
from orlop_operator.reconcile.counting import EXCEEDED, size_reserved
from orlop_operator.reconcile.effects import Body, Patch
from orlop_operator.reconcile.encryption import refusal
from orlop_operator.reconcile.existence import created, is_unsettled
from orlop_operator.reconcile.instance import origins
from orlop_operator.reconcile.instance.facts import Blocker, DiskFacts, Facts, named
from orlop_operator.reconcile.location import (
    driver,
    holders,
    locate,
    maker,
    needed_pool,
    pinned,
    takes_several,
)
from orlop_operator.reconcile.restore import comes_first
from orlop_operator.reconcile.volume_room import volume_hold
from orlop_operator.scheduling import Pin, PoolNeed

TYPE = "VolumesReady"


@dataclass(frozen=True)
class Disks:
    """What placement and the node are told."""

    assigned: tuple[AssignedVolume, ...] = ()
    pins: tuple[Pin, ...] = ()
    pools: tuple[PoolNeed, ...] = ()
    fresh_bytes: int = 0
    """Bytes that Volumes without data will take of the node's pool."""
    held: Mapping[str, int] = field(default_factory=dict)
    """Node to those of them that it holds: a claim comes before binding, and whoever made it may look again."""


def resolve(facts: Facts) -> Disks | Blocker:
    """All Volumes, or the first that is missing or somebody else's."""
    instance = facts.instance
    assigned: list[AssignedVolume] = []
    pins: list[Pin] = []
    pools: list[PoolNeed] = []
    fresh, held = 0, Counter[str]()
    for disk in facts.disks:
        volume = disk.volume
        blocker = blocked(instance, disk)
        if blocker is not None:
            return blocker
        if volume is None or disk.volume_class is None:
            raise AssertionError
        origin = origins.resolve(disk, facts.answers)
        if isinstance(origin, Blocker):
            return origin
        if origin is not None:
            pins += [origin.pin] if origin.pin is not None else []
            pools += [origin.pool] if origin.pool is not None else []
        pool = needed_pool(volume, disk.volume_class)
        if pool is not None:
            pools.append(pool)
        elif (pin := home(instance, volume, pinned(volume))) is not None:
            pins.append(pin)
        elif driver(volume, disk.volume_class) is Driver.LOCAL:
            fresh += to_bytes(volume.spec.size)
            if (hold := volume_hold(volume, disk.standing)) is not None:
                held[hold[0]] += hold[1].disk
        where = pinned(volume)
        if where is not None:  # claiming writes it, and comes before binding
            assigned.append(resolved(instance, disk, volume, where, origin))
    return Disks(tuple(assigned), tuple(pins), tuple(pools), fresh, held)


def resolved(
    instance: Instance,
    disk: DiskFacts,
    volume: Volume,
    where: VolumeLocation,
    origin: origins.Origin | None = None,
) -> AssignedVolume:
    """As the node is told of it; no larger than is reserved."""
    mount = disk.mount
    held = held_by(instance, volume)
    return AssignedVolume(
        name=mount.name,
        volume_uid=volume.metadata.uid,
        location=where,
        size_bytes=size_reserved(volume, disk.standing),
        access=mount.access,
        attachment=held.generation if held is not None else 0,
        multi_attach=MultiAttach.ENABLED if takes_several(volume) else MultiAttach.DISABLED,
        limits=_limits(volume.spec.qos),
        origin=origin.assigned if origin is not None else None,
        created="Created" if created(volume) else "Unknown",
    )


def _limits(qos: QualityOfService | None) -> AssignedLimits:
    if qos is None:
        return AssignedLimits()
    burst = qos.burst
    return AssignedLimits(
        iops_per_second=qos.iops_per_second or 0,
        bytes_per_second=_bytes(qos.bytes_per_second),
        burst_iops_per_second=(burst.iops_per_second or 0) if burst else 0,
        burst_bytes_per_second=_bytes(burst.bytes_per_second) if burst else 0,
        burst_seconds=burst.seconds if burst else 0,
    )


def _bytes(quantity: str | None) -> int:
    return to_bytes(quantity) if quantity is not None else 0


def blocked(instance: Instance, disk: DiskFacts) -> Blocker | None:
    """What keeps the Instance from having this Volume, wherever it runs."""
    namespace = instance.metadata.namespace
    what = named("Volume", namespace, disk.mount.volume_ref.name)
    volume = disk.volume
    if volume is None:
        return Blocker("VolumeNotFound", f"{what} does not exist")
    if volume.metadata.deleting:
        return Blocker("VolumeNotReady", f"{what} is being deleted")
    if is_unsettled(volume):
        return Blocker(
            "VolumeNotReady",
            f"{what} was let go before it was known whether it has data: its Ready says more",
        )
    if disk.volume_class is None:
        return Blocker(
            "VolumeClassNotFound", f"VolumeClass {volume.spec.class_name} of {what} does not exist"
        )
    refused = refusal(volume, disk.volume_class)
    if refused is not None:
        return Blocker("NotSupported", f"{what}: {refused}")
    if not created(volume) and not disk.standing.reserved:
        why = disk.standing.why or "its namespace's Quota is looked at for it"
        return Blocker(EXCEEDED if disk.standing.why else "VolumeNotReady", f"{what} waits: {why}")
    if maker(volume, disk.volume_class) is not None and not created(volume):
        return Blocker("VolumeNotReady", f"{what} is not made yet")
    others = others_than(instance, volume)
    if others and not takes_several(volume):
        return Blocker("VolumeInUse", f"{what} is attached to Instance {namespace}/{others[0].instance_name}")
    if len(others) >= MOST_ATTACHMENTS:
        message = f"{what} is attached to {len(others)} Instances, and no more may have it at once"
        return Blocker("VolumeInUse", message)
    first = comes_first(volume) if held_by(instance, volume) is None else ""
    if first:
        return Blocker("VolumeRestoring", f"{what} {first}: its condition Restoring says more")
    return None


def others_than(instance: Instance, volume: Volume) -> list[Attachment]:
    """Who else has it."""
    return [held for held in holders(volume) if held.instance_uid != instance.metadata.uid]


def home(instance: Instance, volume: Volume, where: VolumeLocation | None) -> Pin | None:
    """The one node whose pool the data is in, or will be, because another Instance has the Volume there already."""
    status = volume.status
    if status is None or status.node_name is None or where is None:
        return None
    if not created(volume) and not (where.local is not None and others_than(instance, volume)):
        return None
    what = named("Volume", volume.metadata.namespace, volume.metadata.name)
    return Pin(what, status.node_name, status.pool_id)


def attach(facts: Facts, node: str, pool_id: str | None) -> tuple[Patch[Volume], ...]:
    """Claim every Volume for this Instance on this node, where that was not done yet."""
    claims = (
        claim(facts.instance, disk, where, node, pool_id, origins.resolve(disk, facts.answers))
        for disk in facts.disks
        if disk.volume is not None
        and disk.volume_class is not None
        and (where := locate(disk.volume, disk.volume_class, facts.hypervisor(node))) is not None
    )
    return tuple(patch for patch in claims if patch is not None)


def claim(
    instance: Instance,
    disk: DiskFacts,
    where: VolumeLocation,
    node: str,
    pool_id: str | None,
    origin: origins.Origin | Blocker | None,
    *,
    renew: bool = False,
) -> Patch[Volume] | None:
    """The compare-and-swap that attaches one Volume; None where it is attached there already.

    The image that it begins as is pinned with it: what this Instance makes of it, no other one makes of another image.
    `renew`: also where it is, so that whoever still means to free it fails.
    """
    volume = disk.volume
    if volume is None or disk.volume_class is None:
        raise AssertionError
    status, others = volume.status, others_than(instance, volume)
    change: Body = {}
    if status is None or status.location is None:
        change |= {"location": where.wire(), "multiAttach": disk.volume_class.spec.multi_attach.value}
    image = origin.image if isinstance(origin, origins.Origin) else None
    if image is not None and (status is None or status.image is None):
        change["image"] = image.wire()
    if renew or not holds(instance, volume, node):
        number = (status.attachment_generation if status is not None else 0) + 1
        change["attachmentGeneration"] = number
        mine = Attachment(
            instance_name=instance.metadata.name,
            instance_uid=instance.metadata.uid,
            node_name=node,
            generation=number,
            instance_generation=instance.metadata.generation,
        )
        change["attachments"] = [held.wire() for held in (*others, mine)]
    if (
        where.local is not None
        and not created(volume)
        and (status is None or status.node_name != node or status.pool_id != pool_id)
    ):
        if others:
            raise AssertionError("the data is to be made where another Instance has the Volume already")
        change |= {"nodeName": node, "poolID": pool_id}
    return Patch(VOLUME, volume, {"status": change}, "status") if change else None


def holds(instance: Instance, volume: Volume, node: str) -> bool:
    """Whether the Volume is attached to this Instance on this node."""
    held = held_by(instance, volume)
    return held is not None and held.node_name == node


def held_by(instance: Instance, volume: Volume) -> Attachment | None:
    """The Instance's attachment."""
    return next((held for held in holders(volume) if held.instance_uid == instance.metadata.uid), None)


def detach(instance: Instance, volume: Volume, fresh: Body | None) -> Patch[Volume]:
    """Free it of this Instance; `fresh` says on it that its data exists, where that is news.

    Where nothing says so it may exist all the same: its node and location stay until that node was asked.
    """
    left = [held.wire() for held in others_than(instance, volume)]
    change: Body = {"attachments": left} | (fresh or {})
    return Patch(VOLUME, volume, {"status": change}, "status")
