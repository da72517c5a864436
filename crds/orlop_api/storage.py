"""What a node is asked to do with the data of Volumes, beside what its Instances need, and its answer.

An order is for one object and can be carried out any number of times with the same result, so that neither side
has to remember: the agent does what is ordered until it is done, and does it again after a restart.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from orlop_api.assignment import AssignedOrigin, AssignedSecret
from orlop_api.resource import ApiModel, ByteCount, DnsSubdomain, Message, ObjectUid, Reason, list_map
from orlop_api.snapshot import Consistency, Quiesce
from orlop_api.volume_class import VolumeLocation

STORAGE_ORDERS = 256
"""Orders that one node may have at a time."""


class StorageAction(StrEnum):
    """What to do."""

    CREATE = "Create"
    """Make sizeBytes that read as zeros, unless the data is there, and serve them."""
    DELETE = "Delete"
    """Delete the data, if it is there, once no Assignment of the node has it."""
    SNAPSHOT = "Snapshot"
    """Keep what a Volume holds now, also while a guest writes to it."""

    EXPAND = "Expand"
    """Give the data sizeBytes, unless it has as many, once no Assignment of the node has it."""
    RESTORE = "Restore"
    """Make sizeBytes that begin as `origin`, unless the data is there, once no Assignment of the node has it."""
    DISCARD = "Discard"
    """Delete the data of this generation alone, if it is there, once no Assignment of the node has it."""
    FIND = "Find"
    """Say whether the data is there, once no Assignment of the node has it. Nothing is made, and nothing deleted."""


class Found(StrEnum):
    """Whether data is there."""

    PRESENT = "Present"
    ABSENT = "Absent"


class StorageOrder(ApiModel):
    """One thing to do with the data of one object."""

    uid: ObjectUid
    """Uid of the object whose data it is: the Volume's or VolumeSnapshot's."""
    action: StorageAction
    """What to do."""
    location: VolumeLocation
    """Where the data is; a snapshot is kept where its Volume is."""
    size_bytes: ByteCount | None = None
    """For Create, Expand and Restore: the size that it shall have at least."""
    volume_uid: ObjectUid | None = None
    """For Snapshot: the Volume."""
    generation: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] = 0
    """For Find: after which attachment it is asked. For Restore and Discard: the data's. An answer to an earlier
    question says nothing."""
    origin: AssignedOrigin | None = None
    """For Restore: what the data begins as."""
    held_by: DnsSubdomain | None = None
    """For Snapshot: the node whose guest may have the Volume, where another node keeps the data."""
    quiesce: Quiesce | None = None
    """For Snapshot: whether a running guest is asked to write out what it holds."""
    secret: AssignedSecret | None = None
    """Where the credentials are that the data's server asks for; for Create, Expand, Restore and Snapshot also the
    passphrase of encrypted data, under luks- and uid."""


class StorageState(StrEnum):
    """How the node stands to an order."""

    PENDING = "Pending"
    """Under way, or waiting; reason and message say for what. It is tried until it is done."""
    DONE = "Done"
    FAILED = "Failed"
    """It cannot be done, however often it is tried."""


class StorageReport(ApiModel):
    """What became of an order."""

    uid: ObjectUid
    """The order's uid."""
    action: StorageAction
    """The order's action: a report about another one is of an older order."""
    state: StorageState
    """How the node stands to it."""
    reason: Reason = ""
    """What it waits for, or why it failed, in one word."""
    message: Message = ""
    """The same in one sentence."""
    generation: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] = 0
    """The order's generation."""
    found: Found | None = None
    """After Find: whether the data is there."""
    size_bytes: ByteCount | None = None
    """After Create, Expand, Restore, Snapshot and Find: the size that it has."""
    consistency: Consistency | None = None
    """After Snapshot: what a file system in it is like."""
    taken_at: Annotated[str, Field(max_length=64)] | None = None
    """After Snapshot: the moment, by the node's clock."""


StorageOrders = Annotated[
    list[StorageOrder], Field(max_length=STORAGE_ORDERS, json_schema_extra=list_map("uid"))
]
StorageReports = Annotated[
    list[StorageReport], Field(max_length=STORAGE_ORDERS, json_schema_extra=list_map("uid"))
]
