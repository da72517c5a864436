"""An image as nodes are told of it: everything resolved and pinned."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from orlop_api.image import ImageFormat
from orlop_api.peer import MOST_PEERS, ImagePeer
from orlop_api.resource import ApiModel, ByteCount, Checksum, Digest, list_map
from orlop_api.source import FileSource


class BootFile(ApiModel):
    """A kernel or initial RAM disk, pinned."""

    source: FileSource
    """Where it is."""
    digest: Digest
    """sha256 of its bytes."""


class AssignedImage(ApiModel):
    """The image, pinned."""

    source: FileSource
    """Where its bytes are."""
    digest: Digest
    """sha256 of its bytes as served."""
    content_digest: Digest | None = None
    """sha256 of the file that nodes keep, where it is another one."""
    checksum: Checksum | None = None
    """The Image's own checksum: with it plain http is allowed."""
    format: ImageFormat
    """Its format."""
    virtual_size_bytes: ByteCount
    """Bytes of the disk that a guest sees."""
    kernel: BootFile | None = None
    """Kernel, for direct kernel boot."""
    initrd: BootFile | None = None
    """Initial RAM disk, for direct kernel boot."""
    command_line: Annotated[str, Field(max_length=2048)] = ""
    """Kernel command line, for direct kernel boot."""
    peers: Annotated[
        list[ImagePeer], Field(max_length=MOST_PEERS, json_schema_extra=list_map("nodeName"))
    ] = []
    """Nodes that had it in their cache when this was written; asked in this order, before the source."""


def digests(image: AssignedImage) -> set[str]:
    """Of all files that the image is made of."""
    return {image.digest} | boot_digests(image)


def boot_digests(image: AssignedImage) -> set[str]:
    """Of the files beside the disk."""
    return {file.digest for file in (image.kernel, image.initrd) if file is not None}
