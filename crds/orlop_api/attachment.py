"""What order and answer say of a Volume at a guest: its secrets, its limits, its size, and that the domain has it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from orlop_api.resource import ApiModel, ByteCount, ObjectUid

Rate = Annotated[int, Field(ge=0, le=10_000_000, json_schema_extra={"format": "int64"})]


class Access(StrEnum):
    """What an Instance may do with a Volume."""

    READ_WRITE = "ReadWrite"
    READ_ONLY = "ReadOnly"


def chap_key(volume_uid: str) -> str:
    """Key of the node's Secret that holds the CHAP secret of a Volume's account."""
    return f"chap-{volume_uid}"


def luks_key(volume_uid: str) -> str:
    """Key of the node's Secret that holds the passphrase of a Volume's data, or of a snapshot's."""
    return f"luks-{volume_uid}"


class AssignedLimits(ApiModel):
    """What a guest may do with a disk, reads and writes together; 0 is no limit."""

    iops_per_second: Rate = 0
    """Reads and writes a second."""
    bytes_per_second: ByteCount = 0
    """Bytes a second."""
    burst_iops_per_second: Rate = 0
    """Reads and writes a second in a burst."""
    burst_bytes_per_second: ByteCount = 0
    """Bytes a second in a burst."""
    burst_seconds: Annotated[int, Field(ge=0, le=3600)] = 0
    """How long a burst may last."""


class AttachedVolume(ApiModel):
    """One Volume that the domain has."""

    volume_uid: ObjectUid
    """The Volume's uid."""


class VolumeSize(ApiModel):
    """How large a Volume is on this node."""

    volume_uid: ObjectUid
    """The Volume's uid."""
    size_bytes: ByteCount
    """Bytes that a guest sees."""
