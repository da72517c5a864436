"""Hypervisor: one node that runs virtual machines; what it has, what it holds, what it is asked to fetch."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from orlop_api.assigned_image import AssignedImage
from orlop_api.assignment import AssignedSecret
from orlop_api.capacity import Capacity, Ratios
from orlop_api.condition import Conditions
from orlop_api.hardware import HardwareOffer
from orlop_api.hypervisor_scheduling import HypervisorScheduling
from orlop_api.image import ImageFormat, ImageProgress
from orlop_api.peer import NodeCertificate, PeerOffer
from orlop_api.physical_interface import PhysicalInterfaces
from orlop_api.resource import (
    API_VERSION,
    LIST_SET,
    ApiModel,
    ByteCount,
    Checksum,
    Digest,
    DnsLabel,
    Ipv4,
    Message,
    Metadata,
    ObjectUid,
    Reason,
    list_map,
)
from orlop_api.router import UnroutedRouter
from orlop_api.source import FileSource, OrderedFile, OrderedSignature, Reference
from orlop_api.storage import StorageOrders, StorageReports
from orlop_api.volume_class import VolumeLocation

HYPERVISOR_LABEL = "orlop.dev/hypervisor"
NODE_ACCOUNTS_NAMESPACE = "orlop-nodes"
"""Holds one service account and one Lease for each node, named as the node."""


class PublishedOrigin(ApiModel):
    """What a node makes an Image of: either volumeUID and location, or instanceUID."""

    volume_uid: ObjectUid | None = None
    """A Volume."""
    location: VolumeLocation | None = None
    """Where its data is."""
    instance_uid: ObjectUid | None = None
    """An Instance that is stopped: its root disk."""


class ImportOrder(ApiModel):
    """One Image that this node shall fetch and describe."""

    image_uid: ObjectUid
    """The Image's uid."""
    generation: Annotated[int, Field(ge=0)] = 0
    """Raised to ask for another try after a failure."""
    source: FileSource
    """Where the disk is."""
    origin: PublishedOrigin | None = None
    """What the node makes it of, where the source is published and so nobody has it yet."""
    checksum: Checksum | None = None
    """What it must hash to."""
    signature: OrderedSignature | None = None
    """Who must have signed it."""
    format: ImageFormat | None = None
    """What its format must be."""
    secret: AssignedSecret | None = None
    """Where the source's credentials are, if it has any."""
    kernel: OrderedFile | None = None
    """The kernel, for direct kernel boot."""
    initrd: OrderedFile | None = None
    """The initial RAM disk, for direct kernel boot."""


class PrePullOrder(ApiModel):
    """One Image that this node shall have, before an Instance needs it."""

    image_uid: ObjectUid
    """The Image's uid."""
    image: AssignedImage
    """The image, pinned."""
    secret: AssignedSecret | None = None
    """Where the source's credentials are, if it has any."""


class HypervisorSpec(ApiModel):
    """What the operator asks of the node beside its Assignments, and what administrators say of it."""

    imports: Annotated[list[ImportOrder], Field(max_length=64, json_schema_extra=list_map("imageUID"))] = []
    """Images to fetch and describe."""
    pre_pulls: Annotated[
        list[PrePullOrder], Field(max_length=64, json_schema_extra=list_map("imageUID"))
    ] = []
    """Images to fetch and keep."""
    storage: StorageOrders = []
    """What to do with the data of Volumes."""
    scheduling: HypervisorScheduling | None = None
    """What administrators say of it to the scheduler."""
    overcommit: Ratios | None = None
    """The ratios that hold here, of spec.scheduling and the Aggregates that the node is in; operator only. One that is
    absent is the agent's own: vcpuRatio of orlop-config for vCPUs, else 1."""
    certificate: NodeCertificate | None = None
    """Who the node is to other nodes, when it gets images from them or gives them some."""


class ImportState(StrEnum):
    """How an import stands."""

    PULLING = "Pulling"
    READY = "Ready"
    FAILED = "Failed"


class ImportReport(ApiModel):
    """What became of an import order."""

    image_uid: ObjectUid
    """The Image's uid."""
    generation: Annotated[int, Field(ge=0)] = 0
    """The order's generation."""
    state: ImportState
    """Pulling, Ready or Failed."""
    reason: Reason = ""
    """The cause of a failure in one word: ChecksumMismatch, NotFound, …"""
    message: Message = ""
    """The cause in one sentence."""
    retry: Literal["Useful", "Useless"] = "Useful"
    """Useless: the same file would fail again."""
    digest: Digest | None = None
    """sha256 of the bytes as served."""
    reference: Reference | None = None
    """The registry reference by digest."""
    content_digest: Digest | None = None
    """sha256 of the file that was made of them, where it is another one: unfolded, or converted."""
    kernel_digest: Digest | None = None
    """sha256 of the kernel."""
    initrd_digest: Digest | None = None
    """sha256 of the initial RAM disk."""
    format: ImageFormat | None = None
    """What inspection found."""
    size_bytes: ByteCount | None = None
    """Bytes of the file."""
    virtual_size_bytes: ByteCount | None = None
    """Bytes of the disk that a guest sees."""
    progress: ImageProgress | None = None
    """How far it is."""


class PrePullReport(ApiModel):
    """What became of a pre-pull order."""

    image_uid: ObjectUid
    """The Image's uid."""
    digest: Digest
    """The order's digest."""
    state: ImportState
    """Pulling, Ready or Failed; what failed is tried again."""
    reason: Reason = ""
    """The cause of a failure in one word."""
    message: Message = ""
    """The cause in one sentence."""


class ImageCacheUsage(ApiModel):
    """How full the node's image cache is."""

    files: Annotated[int, Field(ge=0)] = 0
    """Files in it."""
    used_bytes: ByteCount = 0
    """Bytes of the data pool that they take."""
    capacity_bytes: ByteCount = 0
    """Bytes that they may take; what is in use stays even above that."""


class Orphan(ApiModel):
    """A domain that runs here without an Assignment that says so; it is kept, never guessed about."""

    instance_uid: ObjectUid
    """Uid of the Instance that the domain was made for."""
    epoch: Annotated[int, Field(ge=0)]
    """The epoch in the domain's metadata."""
    message: Message = ""
    """What was found."""


class SharedPool(ApiModel):
    """A directory that several nodes have mounted, as this node sees it."""

    name: DnsLabel
    """Its name: that of the directory below /var/lib/orlop/shared."""
    pool_id: ObjectUid
    """What its file pool-id holds: nodes that say the same have the same data."""


AddressFamily = Literal["IPv4", "IPv6"]


class HypervisorStatus(ApiModel):
    """The node as its agent sees it; conditions are the operator's."""

    capacity: Capacity | None = None
    """What the node can give to guests in all."""
    overcommit: Ratios | None = None
    """The ratios that are in the capacity; absent from an agent that takes none but its own."""
    architecture: Annotated[str, Field(max_length=16)] | None = None
    """Processor architecture: x86_64."""
    virtualization_type: Literal["kvm", "qemu"] | None = None
    """kvm, or qemu where guests are emulated."""
    boot_id: ObjectUid | None = None
    """The kernel's boot id, new with each boot of the node."""
    pool_id: ObjectUid | None = None
    """The data pool, by the random name it got when it was made."""
    shared_pools: Annotated[list[SharedPool], Field(max_length=16, json_schema_extra=list_map("name"))] = []
    """Shared pools that are mounted and answer."""
    host_address: Ipv4 | None = None
    """The node's underlay address."""
    underlay_mtu: Annotated[int, Field(ge=576, le=65535)] | None = None
    """The MTU of the underlay, in bytes."""
    physical_networks: Annotated[list[DnsLabel], Field(max_length=16, json_schema_extra=LIST_SET)] = []
    """Physical networks that the node has an interface on, by their names in orlop-config."""
    physical_interfaces: PhysicalInterfaces = []
    """These interfaces; absent from an agent that cannot have guests there."""
    nic_families: Annotated[list[AddressFamily], Field(max_length=2, json_schema_extra=LIST_SET)] = []
    """Families of which a NIC here may have an address without one of the other; none where the agent is older."""
    hardware: HardwareOffer | None = None
    """What hardware guests can have here; absent where the agent is older."""
    bridge_filter: Literal["Loaded", "Missing"] | None = None
    """Whether the node's kernel has br_netfilter, without which no Instance in a SecurityGroup starts here."""
    unrouted: Annotated[
        list[UnroutedRouter], Field(max_length=64, json_schema_extra=list_map("routerUID"))
    ] = []
    """Routers that cannot be had here as they shall be; 64 at most are told."""
    agent_version: Annotated[str, Field(max_length=64)] | None = None
    """Version of the agent."""
    libvirt_version: Annotated[str, Field(max_length=64)] | None = None
    """Version of libvirt."""
    hypervisor_version: Annotated[str, Field(max_length=64)] | None = None
    """Version of QEMU."""
    images: Annotated[list[Digest], Field(max_length=256, json_schema_extra=LIST_SET)] = []
    """Digests in the node's image cache: the 256 that were used last."""
    image_cache: ImageCacheUsage | None = None
    """How full the image cache is."""
    image_peer: PeerOffer | None = None
    """How the node gives images to others; absent where orlop-config has that off."""
    imports: Annotated[list[ImportReport], Field(max_length=64, json_schema_extra=list_map("imageUID"))] = []
    """What became of spec.imports."""
    pre_pulls: Annotated[
        list[PrePullReport], Field(max_length=64, json_schema_extra=list_map("imageUID"))
    ] = []
    """What became of spec.prePulls."""
    storage: StorageReports = []
    """What became of spec.storage."""
    orphans: Annotated[list[Orphan], Field(max_length=256, json_schema_extra=list_map("instanceUID"))] = []
    """Domains that run here without an Assignment that says so."""
    conditions: Conditions = []
    """Ready: the agent renews its Lease and Instances may be placed. Only while False: Filtering, where no
    SecurityGroup can be kept, and Routing, where a Router cannot be had."""


class Hypervisor(ApiModel):
    """One node that runs virtual machines. Made by Orlop for each Node labeled orlop.dev/hypervisor=true."""

    api_version: Literal["orlop.dev/v1alpha1"] = API_VERSION
    kind: Literal["Hypervisor"] = "Hypervisor"
    metadata: Metadata = Metadata()
    spec: HypervisorSpec = HypervisorSpec()
    """What the operator asks of the node."""
    status: HypervisorStatus | None = None
    """The node as its agent sees it."""


def node_namespace(node_name: str) -> str:
    """The namespace of the Secrets that one node may read; hashed, because node names may have dots."""
    return f"orlop-node-{hashlib.sha256(node_name.encode()).hexdigest()[:16]}"
