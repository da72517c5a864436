"""What the agent can do for an Instance: a closed set, so that `execute` needs no choices of its own."""

from __future__ import annotations

from dataclasses import dataclass

from orlop_agent.hypervisor import EndReason
from orlop_api.assignment import AssignmentStatus, State


@dataclass(frozen=True, slots=True)
class Read:
    """Read the Assignment as etcd has it now."""


@dataclass(frozen=True, slots=True)
class Begin:
    """Choose a new start_id and journal it: from here on this epoch may have disks here. Its Networks are followed."""


@dataclass(frozen=True, slots=True)
class Prepare:
    """Image, disks, seed and network, all at once."""


@dataclass(frozen=True, slots=True)
class TakeStart:
    """The compare-and-swap that is the right to start."""


@dataclass(frozen=True, slots=True)
class Create:
    """Create the domain, paused."""


@dataclass(frozen=True, slots=True)
class Resume:
    """Move the taps into their Networks and let the guest run."""


@dataclass(frozen=True, slots=True)
class GoOn:
    """Let a guest that was halted by a full disk write again: there may be room by now."""


@dataclass(frozen=True, slots=True)
class PressPower:
    """Ask the guest to power off."""


@dataclass(frozen=True, slots=True)
class Spare:
    """The guest that was asked to power off is wanted again: it has no deadline any more."""


@dataclass(frozen=True, slots=True)
class Destroy:
    """Pull the plug."""


@dataclass(frozen=True, slots=True)
class MakeDisk:
    """Begin to make the data of a Volume that the guest shall have; whether it is there is seen later."""

    volume_uid: str


@dataclass(frozen=True, slots=True)
class EndMaking:
    """The data of a Volume is not wanted any more: it is not made further."""

    volume_uid: str


@dataclass(frozen=True, slots=True)
class AttachDisk:
    """Plug a Volume of the order into the guest that runs."""

    volume_uid: str


@dataclass(frozen=True, slots=True)
class DetachDisk:
    """Ask the guest that runs to let go of a Volume."""

    volume_uid: str


@dataclass(frozen=True, slots=True)
class LimitDisk:
    """Hold a Volume of the guest that runs to the limits of the order."""

    volume_uid: str


@dataclass(frozen=True, slots=True)
class FitDisk:
    """Learn how large a Volume of the guest that runs is, and make it as large as the order says."""

    volume_uid: str


@dataclass(frozen=True, slots=True)
class GrowData:
    """Make a Volume of an Instance that is stopped as large as the order says."""

    volume_uid: str


@dataclass(frozen=True, slots=True)
class AttachNic:
    """Wire a NIC of the order, and plug it into the guest that runs."""

    tap: str


@dataclass(frozen=True, slots=True)
class ConnectNic:
    """Move the tap of a NIC that was plugged in into its Network, then let the guest see a carrier."""

    tap: str


@dataclass(frozen=True, slots=True)
class DetachNic:
    """Ask the guest that runs to let go of a NIC."""

    tap: str


@dataclass(frozen=True, slots=True)
class DropNic:
    """Take away what is here of a NIC that no guest has any more."""

    tap: str


@dataclass(frozen=True, slots=True)
class NoteRunning:
    """Journal that the guest runs, where the Resume that began it could not."""


@dataclass(frozen=True, slots=True)
class NoteEnd:
    """Journal that the guest ended by itself; None: that it ended on order."""

    reason: EndReason | None


@dataclass(frozen=True, slots=True)
class Unwire:
    """Take its NICs away."""


@dataclass(frozen=True, slots=True)
class Erase:
    """Delete the disks that are the Instance's own, and its seed and console log."""


@dataclass(frozen=True, slots=True)
class Seal:
    """Journal a final state, before it is reported, with the reason and message to report."""

    state: State
    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class AnswerFinal:
    """Report the state that is sealed."""

    reason: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """Write the status, if it says something new; then wait, as `Wait` does."""

    status: AssignmentStatus
    until: float | None = None


@dataclass(frozen=True, slots=True)
class KeepOrphan:
    """The Hypervisor's status shall tell of it."""

    message: str


@dataclass(frozen=True, slots=True)
class Forget:
    """Remove the journal's record, the last trace."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do until something happens, or until then (seconds of the monotonic clock)."""

    until: float | None = None


DiskStep = MakeDisk | AttachDisk | DetachDisk | LimitDisk | FitDisk | GrowData
"""A step for one Volume: what goes wrong with it holds up nothing else."""
NicStep = AttachNic | ConnectNic | DetachNic | DropNic
"""Likewise for one NIC."""
TouchesDomain = Create | Resume | GoOn | PressPower | Destroy | DiskStep | NicStep
"""Steps after which the domain may be another than it was."""

Step = (
    Read
    | Begin
    | Prepare
    | TakeStart
    | Create
    | Resume
    | GoOn
    | PressPower
    | Spare
    | Destroy
    | MakeDisk
    | EndMaking
    | AttachDisk
    | DetachDisk
    | LimitDisk
    | FitDisk
    | GrowData
    | AttachNic
    | ConnectNic
    | DetachNic
    | DropNic
    | NoteRunning
    | NoteEnd
    | Unwire
    | Erase
    | Seal
    | AnswerFinal
    | Report
    | KeepOrphan
    | Forget
    | Wait
)


def device(step: DiskStep | NicStep) -> str:
    """What it is a step for: uid of a Volume, or tap of a NIC."""
    return step.tap if isinstance(step, NicStep) else step.volume_uid
