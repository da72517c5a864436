"""Volume and VolumeClass: a block device with a life of its own, as Cinder has it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from orlop_api.condition import Conditions
from orlop_api.image import DiskFormat
from orlop_api.quantity import Quantity, between
from orlop_api.resource import API_VERSION, ApiModel, DnsSubdomain, Metadata, ObjectUid, rule, rules


class Driver(StrEnum):
    """Who keeps the data."""

    LOCAL = "local"


class ReclaimPolicy(StrEnum):
    """What becomes of the data when the Volume is deleted."""

    DELETE = "Delete"
    RETAIN = "Retain"


class Access(StrEnum):
    """What an Instance may do with a Volume."""

    READ_WRITE = "ReadWrite"
    READ_ONLY = "ReadOnly"


class Preallocation(StrEnum):
    """How much of a new file is allocated at once; the words are QEMU's own (qemu-img(1))."""

    OFF = "Off"
    METADATA = "Metadata"
    FALLOC = "Falloc"
    FULL = "Full"


class LocalParameters(ApiModel):
    """Files in the data pool of one node."""

    format: DiskFormat = DiskFormat.QCOW2
    """qcow2, or raw: a little faster, and what other programs can read."""
    preallocation: Preallocation = Preallocation.OFF
    """Off: the file grows as the guest writes. Metadata (qcow2 only): its tables are there from the start.
    Falloc: its room is reserved. Full: it is written once, with zeros."""


_NO_TABLES = rule(
    "self.preallocation != 'Metadata' || self.format == 'qcow2'",
    "preallocation Metadata needs format qcow2; raw takes Off, Falloc or Full",
)


class VolumeClassSpec(ApiModel):
    """How Volumes of this class are kept."""

    driver: Driver
    """local: a file in the data pool of one node, where the Volume stays."""
    local: Annotated[LocalParameters, Field(json_schema_extra=rules(_NO_TABLES))] | None = None
    """For driver local; all of it has defaults."""


class VolumeLocation(ApiModel):
    """Where the data of one Volume is, and how it is laid out: its class's parameters, resolved once."""

    local: LocalParameters | None = None
    """A file in a node's data pool."""

    @property
    def driver(self) -> Driver:
        """Who keeps the data."""
        return Driver.LOCAL


class VolumeClass(ApiModel):
    """A kind of storage that Volumes name."""

    api_version: Literal["orlop.dev/v1alpha1"] = API_VERSION
    kind: Literal["VolumeClass"] = "VolumeClass"
    metadata: Metadata = Metadata()
    spec: Annotated[
        VolumeClassSpec,
        Field(
            json_schema_extra=rules(
                rule("self == oldSelf", "spec is immutable: create another VolumeClass"),
                rule("!has(self.local) || self.driver == 'local'", "local is for driver local only"),
            )
        ),
    ]
    """How Volumes of this class are kept."""


class VolumeSpec(ApiModel):
    """The device that is wanted."""

    size: Annotated[
        Quantity,
        Field(
            json_schema_extra=rules(
                rule("self == oldSelf", "size is fixed at creation: create another Volume"),
                between("1Mi", "64Ti", "10Gi"),
            )
        ),
    ]
    """Size of the device, from 1Mi to 64Ti."""
    class_name: Annotated[
        DnsSubdomain,
        Field(
            json_schema_extra=rules(rule("self == oldSelf", "className is immutable: create another Volume"))
        ),
    ]
    """The VolumeClass."""
    reclaim_policy: ReclaimPolicy = ReclaimPolicy.DELETE
    """Delete: the data goes with the Volume. Retain: the file stays on its node."""


class Attachment(ApiModel):
    """The one Instance that may write."""

    instance_name: DnsSubdomain
    """The Instance."""
    instance_uid: ObjectUid
    """The Instance's uid."""
    node_name: DnsSubdomain
    """Node where it runs."""
    generation: Annotated[int, Field(ge=1, json_schema_extra={"format": "int64"})] = 1
    """The number of this attachment among all that the Volume had."""


class VolumeStatus(ApiModel):
    """Where the data is and who uses it; operator only."""

    observed_generation: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] = 0
    """The metadata.generation that this status is about."""
    node_name: DnsSubdomain | None = None
    """The node that keeps the data; Instances with this Volume run there."""
    pool_id: ObjectUid | None = None
    """The data pool on that node, by the random name it got when it was made."""
    location: VolumeLocation | None = None
    """How the data is kept: from the class, fixed when the Volume is first attached."""
    attachment: Attachment | None = None
    """The one Instance that may write; it stays until its node says that no guest has the Volume any more."""
    attachments: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] = 0
    """How often the Volume was attached: the generation of the last attachment."""
    conditions: Conditions = []
    """Ready: the data exists. Before that the Volume waits for its first Instance."""


class Volume(ApiModel):
    """A block device that outlives the Instances it is attached to."""

    api_version: Literal["orlop.dev/v1alpha1"] = API_VERSION
    kind: Literal["Volume"] = "Volume"
    metadata: Metadata = Metadata()
    spec: VolumeSpec
    """The device that is wanted."""
    status: VolumeStatus | None = None
    """Where the data is and who uses it."""
