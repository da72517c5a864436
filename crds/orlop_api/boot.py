"""What a machine boots from."""

from __future__ import annotations

from orlop_api.resource import ApiModel, LocalRef, ObjectRef, rule

BOOT_DISK = "root"
"""Name of the disk that a machine boots from, where that is a Volume."""

ONE_BOOT = rule(
    "has(self.imageRef) != has(self.volumeRef)", "exactly one of imageRef and volumeRef must be set"
)


class Boot(ApiModel):
    """What the machine boots from."""

    image_ref: ObjectRef | None = None
    """The Image that the root disk starts as: a disk of the Flavor's size, which goes with the Instance."""
    volume_ref: LocalRef | None = None
    """The Volume that is the root disk, and stays when the Instance goes; the Flavor's rootDisk does not count then.
    The machine waits for it."""
