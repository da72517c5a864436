"""Image: a bootable disk, as Glance has it; pinned by digest once, and never changed after that."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from orlop_api.condition import Conditions
from orlop_api.duration import Duration, lasting
from orlop_api.hardware import UEFI_NEEDS_Q35
from orlop_api.imagesource import ONE_SOURCE, BucketFile, ImageSource, RegistryFile, WebFile
from orlop_api.placement import NodeSelector
from orlop_api.quantity import rounded
from orlop_api.requirements import Requirements
from orlop_api.resource import (
    API_VERSION,
    LIST_ATOMIC,
    ApiModel,
    ByteCount,
    Checksum,
    Digest,
    DnsSubdomain,
    Message,
    Metadata,
    rule,
    rules,
    unchanged,
)
from orlop_api.signature import Signature
from orlop_api.source import Reference

_PROOF_FOR_HTTP = (
    "a plain http url needs a checksum (sha256:… or sha512:…) or a signature; without one use https"
)
_CHECKSUM_FOR_HTTP = "a plain http url needs a checksum (sha256:… or sha512:…); without one use https"


_CHECKSUM = rule(
    "self.matches('^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$')",
    "must be sha256: and 64 hex digits, or sha512: and 128, in lower case",
)
GivenChecksum = Annotated[Checksum, Field(json_schema_extra=rules(_CHECKSUM))]


class DiskFormat(StrEnum):
    """How a disk file is laid out; never guessed from its content alone."""

    QCOW2 = "qcow2"
    RAW = "raw"


class ImageFormat(StrEnum):
    """How an image is laid out as it is served; nodes keep it as qcow2 or raw."""

    QCOW2 = "qcow2"
    RAW = "raw"
    ISO = "iso"
    VMDK = "vmdk"
    VHD = "vhd"
    VHDX = "vhdx"
    VDI = "vdi"


class KernelFile(ApiModel):
    """A kernel or an initial RAM disk: exactly one of http, oci and s3. All may read it there: a login is for the disk.

    The file is kept as it is served.
    """

    http: WebFile | None = None
    """A file on web servers."""
    oci: RegistryFile | None = None
    """An artifact in a registry, whose only layer is the file."""
    s3: BucketFile | None = None
    """An object in an S3 bucket."""
    checksum: GivenChecksum | None = None
    """What the file must hash to: sha256:… or sha512:…; needed for plain http."""


def _plain_http(web: str) -> str:
    """Whether any of its URLs is plain http."""
    return f"({web}.url.startsWith('http://') || has({web}.mirrors) && {web}.mirrors.exists(m, m.startsWith('http://')))"


_PUBLISHED = "(has(self.source.volumeRef) || has(self.source.instanceRef))"
_KERNEL_CHECKSUM = rule(
    f"has(self.checksum) || !(has(self.http) && {_plain_http('self.http')}"
    " || has(self.s3) && self.s3.endpoint.startsWith('http://'))",
    _CHECKSUM_FOR_HTTP,
)
_ONE_PLACE = rule(
    "[has(self.http), has(self.oci), has(self.s3)].exists_one(given, given)",
    "exactly one of http, oci and s3 must be set",
)
_PLAIN = (
    f"(has(self.source.http) && {_plain_http('self.source.http')}"
    " || has(self.source.s3) && self.source.s3.endpoint.startsWith('http://'))"
)
_DISK_CHECKSUM = rule(f"has(self.checksum) || has(self.signature) || !{_PLAIN}", _PROOF_FOR_HTTP)
_SIGNATURE_BY_HTTPS = rule(
    f"has(self.checksum) || !has(self.signature) || self.signature.url.startsWith('https://') || !{_PLAIN}",
    "with a plain http url signature.url must be https: whoever is between could give an older file",
)


class KernelBoot(ApiModel):
    """Direct kernel boot, as Glance's kernel_id and ramdisk_id."""

    kernel: Annotated[KernelFile, Field(json_schema_extra=rules(_ONE_PLACE, _KERNEL_CHECKSUM))]
    """The kernel (a bzImage)."""
    initrd: Annotated[KernelFile | None, Field(json_schema_extra=rules(_ONE_PLACE, _KERNEL_CHECKSUM))] = None
    """The initial RAM disk."""
    command_line: Annotated[str, Field(max_length=2048, pattern=r"^[ -~]*$")] = ""
    """The kernel's command line: printable ASCII."""


class PrePull(ApiModel):
    """Nodes that shall have the Image before an Instance needs it."""

    node_selector: NodeSelector = {}
    """Labels of those nodes; every hypervisor when empty."""


class Refresh(ApiModel):
    """The Image follows its source."""

    interval: Annotated[Duration, Field(json_schema_extra=rules(lasting("1m", "8760h", "24h")))]
    """How often the source is looked at: a whole number with s, m or h, from 1m to 8760h."""


class ImageSpec(ApiModel):
    """The disk that is wanted."""

    source: Annotated[ImageSource, Field(json_schema_extra=rules(ONE_SOURCE))]
    """Where the disk comes from."""
    checksum: GivenChecksum | None = None
    """What the file must hash to: sha256:… or sha512:…; verified before first use. For plain http it or a signature is
    needed."""
    signature: Signature | None = None
    """Who must have signed the file; verified before first use. With refresh, each time the source is looked at."""
    format: ImageFormat | None = None
    """qcow2, raw or iso, each also compressed with gzip, xz or zstd; what inspection finds must agree. vmdk, vhd, vhdx
    and vdi where orlop-config names them. An iso becomes a CD-ROM beside an empty root disk."""
    requirements: Annotated[Requirements, Field(json_schema_extra=rules(UEFI_NEEDS_Q35))] | None = None
    """What a machine must have to run this Image."""
    kernel_boot: KernelBoot | None = None
    """Boot this kernel directly; the disk is still the root disk."""
    pre_pull: PrePull | None = None
    """Nodes that fetch the Image before an Instance needs it, and keep it. May be changed."""
    refresh: Refresh | None = None
    """Look at the source again and again, and give new Instances what is there then; those that exist keep what they
    have. May be changed. Not together with a checksum."""


class ImageProgress(ApiModel):
    """How far the import is."""

    node_name: DnsSubdomain
    """The node that fetches."""
    received_bytes: ByteCount = 0
    """Bytes received so far."""
    total_bytes: ByteCount | None = None
    """Bytes expected, when the server said."""
    rate_bytes_per_second: ByteCount = 0
    """Bytes a second, over the last ten seconds or so."""
    remaining_seconds: Annotated[int, Field(ge=0, le=2592000)] | None = None
    """Seconds that the rest takes at this rate, when both are known."""

    def told(self) -> str:
        """For people: 120Mi of 400Mi, 12Mi a second, 23 s to go."""
        of = f" of {rounded(self.total_bytes)}" if self.total_bytes else ""
        rate = f", {rounded(self.rate_bytes_per_second)} a second" if self.rate_bytes_per_second else ""
        left = f", {self.remaining_seconds} s to go" if self.remaining_seconds is not None else ""
        return f"{rounded(self.received_bytes)}{of}{rate}{left}"


class PrePullStatus(ApiModel):
    """How far the nodes of spec.prePull are."""

    selected: Annotated[int, Field(ge=0)] = 0
    """Nodes that shall have the Image."""
    present: Annotated[int, Field(ge=0)] = 0
    """Those of them that have it."""
    message: Message = ""
    """What the others wait for."""


class RefreshStatus(ApiModel):
    """When the source was looked at."""

    attempted_at: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    """The last look, however it ended."""
    succeeded_at: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    """The last look that brought the whole file."""


class PastDigest(ApiModel):
    """What the Image was."""

    digest: Digest
    """sha256 of the bytes as served."""
    since: Annotated[str, Field(json_schema_extra={"format": "date-time"})]
    """When the Image became this."""


class ImageStatus(ApiModel):
    """What was found, pinned at the first import."""

    observed_generation: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] = 0
    """The metadata.generation that this status is about."""
    node_name: DnsSubdomain | None = None
    """With source.volumeRef and source.instanceRef the node that made the file, and keeps it."""
    digest: Digest | None = None
    """sha256 of the bytes as served: this is the Image, whatever the server sends later. With spec.refresh it is what
    new Instances get."""
    reference: Reference | None = None
    """What the registry reference meant then, by digest; nodes ask for this one from now on."""
    content_digest: Digest | None = None
    """sha256 of the file that nodes keep, where it is another one: unfolded, or converted to qcow2."""
    kernel_digest: Digest | None = None
    """sha256 of the kernel."""
    initrd_digest: Digest | None = None
    """sha256 of the initial RAM disk."""
    format: ImageFormat | None = None
    """The format that inspection found."""
    size_bytes: ByteCount | None = None
    """Bytes of the file."""
    virtual_size_bytes: ByteCount | None = None
    """Bytes of the disk that a guest sees."""
    progress: ImageProgress | None = None
    """The running import."""
    message: Message | None = None
    """One sentence on what the Image waits for; the same as Ready's."""
    pre_pull: PrePullStatus | None = None
    """How far the nodes of spec.prePull are."""
    refresh: RefreshStatus | None = None
    """When the source was looked at, with spec.refresh."""
    history: Annotated[list[PastDigest], Field(max_length=10, json_schema_extra=LIST_ATOMIC)] | None = None
    """What the Image was and is, with spec.refresh: the newest first, at most ten."""
    conditions: Conditions = []
    """Ready: imported, verified, and usable by Instances. Refreshed, with spec.refresh: the last look at the source
    brought the whole file. Authorized, with Secrets: whoever made the Image may still get them. Kept, with
    source.volumeRef and source.instanceRef: other nodes can have it from nodeName. QuotaReserved: only while the
    namespace's Quota has no room for it."""


class Image(ApiModel):
    """A bootable disk that Instances start from. Fetched once, verified, then known by its digest."""

    api_version: Literal["orlop.dev/v1alpha1"] = API_VERSION
    kind: Literal["Image"] = "Image"
    metadata: Metadata = Metadata()
    spec: Annotated[
        ImageSpec,
        Field(
            json_schema_extra=rules(
                rule(
                    unchanged(ImageSpec, but={"pre_pull", "refresh"}),
                    "spec is immutable but for prePull and refresh: create another Image for another disk",
                ),
                rule(
                    "!has(self.refresh) || !has(self.checksum)",
                    "an Image with a checksum never changes: leave out either refresh or checksum",
                ),
                _DISK_CHECKSUM,
                _SIGNATURE_BY_HTTPS,
                rule(
                    f"!{_PUBLISHED} || !has(self.checksum) && !has(self.signature) && !has(self.refresh)",
                    "what is published is made once, on a node: leave out checksum, signature and refresh",
                ),
                rule(
                    f"!{_PUBLISHED} || !has(self.format) || self.format == 'qcow2'",
                    "what is published is qcow2: leave out format",
                ),
            )
        ),
    ]
    """The disk that is wanted."""
    status: ImageStatus | None = None
    """What was found."""
