"""Volume and VolumeClass: a block device with a life of its own, as Cinder has it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from orlop_api.condition import Conditions
from orlop_api.image import DiskFormat
from orlop_api.qos import LIMITS, QualityOfService
from orlop_api.quantity import Quantity, between
from orlop_api.resource import (
    API_VERSION,
    ApiModel,
    ByteCount,
    DnsLabel,
    DnsSubdomain,
    Metadata,
    ObjectUid,
    rule,
    rules,
)


class Driver(StrEnum):
    """Who keeps the data."""

    LOCAL = "local"
    SHARED = "shared"
    NBD = "nbd"


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


HostName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$")]
PortNumber = Annotated[int, Field(ge=1, le=65535)]
_ONLY_KNOWN_FIELDS = rule(
    r"self.matches('^([^{}]|\\{(namespace|name|uid)\\})+$')",
    "may hold {namespace}, {name} and {uid}, and no other braces",
)
_ONE_EACH = rule(
    r"self.contains('{uid}') || self.matches('\\{namespace\\}[^{}]*[/_:+][^{}]*\\{name\\}')",
    "must hold {uid}, or {namespace} and then {name} with one of / _ : + between them: else two Volumes could get"
    " the same export",
)


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


class SharedParameters(ApiModel):
    """Files in a directory that several nodes have mounted, NFS for example."""

    pool: DnsLabel
    """Name of the shared pool; nodes that have it say so in Hypervisor.status.sharedPools."""
    format: DiskFormat = DiskFormat.QCOW2
    """qcow2, or raw."""
    preallocation: Preallocation = Preallocation.OFF
    """As for local."""


class NbdParameters(ApiModel):
    """Exports of a Network Block Device server that are there already; Orlop makes, sizes and deletes none."""

    host: HostName
    """Name or IPv4 address of the server."""
    port: PortNumber = 10809
    """Its TCP port."""
    export_name: Annotated[
        str, Field(min_length=1, max_length=512, json_schema_extra=rules(_ONLY_KNOWN_FIELDS, _ONE_EACH))
    ] = "{uid}"
    """Which export is whose: text with {uid}, or with {namespace} and {name}, of the Volume."""


_OF_ITS_DRIVER = [
    rule(f"!has(self.{name}) || self.driver == '{name}'", f"{name} is for driver {name} only")
    for name in ("local", "shared", "nbd")
]
_NEEDED = [
    rule(f"self.driver != '{name}' || has(self.{name})", f"driver {name} needs its parameters in {name}")
    for name in ("shared", "nbd")
]


class VolumeClassSpec(ApiModel):
    """How Volumes of this class are kept."""

    driver: Driver
    """local: a file in the data pool of one node, where the Volume stays. shared: a file in a directory that
    several nodes have mounted. nbd: an export of a server that others care for."""
    local: Annotated[LocalParameters, Field(json_schema_extra=rules(_NO_TABLES))] | None = None
    """For driver local; all of it has defaults."""
    shared: Annotated[SharedParameters, Field(json_schema_extra=rules(_NO_TABLES))] | None = None
    """For driver shared."""
    nbd: NbdParameters | None = None
    """For driver nbd."""


class SharedLocation(ApiModel):
    """A file in a shared pool."""

    pool: DnsLabel
    """Name of the pool."""
    pool_id: ObjectUid
    """What the pool's file pool-id held: a node with another one does not have the data."""
    format: DiskFormat = DiskFormat.QCOW2
    """Format of the file."""
    preallocation: Preallocation = Preallocation.OFF
    """How much of a new file is allocated at once."""


class NbdLocation(ApiModel):
    """An export of an NBD server."""

    host: HostName
    """Name or IPv4 address of the server."""
    port: PortNumber
    """Its TCP port."""
    export: Annotated[str, Field(min_length=1, max_length=1024)]
    """Name of the export."""


class VolumeLocation(ApiModel):
    """Where the data of one Volume is: its class's parameters, resolved once. Exactly one is set."""

    local: LocalParameters | None = None
    """A file in a node's data pool."""
    shared: SharedLocation | None = None
    """A file in a shared pool."""
    nbd: NbdLocation | None = None
    """An export of an NBD server."""

    @property
    def driver(self) -> Driver:
        """Who keeps the data."""
        if self.shared is not None:
            return Driver.SHARED
        if self.nbd is not None:
            return Driver.NBD
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
                *_OF_ITS_DRIVER,
                *_NEEDED,
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
    qos: Annotated[QualityOfService, Field(json_schema_extra=LIMITS)] | None = None
    """Limits on what a guest may do with the disk; a change holds at once."""
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
    """The node that keeps the data, where only one does; Instances with this Volume run there."""
    pool_id: ObjectUid | None = None
    """The data pool on that node, by the random name it got when it was made."""
    location: VolumeLocation | None = None
    """How the data is kept: from the class, fixed when the Volume is first attached."""
    attachment: Attachment | None = None
    """The one Instance that may write; it stays until its node says that no guest has the Volume any more."""
    capacity_bytes: ByteCount | None = None
    """Size of the device as it is; it follows spec.size."""
    attachments: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] = 0
    """How often the Volume was attached: the generation of the last attachment."""
    conditions: Conditions = []
    """Ready: the data exists. Before that the Volume waits for its first Instance. Resizing: only while the device is
    smaller than spec.size."""


class Volume(ApiModel):
    """A block device that outlives the Instances it is attached to."""

    api_version: Literal["orlop.dev/v1alpha1"] = API_VERSION
    kind: Literal["Volume"] = "Volume"
    metadata: Metadata = Metadata()
    spec: VolumeSpec
    """The device that is wanted."""
    status: VolumeStatus | None = None
    """Where the data is and who uses it."""
