"""What an object is found by beside its name: uids and nodes of others, and whether it waits. Pure, of one object."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto

from orlop_api.assignment import Assignment
from orlop_api.claim import Claim, ClaimType
from orlop_api.floating_ip import FloatingIP
from orlop_api.instance import Instance
from orlop_api.volume import Volume
from orlop_operator.kinds import Node, Object, OwnedPort


class By(Enum):
    """One way to find objects."""

    HOLDER = auto()
    """Claims by the Network, Port or Instance that has them."""
    SEGMENT = auto()
    """Claims by the segment's number."""
    NODE = auto()
    """Assignments by the node that they are bound to."""
    ORIGIN = auto()
    """Assignments by what a Volume of theirs begins as."""
    OWNER = auto()
    """Ports by the Instance that Orlop made them for."""
    USER = auto()
    """Ports of users by the Instance that they are bound to."""
    ATTACHED = auto()
    """Volumes by the Instances that they are attached to."""
    LABEL = auto()
    """Nodes by their labels, as key=value."""


def places(thing: Object) -> Iterator[tuple[By, str]]:
    """All that it is found by."""
    match thing:
        case Claim():
            if thing.is_held:
                yield By.HOLDER, thing.spec.holder.uid
            if thing.spec.type is ClaimType.SEGMENT:
                yield By.SEGMENT, thing.spec.value
        case Assignment():
            if thing.spec.node_name:
                yield By.NODE, thing.spec.node_name
            origins = (volume.origin for volume in thing.spec.volumes)
            for uid in {origin.volume_uid for origin in origins if origin is not None}:
                if uid is not None:
                    yield By.ORIGIN, uid
        case OwnedPort() if thing.owner_uid:
            yield By.OWNER, thing.owner_uid
        case OwnedPort():
            if thing.status is not None and thing.status.binding is not None:
                yield By.USER, thing.status.binding.instance_uid
        case Volume():
            for uid in {held.instance_uid for held in thing.status.attachments} if thing.status else ():
                yield By.ATTACHED, uid
        case Node():
            for key, value in thing.metadata.labels.items():
                yield By.LABEL, f"{key}={value}"
        case _:
            return


def owner(thing: Object) -> str | None:
    """Uid of the object without which it would be garbage, and beside which it wants nothing of its own."""
    match thing:
        case Claim():
            return thing.spec.holder.uid if thing.is_held else None
        case Assignment():
            return thing.spec.instance.uid
        case OwnedPort():
            return None if thing.metadata.deleting else thing.owner_uid
        case _:
            return None


def lacks_address(thing: Object) -> bool:
    """Whether it may wait for an address; of an Instance its Assignment says more."""
    match thing:
        case OwnedPort():
            return thing.owner_uid is None and not (thing.status and thing.status.addresses)
        case FloatingIP():
            return not (thing.status and thing.status.address)
        case _:
            return isinstance(thing, Instance)
