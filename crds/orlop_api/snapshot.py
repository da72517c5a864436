"""VolumeSnapshot: what a Volume held at one moment, kept apart from it, as Cinder's snapshot."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from orlop_api.condition import Conditions
from orlop_api.resource import (
    API_VERSION,
    ApiModel,
    ByteCount,
    DnsSubdomain,
    LocalRef,
    Message,
    Metadata,
    ObjectUid,
    rule,
    rules,
)
from orlop_api.volume import VolumeImage
from orlop_api.volume_class import VolumeLocation


class Quiesce(StrEnum):
    """Whether a running guest is asked to write out what it holds in memory."""

    AUTO = "Auto"
    NEVER = "Never"


class Consistency(StrEnum):
    """What a file system in the snapshot is like."""

    DETACHED = "Detached"
    """No guest ran with the Volume: all that was ever written is there."""
    FILE_SYSTEM = "FileSystem"
    """The guest's agent froze its file systems for the moment."""
    CRASH = "Crash"
    """As after a power cut at that moment: its journal is replayed when it is mounted."""


class VolumeSnapshotSpec(ApiModel):
    """What is kept."""

    volume_ref: LocalRef
    """The Volume."""
    quiesce: Quiesce = Quiesce.AUTO
    """Auto: a running guest freezes its file systems for the moment, where its guest agent answers. Never: it is
    not asked."""


class VolumeSnapshotStatus(ApiModel):
    """What was kept, and where; operator only."""

    observed_generation: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] = 0
    """The metadata.generation that this status is about."""
    volume_uid: ObjectUid | None = None
    """The Volume's uid: another Volume may have its name later."""
    node_name: DnsSubdomain | None = None
    """The node that keeps it; absent where every node reaches it."""
    pool_id: ObjectUid | None = None
    """The data pool on that node, by its random name."""
    location: VolumeLocation | None = None
    """How it is kept: as the Volume was."""
    size_bytes: ByteCount | None = None
    """Size of the device in bytes; a Volume that is made of it is at least as large."""
    consistency: Consistency | None = None
    """What a file system in it is like."""
    image: VolumeImage | None = None
    """The image that the Volume began as, and so what is kept here."""
    taken_at: Annotated[str, Field(max_length=64)] | None = None
    """The moment, by the node's clock (RFC 3339)."""
    message: Message | None = None
    """One sentence on what it waits for; the same as Ready's."""
    conditions: Conditions = []
    """Ready: it is kept, and Volumes can be made of it. QuotaReserved: only while the namespace's Quota has no room for
    it."""


class VolumeSnapshot(ApiModel):
    """What a Volume held at one moment. It stands alone: the Volume may change or go."""

    api_version: Literal["orlop.dev/v1alpha1"] = API_VERSION
    kind: Literal["VolumeSnapshot"] = "VolumeSnapshot"
    metadata: Metadata = Metadata()
    spec: Annotated[
        VolumeSnapshotSpec,
        Field(
            json_schema_extra=rules(
                rule("self == oldSelf", "spec is immutable: create another VolumeSnapshot")
            )
        ),
    ]
    """What is kept."""
    status: VolumeSnapshotStatus | None = None
    """What was kept, and where."""
