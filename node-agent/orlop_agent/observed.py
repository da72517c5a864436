"""What is known about one Instance on this node at one moment: everything that a plan may depend on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from orlop_agent.hypervisor import Domain, EndReason, Power
from orlop_agent.journal import Record
from orlop_agent.node import VirtualizationType
from orlop_agent.protocol import DomainMark, Entry, Me, MyStart
from orlop_api.assignment import AssignedSecret, AssignedVolume, Assignment
from orlop_api.condition import Condition


@dataclass(frozen=True, slots=True)
class Trouble:
    """The last step failed."""

    reason: str
    message: str
    retry_at: float
    """Seconds of the monotonic clock; infinite where only another order can help."""
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class DiskMemory:
    """What this agent process knows of one Volume, or NIC."""

    asked_at: float | None = None
    """When the guest was first asked to let go of it."""
    size: int | None = None
    """Bytes that a guest sees; None where nobody looked yet."""
    due_at: float = 0.0
    """Not before then is the step that it needs taken again."""
    failures: int = 0
    """How often in a row its step did not work."""
    reason: str = ""
    message: str = ""
    """Why it did not."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What this agent process knows by itself; all of it may be lost at any moment without harm."""

    start_id: str | None = None
    """Of the start that is being prepared."""
    prepared: str | None = None
    """The order (see `order_key`) for which image, disks, seed and network are in place."""
    mine: MyStart | None = None
    """The right to start, taken and not used yet, or used by the domain that is there."""
    created: bool = False
    """The right was used: whatever becomes of that domain, the next one needs another."""
    power_off_at: float | None = None
    """When the plug is pulled on a guest that was asked to power off."""
    press_again_at: float = 0.0
    """When the power button is pressed once more: a guest that is still booting does not feel it."""
    asked_until: float = 0.0
    """Until then a guest that was asked to power off, and is wanted again, may still do as it was asked."""
    ended: EndReason | None = None
    """The hypervisor's event, not yet journaled."""
    restarts: int = 0
    """How often the guest ended by itself, shortly after it was started."""
    running_since: float = 0.0
    restart_at: float = 0.0
    """Not before then is a guest that ended started again."""
    unwired: bool = False
    """Nothing of its network is here."""
    erased: bool = False
    """Nothing of its disks is here."""
    sealed_for: tuple[str, str] = ("", "")
    """Reason and message of the final state."""
    orphan: str | None = None
    """Why the domain counts as an orphan."""
    trouble: Trouble | None = None
    went_on_at: float = -math.inf
    """When a guest that was halted by a full disk was last let go on."""
    go_on_at: float = 0.0
    """Not before then is it let go on once more."""
    go_ons: int = 0
    """How often in a row that was in vain."""
    disks: Mapping[str, DiskMemory] = field(default_factory=dict)
    """By the Volume's uid, and of NICs by the tap."""

    @property
    def starting(self) -> bool:
        """Whether NICs may be here that no domain has yet.

        While the right to start is being taken there is no start_id (see `outcome.begun`), but what was
        prepared for it is here.
        """
        return not self.unwired and (self.start_id is not None or self.prepared is not None)


@dataclass(frozen=True, slots=True)
class Observed:
    """One look."""

    now: float
    """Seconds of the monotonic clock."""
    me: Me
    virtualization_type: VirtualizationType
    assignment: Assignment | None
    fresh: bool
    """The Assignment was read after the domain was looked for, from etcd; else it is a watch's."""
    record: Record | None
    domain: Domain | None
    memory: Memory
    has_root_disk: bool
    """The file is there."""
    created_volumes: tuple[str, ...]
    """Uids of the Volumes of this order whose data is here."""
    makings: Mapping[str, str]
    """Uids of Volumes whose data is being made for the Instance, and how far that is."""
    no_room: str | None
    """Why the node has no room for it; None where it has, or holds its slot already."""

    @property
    def entry(self) -> Entry | None:
        """The protocol's part of the journal."""
        return self.record.entry if self.record else None

    @property
    def domain_mark(self) -> DomainMark | None:
        """The domain as the protocol sees it.

        A paused domain that is known to have run was halted later, by its hypervisor or a human.
        """
        if self.domain is None:
            return None
        mark = self.domain.mark
        ran = self.record is not None and self.record.ran == mark.start_id
        held = self.domain.power is Power.PAUSED and not ran
        return DomainMark(mark.assignment_uid, mark.epoch, mark.start_id, held)

    @property
    def secret(self) -> AssignedSecret | None:
        """Where the order says that secrets are, if it has any."""
        return self.assignment.spec.secret if self.assignment is not None else None

    def volume(self, uid: str) -> AssignedVolume:
        """What the order says of a Volume that it lists."""
        volumes = listed(self.assignment) if self.assignment is not None else []
        return next(volume for volume in volumes if volume.volume_uid == uid)

    def target(self, uid: str) -> str:
        """The name that a Volume's disk has in the domain."""
        disks = self.domain.disks if self.domain is not None else ()
        return next(disk.target for disk in disks if disk.volume_uid == uid)


def said_created(assignment: Assignment) -> frozenset[str]:
    """Uids of Volumes that a node once said of this order to have data."""
    return frozenset(assignment.status.created_volumes if assignment.status is not None else ())


def listed(assignment: Assignment) -> list[AssignedVolume]:
    """The order's Volumes. What was made once counts as Created, also where the order was given before that."""
    made = said_created(assignment)
    return [
        volume.model_copy(update={"created": "Created"}) if volume.volume_uid in made else volume
        for volume in assignment.spec.volumes
    ]


_NOT_PREPARED = {"instance_generation", "desired", "restarted_at", "restart_policy", "stop_policy"}


def order_key(assignment: Assignment) -> str:
    """Everything that preparation depends on, as a text: a change of it means to prepare again."""
    return f"{assignment.metadata.uid}/{assignment.spec.model_dump_json(exclude=_NOT_PREPARED)}"
