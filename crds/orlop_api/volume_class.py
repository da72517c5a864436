"""VolumeClass: a kind of storage; and where that puts the data of a Volume."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from orlop_api.ceph import WHOLE_USER, RbdLocation, RbdParameters
from orlop_api.image import DiskFormat
from orlop_api.resource import (
    API_VERSION,
    ApiModel,
    DnsLabel,
    DnsSubdomain,
    HostName,
    LocalRef,
    Metadata,
    ObjectUid,
    PortNumber,
    rule,
    rules,
)


class Driver(StrEnum):
    """Who keeps the data."""

    LOCAL = "local"
    SHARED = "shared"
    NBD = "nbd"
    ISCSI = "iscsi"
    RBD = "rbd"


class Preallocation(StrEnum):
    """How much of a new file is allocated at once; the words are QEMU's own (qemu-img(1))."""

    OFF = "Off"
    METADATA = "Metadata"
    FALLOC = "Falloc"
    FULL = "Full"


class MultiAttach(StrEnum):
    """Whether several Instances may have a Volume at once."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"


_ONLY_KNOWN_FIELDS = rule(
    r"self.matches('^([^{}]|\\{(namespace|name|uid)\\})+$')",
    "may hold {namespace}, {name} and {uid}, and no other braces",
)
_ONE_EACH = rule(
    r"self.contains('{uid}') || self.matches('\\{namespace\\}[^{}]*[/_:+][^{}]*\\{name\\}')",
    "must hold {uid}, or {namespace} and then {name} with one of / _ : + between them: else two Volumes could get"
    " the same export",
)


_IQN = rule(
    r"self.matches('^iqn[.][0-9]{4}-[0-9]{2}[.][-.a-z0-9]+:[-.:a-z0-9{}]+$')",
    "must be an iSCSI name: iqn.<year>-<month>.<reversed domain>:<text>, in lower case",
)
_WHOLE_ACCOUNT = rule(
    "has(self.account) == has(self.credentialsSecretRef)",
    "account and credentialsSecretRef need each other",
)
_MADE_LUN = rule("!has(self.tgt) || self.lun > 0", "tgt keeps LUN 0 for itself: lun must be from 1 to 255")


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


class TgtTargets(ApiModel):
    """Targets that Orlop makes with tgt, Linux's target framework in user space."""

    hypervisor_name: DnsSubdomain
    """The hypervisor whose tgtd serves them, from files in a directory of its data pool."""


class IscsiParameters(ApiModel):
    """iSCSI targets; QEMU is the initiator, nothing of the node's kernel has a part in it."""

    host: HostName
    """Name or IPv4 address of the portal."""
    port: PortNumber = 3260
    """Its TCP port."""
    target_name: Annotated[
        str, Field(min_length=1, max_length=223, json_schema_extra=rules(_ONLY_KNOWN_FIELDS, _ONE_EACH, _IQN))
    ] = "iqn.2026-01.dev.orlop:{uid}"
    """Which target is whose: an iSCSI name (RFC 3720) with {uid}, or with {namespace} and {name}, of the Volume."""
    lun: Annotated[int, Field(ge=0, le=255)] = 1
    """Number of the logical unit in its target."""
    account: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[-_.a-zA-Z0-9]+$")] | None = None
    """User name for CHAP; no authentication when absent."""
    credentials_secret_ref: LocalRef | None = None
    """A Secret of namespace orlop-system whose key `password` is the account's CHAP secret."""
    tgt: TgtTargets | None = None
    """Have the targets made by tgt. When absent they are there already; Orlop makes, sizes and deletes none."""


_OF_ITS_DRIVER = [
    rule(f"!has(self.{name}) || self.driver == '{name}'", f"{name} is for driver {name} only")
    for name in ("local", "shared", "nbd", "iscsi", "rbd")
]
_NEEDED = [
    rule(f"self.driver != '{name}' || has(self.{name})", f"driver {name} needs its parameters in {name}")
    for name in ("shared", "nbd", "iscsi", "rbd")
]


_ONE_WRITER = rule(
    "self.multiAttach != 'Enabled' || self.driver in ['nbd', 'iscsi']"
    " || (has(self.local) && self.local.format == 'raw') || (has(self.shared) && self.shared.format == 'raw')",
    "multiAttach Enabled is for raw data: drivers nbd and iscsi, and local and shared with format raw; two writers"
    " would tear a qcow2",
)


class VolumeClassSpec(ApiModel):
    """How Volumes of this class are kept."""

    driver: Driver
    """local: a file in the data pool of one node, where the Volume stays. shared: a file in a directory that
    several nodes have mounted. nbd: an export of a server that others care for. iscsi: a logical unit of an iSCSI
    target, made by Orlop or by others. rbd: an image in a pool of a Ceph cluster."""
    multi_attach: MultiAttach = MultiAttach.DISABLED
    """Enabled: up to 16 Instances may have a Volume at once, and all may write to it (a volume type with
    multiattach=\"<is> True\" in Cinder). What is in it must be made for that: an ordinary file system is not."""
    local: Annotated[LocalParameters, Field(json_schema_extra=rules(_NO_TABLES))] | None = None
    """For driver local; all of it has defaults."""
    shared: Annotated[SharedParameters, Field(json_schema_extra=rules(_NO_TABLES))] | None = None
    """For driver shared."""
    nbd: NbdParameters | None = None
    """For driver nbd."""
    iscsi: Annotated[IscsiParameters, Field(json_schema_extra=rules(_WHOLE_ACCOUNT, _MADE_LUN))] | None = None
    """For driver iscsi."""
    rbd: Annotated[RbdParameters, Field(json_schema_extra=rules(WHOLE_USER))] | None = None
    """For driver rbd."""


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


class IscsiLocation(ApiModel):
    """A logical unit of an iSCSI target."""

    host: HostName
    """Name or IPv4 address of the portal."""
    port: PortNumber
    """Its TCP port."""
    target: Annotated[str, Field(min_length=1, max_length=1024)]
    """The target's iSCSI name."""
    lun: Annotated[int, Field(ge=0, le=255)]
    """Number of the logical unit."""
    account: Annotated[str, Field(max_length=64)] | None = None
    """User name for CHAP; its secret is in the node's Secret, under chap- and the Volume's uid."""
    credentials: DnsSubdomain | None = None
    """The Secret of namespace orlop-system with the account's secret, under password."""
    tgt: TgtTargets | None = None
    """Who makes the target, where Orlop does."""


class Encryption(StrEnum):
    """How data is encrypted where it is kept."""

    LUKS = "LUKS"


class VolumeLocation(ApiModel):
    """Where the data of one Volume is: its class's parameters, resolved once. Exactly one driver's are set."""

    local: LocalParameters | None = None
    """A file in a node's data pool."""
    shared: SharedLocation | None = None
    """A file in a shared pool."""
    nbd: NbdLocation | None = None
    """An export of an NBD server."""
    iscsi: IscsiLocation | None = None
    """A logical unit of an iSCSI target."""
    rbd: RbdLocation | None = None
    """An image in a pool of a Ceph cluster."""
    generation: Annotated[int, Field(ge=1, json_schema_extra={"format": "int64"})] | None = None
    """Which restore made the data; absent where none did. Each has a file of its own, so none replaces another's."""
    encryption: Encryption | None = None
    """LUKS: what is kept there is encrypted, as the Volume's spec has it. Absent: it is not."""

    @property
    def driver(self) -> Driver:
        """Who keeps the data."""
        if self.shared is not None:
            return Driver.SHARED
        if self.nbd is not None:
            return Driver.NBD
        if self.iscsi is not None:
            return Driver.ISCSI
        if self.rbd is not None:
            return Driver.RBD
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
                _ONE_WRITER,
            )
        ),
    ]
    """How Volumes of this class are kept."""
