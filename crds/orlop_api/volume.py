"""Volume: a block device with a life of its own, as Cinder has it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from orlop_api.assigned_image import AssignedImage
from orlop_api.condition import Conditions
from orlop_api.qos import LIMITS, QualityOfService
from orlop_api.quantity import Quantity, between
from orlop_api.requirements import Requirements
from orlop_api.resource import (
    API_VERSION,
    LIST_ATOMIC,
    ApiModel,
    ByteCount,
    DnsSubdomain,
    LocalRef,
    Metadata,
    ObjectRef,
    ObjectUid,
    SecretKeyRef,
    list_map,
    rule,
    rules,
)
from orlop_api.volume_class import MultiAttach, VolumeLocation

MOST_ATTACHMENTS = 16
"""Instances that may have one Volume at once."""


class ReclaimPolicy(StrEnum):
    """What becomes of the data when the Volume is deleted."""

    DELETE = "Delete"
    RETAIN = "Retain"


class VolumeSource(ApiModel):
    """What a Volume begins as; after that it is independent of it."""

    image_ref: ObjectRef | None = None
    """An Image: to boot from, or to have its files at hand."""
    snapshot_ref: LocalRef | None = None
    """A VolumeSnapshot: what a Volume held at its moment."""
    volume_ref: LocalRef | None = None
    """Another Volume: what it holds when this one is made, also while a guest writes to it."""


_ONE_SOURCE = rule(
    "[has(self.imageRef), has(self.snapshotRef), has(self.volumeRef)].filter(x, x).size() == 1",
    "exactly one of imageRef, snapshotRef and volumeRef must be set",
)
_SOURCE_STAYS = rule(
    "has(self.source) == has(oldSelf.source) && (!has(self.source) || self.source == oldSelf.source)",
    "source is immutable: create another Volume",
)


class Restore(ApiModel):
    """What a Volume is put back to."""

    snapshot_ref: LocalRef
    """A VolumeSnapshot of this very Volume."""
    requested_at: Annotated[str, Field(max_length=64)] | None = None
    """Any new value puts the Volume back once more, to the same VolumeSnapshot too."""


_ENCRYPTION_STAYS = rule(
    "has(self.encryption) == has(oldSelf.encryption)"
    " && (!has(self.encryption) || self.encryption == oldSelf.encryption)",
    "encryption is immutable: create another Volume, with this one as its source",
)


class VolumeEncryption(ApiModel):
    """LUKS, by the hypervisor: the guest sees a plain disk, and what is kept of it anywhere is encrypted."""

    secret_ref: SecretKeyRef
    """The passphrase: a Secret of the same namespace, which whoever creates the Volume may get. 1 to 512 bytes of UTF-8
    text, taken as they are. Without it nobody can read the data any more, Orlop neither: keep the Secret, unchanged,
    for as long as the Volume or anything that was made of it."""


class VolumeSpec(ApiModel):
    """The device that is wanted."""

    size: Annotated[
        Quantity,
        Field(
            json_schema_extra=rules(
                rule(
                    "quantity(self).compareTo(quantity(oldSelf)) >= 0",
                    "size can only grow",
                    "'size can only grow (' + oldSelf + ' -> ' + self + '): create a smaller Volume and copy the data'",
                ),
                between("1Mi", "64Ti", "10Gi"),
            )
        ),
    ]
    """Size of the device, from 1Mi to 64Ti. It may grow, while a guest uses it too, and never shrinks."""
    class_name: Annotated[
        DnsSubdomain,
        Field(
            json_schema_extra=rules(rule("self == oldSelf", "className is immutable: create another Volume"))
        ),
    ]
    """The VolumeClass."""
    source: Annotated[VolumeSource, Field(json_schema_extra=rules(_ONE_SOURCE))] | None = None
    """What it begins as; without it, empty. It must be as large as that, at least."""
    encryption: VolumeEncryption | None = None
    """How the data is encrypted; not at all when absent. For classes of driver local, shared and rbd, and of
    iscsi where Orlop makes the targets. A Volume that begins as an encrypted one, or its snapshot, needs the same
    passphrase."""
    qos: Annotated[QualityOfService, Field(json_schema_extra=LIMITS)] | None = None
    """Limits on what a guest may do with the disk; a change holds at once."""
    restore: Restore | None = None
    """Put the Volume back to a VolumeSnapshot: once for each new value, while no Instance has it, and before one gets
    it. What was written since is lost. A value that is there when the data is made asks for nothing; taking it away
    gives up what was not done."""
    reclaim_policy: ReclaimPolicy = ReclaimPolicy.DELETE
    """Delete: the data goes with the Volume. Retain: the file stays on its node."""


class Attachment(ApiModel):
    """An Instance that has the Volume."""

    instance_name: DnsSubdomain
    """The Instance."""
    instance_uid: ObjectUid
    """The Instance's uid."""
    node_name: DnsSubdomain
    """Node where it runs."""
    generation: Annotated[int, Field(ge=1, json_schema_extra={"format": "int64"})] = 1
    """The number of this attachment among all that the Volume had."""
    instance_generation: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] = 0
    """The Instance's generation that it was made for, or renewed for before an order listed the Volume again."""


class Restored(Restore):
    """A restore that was done."""

    snapshot_uid: ObjectUid | None = None
    """The VolumeSnapshot's uid; absent where spec.restore was there before the data was."""
    restored_at: Annotated[str, Field(max_length=64)] | None = None
    """When the Volume had the data (RFC 3339)."""


class Restoring(Restore):
    """A restore that was begun."""

    snapshot_uid: ObjectUid
    """The VolumeSnapshot's uid."""
    location: VolumeLocation
    """Where the VolumeSnapshot's data is."""
    generation: Annotated[int, Field(ge=1, json_schema_extra={"format": "int64"})]
    """The generation of the data that is being made."""
    size_bytes: ByteCount
    """The size that it shall have."""


class VolumeImage(AssignedImage):
    """The image that a Volume began as, pinned: what a machine needs to boot from it beside the Volume itself."""

    requirements: Requirements | None = None
    """What the Image said that a machine must have."""


class VolumeStatus(ApiModel):
    """Where the data is and who uses it; operator only."""

    observed_generation: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] = 0
    """The metadata.generation that this status is about."""
    node_name: DnsSubdomain | None = None
    """The node that keeps the data, where only one does; Instances with this Volume run there."""
    pool_id: ObjectUid | None = None
    """The data pool on that node, by the random name it got when it was made."""
    origin_uid: ObjectUid | None = None
    """Uid of what spec.source named when the Volume was first looked at: nothing else with that name counts."""
    location: VolumeLocation | None = None
    """How the data is kept: from the class, fixed when the Volume is first attached, but for its generation."""
    image: VolumeImage | None = None
    """The image that the data began as, pinned when the Volume was first attached; also by way of a VolumeSnapshot or
    another Volume. It outlives the Image: a machine that boots from the Volume gets its kernel from here."""
    multi_attach: MultiAttach | None = None
    """Whether several Instances may have it at once: from the class, fixed when the Volume is first attached."""
    attachments: Annotated[
        list[Attachment], Field(max_length=MOST_ATTACHMENTS, json_schema_extra=list_map("instanceUID"))
    ] = []
    """Who has it: one Instance, or several where multiAttach is Enabled. Each stays until its node says that its guest
    does not have the Volume any more."""
    capacity_bytes: ByteCount | None = None
    """Size of the device as it is; it follows spec.size."""
    attachment_generation: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] = 0
    """How often the Volume was attached: the generation of the last attachment."""
    restoring: Restoring | None = None
    """The restore that is under way: while it is there no Instance gets the Volume, and none has it."""
    restored: Restored | None = None
    """The value of spec.restore that was last acted on."""
    restores: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] = 0
    """How many restores were begun: the newest generation that data was made at."""
    leftovers: Annotated[
        list[Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})]],
        Field(max_length=16, json_schema_extra=LIST_ATOMIC),
    ] = []
    """Generations of the data that count no more and are to be deleted: replaced, or not finished."""
    conditions: Conditions = []
    """Ready: the data exists. Before that the Volume waits for its first Instance. Resizing: only while the device is
    smaller than spec.size. Restoring: only while spec.restore asks for something that was not done. QuotaReserved: only
    while the namespace's Quota has no room for it, or for what it shall grow by."""


class Volume(ApiModel):
    """A block device that outlives the Instances it is attached to."""

    api_version: Literal["orlop.dev/v1alpha1"] = API_VERSION
    kind: Literal["Volume"] = "Volume"
    metadata: Metadata = Metadata()
    spec: Annotated[VolumeSpec, Field(json_schema_extra=rules(_SOURCE_STAYS, _ENCRYPTION_STAYS))]
    """The device that is wanted."""
    status: VolumeStatus | None = None
    """Where the data is and who uses it."""
