"""Assignment: the order from the operator to one node's agent, and the agent's answer.

Its name is the Instance's uid and all are in one namespace, so etcd guarantees that an Instance has at most one. The
right to run is the pair (metadata.uid, epoch); docs/explanation/assignment.md gives the protocol. Every agent can read
every Assignment: it holds no secret, no credential, no user data.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from orlop_api.assigned_image import AssignedImage
from orlop_api.assigned_ipv6 import AssignedIpv6
from orlop_api.assigned_physical import AssignedPhysical
from orlop_api.attachment import Access, AssignedLimits, AttachedVolume, VolumeSize
from orlop_api.bandwidth import PortQos
from orlop_api.condition import Conditions
from orlop_api.hardware import Hardware
from orlop_api.identity import InstanceIdentity
from orlop_api.instance import RestartPolicy, StopPolicy
from orlop_api.keypair import MOST_KEY_PAIRS, AssignedKey
from orlop_api.network import Dhcp, Egress, MetadataService
from orlop_api.nic import MOST_NICS, AttachedNic
from orlop_api.port import AddressPairs
from orlop_api.resource import (
    API_VERSION,
    LIST_ATOMIC,
    LIST_SET,
    ApiModel,
    ByteCount,
    DnsLabel,
    DnsSubdomain,
    Ipv4,
    MacAddress,
    Message,
    Metadata,
    ObjectUid,
    Reason,
    SecretKey,
    list_map,
)
from orlop_api.security_group import AssignedSecurity
from orlop_api.subnet_options import MOST_ROUTES, MOST_SEARCHED, AssignedDomain, AssignedRoute
from orlop_api.volume_class import MultiAttach, VolumeLocation

USER_DATA_KEY = "user-data"
"""Key of the node's Secret that holds the user data."""
ASSIGNMENT_NAMESPACE = "orlop-assignments"
MOST_VOLUMES = 17
"""Volumes of one machine: those that an Instance may list, and one to boot from."""


class Desired(StrEnum):
    """What the node shall do with the Instance."""

    RUNNING = "Running"
    STOPPED = "Stopped"
    RELEASED = "Released"
    """Stop for good at this epoch; disks stay. The Instance goes elsewhere."""
    PURGED = "Purged"
    """Stop for good and delete the disks that are the Instance's own."""


class AssignedNic(ApiModel):
    """One NIC with everything resolved."""

    name: DnsLabel
    """Name of the NIC in the Instance."""
    port_name: DnsSubdomain
    """The Port, in the Instance's namespace."""
    network_uid: ObjectUid
    """The Network."""
    segment_id: Annotated[int, Field(ge=1, le=16777215)]
    """The VXLAN network identifier."""
    physical: AssignedPhysical | None = None
    """What carries a VLAN or Bridge Network; absent where it is an overlay."""
    mac_address: MacAddress
    """The guest's MAC address."""
    addresses: Annotated[list[Ipv4], Field(max_length=4, json_schema_extra=LIST_ATOMIC)] = []
    """The guest's addresses of IPv4; none in a Network of IPv6 alone."""
    ipv6: AssignedIpv6 | None = None
    """What it has of IPv6; absent in a Network without."""
    allowed_address_pairs: AddressPairs = []
    """What the guest may send from beside them."""
    cidr: Annotated[str, Field(max_length=18)] | None = None
    """The subnet of IPv4, where there is one."""
    gateway: Ipv4 | None = None
    """That subnet's router: an anycast address on every node, or of the physical network."""
    dns: Annotated[list[Ipv4], Field(max_length=4, json_schema_extra=LIST_ATOMIC)] = []
    """Name servers for the guest; the gateway among them answers by itself."""
    network_namespace: DnsLabel | None = None
    """Namespace of the Network: the short names in it are its own Instances'."""
    domain: AssignedDomain | None = None
    """Domain of the names on the Network, where it gives one."""
    search: Annotated[
        list[AssignedDomain], Field(max_length=MOST_SEARCHED, json_schema_extra=LIST_ATOMIC)
    ] = []
    """Further domains to look in."""
    ntp: Annotated[list[Ipv4], Field(max_length=4, json_schema_extra=LIST_ATOMIC)] = []
    """Time servers for the guest."""
    routes: Annotated[list[AssignedRoute], Field(max_length=MOST_ROUTES, json_schema_extra=LIST_ATOMIC)] = []
    """Ways for the guest beside the gateway's."""
    dhcp: Dhcp = Dhcp.ENABLED
    """Whether the guest is told its address by DHCP."""
    egress: Egress = Egress.NAT
    """Whether the guest reaches the outside."""
    metadata: MetadataService = MetadataService.DISABLED
    """Whether the gateway answers for its metadata."""
    mtu: Annotated[int, Field(ge=576, le=9000)]
    """MTU in bytes."""
    security: AssignedSecurity | None = None
    """The SecurityGroups in force; absent in orders of an operator that knew none."""
    qos: PortQos | None = None
    """The limits when it was ordered; what the Port says of them is newer."""


class AssignedOrigin(ApiModel):
    """What a Volume begins as: either image, or volumeUID and location."""

    image: AssignedImage | None = None
    """An image."""
    volume_uid: ObjectUid | None = None
    """The VolumeSnapshot or Volume whose data is copied."""
    location: VolumeLocation | None = None
    """Where that data is."""
    held_by: DnsSubdomain | None = None
    """The node whose guest may have it, where another node keeps the data: only that guest knows it at one moment."""


class AssignedVolume(ApiModel):
    """One Volume with everything resolved."""

    name: DnsLabel
    """Name of the disk in the Instance."""
    volume_uid: ObjectUid
    """The Volume's uid; its first 20 characters are the disk's serial in the guest."""
    location: VolumeLocation
    """Where the data is; never a secret."""
    size_bytes: ByteCount
    """Size that the device shall have at least."""
    access: Access = Access.READ_WRITE
    """What the guest may do with it."""
    attachment: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] = 0
    """The generation of the attachment that this is: of Volume.status."""
    multi_attach: MultiAttach = MultiAttach.DISABLED
    """Enabled: other guests may have it too, and write to it."""
    limits: AssignedLimits = AssignedLimits()
    """What the guest may do with it in a second."""
    origin: AssignedOrigin | None = None
    """What it begins as; empty where absent, or when it is created already."""
    created: Literal["Unknown", "Created"] = "Unknown"
    """Created: the data exists, and a missing file is lost data, never to be made anew."""


class AssignedSecret(ApiModel):
    """Where the node finds what must not be said here."""

    namespace: DnsLabel
    """The node's own namespace."""
    name: DnsSubdomain
    """The Secret."""
    keys: Annotated[list[SecretKey], Field(min_length=1, max_length=64, json_schema_extra=LIST_SET)]
    """The keys that it may have: user-data, image-… for the image's source, chap-…, ceph-… and luks-… for Volumes."""


class AssignmentSpec(ApiModel):
    """The order; operator only."""

    instance: InstanceIdentity
    """Whom it is for."""
    node_name: DnsSubdomain | None = None
    """The node; absent while unplaced."""
    epoch: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] = 0
    """How often it was bound; an answer counts only for the epoch it names."""
    pool_id: ObjectUid | None = None
    """The node's data pool when it was bound; a node with another pool starts nothing."""
    desired: Desired = Desired.RUNNING
    """What the node shall do."""
    restarted_at: Annotated[str, Field(max_length=64)] | None = None
    """The Instance's restartedAt: another value than the status has restarts once."""
    restart_policy: RestartPolicy = RestartPolicy.ALWAYS
    """What to do when the guest ends by itself."""
    stop_policy: StopPolicy = StopPolicy()
    """How to stop."""
    vcpus: Annotated[int, Field(ge=1, le=256)]
    """Virtual CPUs."""
    memory_bytes: ByteCount
    """Memory in bytes."""
    root_disk_bytes: ByteCount
    """Size of the root disk in bytes; 0 where a Volume is booted from."""
    hardware: Hardware | None = None
    """What is not the default of board, firmware, TPM and processors; only for agents that say what they can give."""
    boot_volume_uid: ObjectUid | None = None
    """The Volume of `volumes` that is the machine's first disk; then no root disk is made, ever."""
    image: AssignedImage | None = None
    """What the root disk starts as, or the Volume that is booted from began as; absent while unplaced."""
    nics: Annotated[list[AssignedNic], Field(max_length=MOST_NICS, json_schema_extra=list_map("name"))] = []
    """The NICs, in order; address, MAC address and Port of each are claimed before it is listed."""
    public_keys: Annotated[
        list[AssignedKey], Field(max_length=MOST_KEY_PAIRS, json_schema_extra=list_map("name"))
    ] = []
    """Public keys for the guest's seed; the same for as long as the Instance lives."""
    volumes: Annotated[
        list[AssignedVolume], Field(max_length=MOST_VOLUMES, json_schema_extra=list_map("name"))
    ] = []
    """The Volumes, in order; each is attached to the Instance before it is listed."""
    instance_generation: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] = 0
    """The Instance's generation that `volumes` and `nics` follow. It never falls: nobody lists again what was let go
    since."""
    reservation: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] = 0
    """How often the Instance was stopped and gave its vCPUs and memory back: it starts again only by what a Quota
    reserved since. No order to the node."""
    secret: AssignedSecret | None = None
    """Where user data and credentials are, if there are any."""


class State(StrEnum):
    """How the node stands to the order."""

    PREPARING = "Preparing"
    """Fetching, wiring, making disks; nothing started at this epoch."""
    STARTING = "Starting"
    """The right to run was taken by compare-and-swap; a domain may exist."""
    RUNNING = "Running"
    STOPPED = "Stopped"
    FAILED = "Failed"
    """Not running and not able to; reason and message say why. May still change."""
    RELEASED = "Released"
    """Nothing runs here, and nothing ever will at this epoch. Final."""
    REFUSED = "Refused"
    """The node cannot take it; nothing was started, nothing ever will at this epoch. Final."""


FINAL = frozenset({State.RELEASED, State.REFUSED})


class AssignmentStatus(ApiModel):
    """The node's answer; that node's agent only."""

    observed_generation: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] = 0
    """The metadata.generation that this status is about."""
    epoch: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})]
    """The epoch that this answer is for."""
    state: State
    """How the node stands to the order."""
    boot_id: ObjectUid | None = None
    """The node's boot at the last Starting of this epoch; fencing names it."""
    start_id: ObjectUid | None = None
    """Random name of the last Starting: only the agent process that chose it may resume the domain."""
    root_disk: Literal["Absent", "Created"] = "Absent"
    """Whether the root disk was ever made on this node; then the Instance is pinned to it."""
    created_volumes: Annotated[
        list[ObjectUid], Field(max_length=MOST_VOLUMES, json_schema_extra=LIST_ATOMIC)
    ] = []
    """Uids of the Volumes whose data exists on this node."""
    volume_sizes: Annotated[
        list[VolumeSize], Field(max_length=32, json_schema_extra=list_map("volumeUID"))
    ] = []
    """Sizes of Volumes of this order, where they are known: they follow sizeBytes."""
    attached_volumes: Annotated[
        list[AttachedVolume], Field(max_length=32, json_schema_extra=list_map("volumeUID"))
    ] = []
    """The Volumes that the domain has now. One that is neither ordered nor here is nobody's on this node."""
    attached_nics: (
        Annotated[list[AttachedNic], Field(max_length=2 * MOST_NICS, json_schema_extra=list_map("portName"))]
        | None
    ) = None
    """The NICs that the domain has now, or of which tap or rules are still here. Absent where the node's agent does
    not tell: then they are those of the last start."""
    restarted_at: Annotated[str, Field(max_length=64)] | None = None
    """The value of spec.restartedAt that was last acted on."""
    domain_uuid: Annotated[str, Field(max_length=36)] | None = None
    """The libvirt domain, while there is one."""
    virtualization_type: Literal["kvm", "qemu"] | None = None
    """kvm, or qemu where the guest is emulated."""
    reason: Reason = ""
    """Why it is not running, in one word."""
    message: Message = ""
    """Why it is not running, in one sentence."""
    conditions: Conditions = []
    """ImageReady, NetworkReady and VolumesReady."""


class Assignment(ApiModel):
    """Internal: the order to one node to run one Instance, and the node's answer."""

    api_version: Literal["orlop.dev/v1alpha1"] = API_VERSION
    kind: Literal["Assignment"] = "Assignment"
    metadata: Metadata = Metadata()
    spec: AssignmentSpec
    """The order."""
    status: AssignmentStatus | None = None
    """The node's answer."""
