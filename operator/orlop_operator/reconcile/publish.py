"""Images of what a Volume or a stopped Instance's root disk holds: which node makes the file, and of what. Pure.

One node makes the file and keeps it as long as the Image exists. Nobody else has it but those who took it from there.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from orlop_api.assignment import Assignment, Desired, State
from orlop_api.condition import Condition
from orlop_api.hypervisor import Hypervisor, ImportOrder, PublishedOrigin
from orlop_api.image import Image
from orlop_api.instance import Instance
from orlop_api.volume import Volume
from orlop_api.volume_class import VolumeLocation
from orlop_operator.reconcile.conditions import false, true
from orlop_operator.reconcile.existence import created
from orlop_operator.reconcile.instance.facts import Blocker, named
from orlop_operator.reconcile.location import alive, holders, reader, takes_several
from orlop_operator.reconcile.prepull import LONGEST, report_of
from orlop_operator.reconcile.restore import comes_first
from orlop_operator.reconcile.source import published

TYPE = "Kept"
"""Condition of a published Image: whether nodes that do not have it can get it."""
NEVER = frozenset({"NotSupported"})
"""Reasons that stay."""


@dataclass(frozen=True)
class Holdings:
    """What the Image names, as far as it exists."""

    volume: Volume | None = None
    instance: Instance | None = None
    assignment: Assignment | None = None
    """Of the Instance."""


@dataclass(frozen=True)
class Found:
    """Who can make the file, and of what."""

    host: Hypervisor
    origin: PublishedOrigin


def called(image: Image) -> str:
    """What it is made of, for sentences."""
    source, home = image.spec.source, image.metadata.namespace
    if source.volume_ref is not None:
        return named("Volume", home, source.volume_ref.name)
    if source.instance_ref is not None:
        return named("Instance", home, source.instance_ref.name)
    raise AssertionError(image.metadata.name)


def find(
    image: Image, held: Holdings, hosts: Collection[Hypervisor], order: ImportOrder | None = None
) -> Found | Blocker:
    """The node that can make it now, or what that waits for.

    What is asked to go waits for a node that is at it already, so then `order` counts on.
    """
    found = (
        _of_volume(image, held, hosts, order)
        if image.spec.source.volume_ref is not None
        else _of_instance(image, held, hosts, order)
    )
    if isinstance(found, Blocker) or order is not None:
        return found
    name = found.host.metadata.name
    if len(found.host.spec.pre_pulls) >= LONGEST:
        message = f"{name}, which has {called(image)}, keeps {LONGEST} Images already: delete one of those"
        return Blocker("TooManyImages", message)
    return found


def still(
    image: Image, held: Holdings, hosts: Collection[Hypervisor], host: Hypervisor, order: ImportOrder
) -> bool:
    """Whether this node is yet the one that can make it, of this."""
    found = find(image, held, hosts, order)
    return (
        isinstance(found, Found)
        and found.host.metadata.name == host.metadata.name
        and found.origin == order.origin
    )


def _of_volume(
    image: Image, held: Holdings, hosts: Collection[Hypervisor], order: ImportOrder | None
) -> Found | Blocker:
    volume, what = held.volume, called(image)
    if volume is None:
        return Blocker("VolumeNotFound", f"{what} does not exist")
    origin = order.origin if order is not None else None
    if volume.metadata.deleting and (origin is None or origin.volume_uid != volume.metadata.uid):
        return Blocker("VolumeNotReady", f"{what} is being deleted")
    where = volume.status.location if volume.status is not None else None
    if where is None or not created(volume):
        return Blocker("VolumeNotReady", f"{what} has no data yet")
    refused = uncopied(where, what)
    if refused is not None:
        return refused
    first, restoring = comes_first(volume), volume.status is not None and volume.status.restoring is not None
    if first and (order is None or restoring):
        # A restore that has not begun waits for the node that is at it already.
        return Blocker("VolumeRestoring", f"{what} {first}")
    if takes_several(volume) and holders(volume):
        # QEMU keeps aside only what its own guest overwrites: what others write would be in the copy, or not.
        message = f"{what} may be written to by several guests: it is published once nobody has it"
        return Blocker("InUse", message)
    host = reader(volume, hosts)
    if host is None or not alive(host):
        return _away(host, what)
    return Found(host, PublishedOrigin(volume_uid=volume.metadata.uid, location=where))


def uncopied(where: VolumeLocation, what: str) -> Blocker | None:
    """Why the data of a Volume must not, or cannot, be read by a node for an Image."""
    if where.local is None and where.shared is None:
        message = f"{what} is not kept in a file: Volumes of drivers local and shared can be published"
        return Blocker("NotSupported", message)
    if where.encryption is not None:
        # Out of its guest it would come in the clear, into the caches of all nodes.
        return Blocker("NotSupported", f"{what} is encrypted, and an Image is not: it is not published")
    return None


def _of_instance(
    image: Image, held: Holdings, hosts: Collection[Hypervisor], order: ImportOrder | None
) -> Found | Blocker:
    instance, assignment, what = held.instance, held.assignment, called(image)
    if instance is None:
        return Blocker("InstanceNotFound", f"{what} does not exist")
    if instance.spec.boot.volume_ref is not None:
        volume = named("Volume", instance.metadata.namespace, instance.spec.boot.volume_ref.name)
        return Blocker("BootsFromVolume", f"{what} boots from {volume}: name that, by volumeRef")
    uid = instance.metadata.uid
    origin = order.origin if order is not None else None
    if instance.metadata.deleting and (origin is None or origin.instance_uid != uid):
        return Blocker("InstanceNotReady", f"{what} is being deleted")
    status = assignment.status if assignment is not None else None
    if assignment is None or status is None or status.root_disk != "Created":
        return Blocker("InstanceNotReady", f"{what} has no root disk yet: it never started")
    host = next((h for h in hosts if h.metadata.name == assignment.spec.node_name), None)
    if not _at_rest(assignment):
        return Blocker("InstanceRunning", f"{what} is not stopped: set its spec.powerState to Stopped")
    if host is None or not alive(host):
        return _away(host, what)
    return Found(host, PublishedOrigin(instance_uid=uid))


def _at_rest(assignment: Assignment) -> bool:
    """Whether no guest has the disk, and none is about to."""
    status = assignment.status
    return (
        status is not None
        and assignment.spec.desired is Desired.STOPPED
        and status.state is State.STOPPED
        and status.epoch == assignment.spec.epoch
        and status.observed_generation == assignment.metadata.generation
    )


def _away(host: Hypervisor | None, what: str) -> Blocker:
    name = host.metadata.name if host is not None else "the node"
    return Blocker("NodeUnreachable", f"{name}, which has {what}, is not Ready")


def keeper(image: Image) -> str | None:
    """The node that keeps the file."""
    return image.status.node_name if image.status is not None and published(image) else None


def kept(image: Image, hosts: Collection[Hypervisor]) -> Condition | None:
    """Whether other nodes can get it; None for an Image that is not published, or not made yet."""
    name = keeper(image)
    if name is None or image.status is None:
        return None
    host = next((h for h in hosts if h.metadata.name == name), None)
    only = "nodes that have it already go on, others cannot get it"
    if host is None:
        return false(TYPE, "NodeNotFound", f"Hypervisor {name}, which keeps it, does not exist: {only}")
    if not alive(host):
        return false(TYPE, "NodeUnreachable", f"{name}, which keeps it, is not Ready: {only} until it is")
    report = report_of(host, image.metadata.uid, image.status.digest or "")
    if report is not None and report.state == "Failed":
        return false(TYPE, report.reason or "Lost", f"{name} does not have it any more: {report.message}")
    if host.status is not None and host.status.image_peer is None:
        message = f"only {name} has it: images.peers is Disabled there, in orlop-config"
        return false(TYPE, "PeersDisabled", message)
    return true(TYPE, "Kept", f"{name} keeps it")
