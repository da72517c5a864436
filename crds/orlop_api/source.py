"""Where a node finds the bytes of a file, resolved and without any secret: every agent can read it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from orlop_api.resource import LIST_ATOMIC, ApiModel, Checksum, DnsSubdomain, HttpUrl

USERNAME_KEY, PASSWORD_KEY, TOKEN_KEY = "image-username", "image-password", "image-token"
REGISTRIES_KEY, CA_KEY = "image-registries", "image-ca"
"""Keys of the node's Secret with what a source asks for. S3's access key is username and password there."""

IMAGE_KEYS = frozenset({USERNAME_KEY, PASSWORD_KEY, TOKEN_KEY, REGISTRIES_KEY, CA_KEY})

Reference = Annotated[str, Field(min_length=3, max_length=512)]
Endpoint = Annotated[str, Field(min_length=8, max_length=512, pattern=r"^https?://")]
Bucket = Annotated[str, Field(min_length=3, max_length=63)]
ObjectKey = Annotated[str, Field(min_length=1, max_length=1024)]
Region = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[a-z0-9-]+$")]
Mirrors = Annotated[list[HttpUrl], Field(max_length=8, json_schema_extra=LIST_ATOMIC)]


class WebLocation(ApiModel):
    """A file on web servers."""

    url: HttpUrl
    """Where it is."""
    mirrors: Mirrors = []
    """Where the same file is too, tried in order when url fails."""


class RegistryLocation(ApiModel):
    """An artifact or a container disk in a registry."""

    reference: Reference
    """registry/repository, and :tag or @sha256:…"""


class BucketLocation(ApiModel):
    """An object in an S3 bucket."""

    endpoint: Endpoint
    """The server."""
    bucket: Bucket
    """The bucket."""
    key: ObjectKey
    """The object."""
    region: Region = "us-east-1"
    """The region that requests are signed for."""


class PublishedLocation(ApiModel):
    """A file that a node made of a Volume or a root disk: no server has it, only nodes do."""

    node_name: DnsSubdomain
    """The node that made it, and keeps it."""


class FileSource(ApiModel):
    """Where the bytes of a file are: exactly one of these."""

    http: WebLocation | None = None
    """A file on web servers."""
    oci: RegistryLocation | None = None
    """An artifact or a container disk in a registry."""
    s3: BucketLocation | None = None
    """An object in an S3 bucket."""
    published: PublishedLocation | None = None
    """A file that a node made and keeps."""


class OrderedSignature(ApiModel):
    """A signature that a file must have."""

    url: HttpUrl
    """Where it is."""
    public_key: Annotated[str, Field(min_length=56, max_length=4096)]
    """Whose it must be: in PEM, or minisign's."""


class OrderedFile(ApiModel):
    """A file beside the disk that a node shall fetch."""

    source: FileSource
    """Where it is."""
    checksum: Checksum | None = None
    """What it must hash to."""
