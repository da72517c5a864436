"""The status that an Assignment shall have: one write, and none where nothing but a time would change."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

from orlop_agent import wired
from orlop_agent.observed import Observed
from orlop_agent.protocol import has_data
from orlop_api.assignment import Assignment, AssignmentStatus, State
from orlop_api.attachment import AttachedVolume, VolumeSize
from orlop_api.condition import Condition, Truth, merged

PARTS = ("ImageReady", "NetworkReady", "VolumesReady")
"""Conditions of an Assignment."""
_MESSAGE_LIMIT = 1024


def status(
    observed: Observed,
    assignment: Assignment,
    state: State,
    *,
    reason: str = "",
    message: str = "",
    conditions: Iterable[Condition] = (),
) -> AssignmentStatus:
    """The answer to the order of this epoch; what the last Starting said of itself stays (policy wants it)."""
    last = assignment.status
    same_epoch = last is not None and last.epoch == assignment.spec.epoch
    kept = last if last is not None and same_epoch else None
    running = state is State.RUNNING
    root_disk: Literal["Absent", "Created"] = (
        "Created" if observed.has_root_disk or has_data(assignment, observed.entry) else "Absent"
    )
    return AssignmentStatus(
        observed_generation=assignment.metadata.generation,
        epoch=assignment.spec.epoch,
        state=state,
        boot_id=kept.boot_id if kept else None,
        start_id=kept.start_id if kept else None,
        root_disk=root_disk,
        created_volumes=list(observed.created_volumes),
        volume_sizes=[
            VolumeSize(volume_uid=uid, size_bytes=size)
            for uid, size in sorted(sizes(observed, assignment).items())
        ],
        attached_volumes=[AttachedVolume(volume_uid=uid) for uid in attached(observed)],
        attached_nics=wired.attached(observed, assignment),
        restarted_at=kept.restarted_at if kept else None,
        domain_uuid=observed.domain.mark.instance_uid if running and observed.domain else None,
        virtualization_type=observed.virtualization_type if running else None,
        reason=reason,
        message=message[:_MESSAGE_LIMIT],
        conditions=list(conditions),
    )


def sizes(observed: Observed, assignment: Assignment) -> dict[str, int]:
    """Bytes of the Volumes of the order, as far as they are known: they only grow, so what was said once holds."""
    listed = {volume.volume_uid for volume in assignment.spec.volumes}
    last = assignment.status
    said = last.volume_sizes if last is not None and last.epoch == assignment.spec.epoch else []
    known = {volume.volume_uid: volume.size_bytes for volume in said}
    known |= {uid: disk.size for uid, disk in observed.memory.disks.items() if disk.size is not None}
    return {uid: size for uid, size in known.items() if uid in listed}


def attached(observed: Observed) -> list[str]:
    """Uids of the Volumes that the domain has, sorted: in which order it got them says nothing."""
    disks = observed.domain.disks if observed.domain is not None else ()
    return sorted(disk.volume_uid for disk in disks if disk.volume_uid is not None)


def all_ready(generation: int) -> tuple[Condition, ...]:
    """Image, network and volumes are in place."""
    return tuple(
        Condition(type=part, status=Truth.TRUE, reason=part, observed_generation=generation) for part in PARTS
    )


def not_ready(part: str, reason: str, message: str, generation: int) -> Condition:
    """One part is not in place."""
    return Condition(
        type=part,
        status=Truth.FALSE,
        reason=reason,
        message=message[:_MESSAGE_LIMIT],
        observed_generation=generation,
    )


def same(wanted: AssignmentStatus, last: AssignmentStatus) -> bool:
    """Whether `last` says it already, times of transition aside."""
    return _timeless(wanted) == _timeless(last)


def timed(wanted: AssignmentStatus, last: AssignmentStatus | None, now: datetime) -> AssignmentStatus:
    """With times of transition, which stay where the condition's status stays."""
    old = last.conditions if last is not None and last.epoch == wanted.epoch else []
    known = {condition.type for condition in wanted.conditions}
    conditions = merged([c for c in old if c.type in known], wanted.conditions, now)
    return wanted.model_copy(update={"conditions": conditions})


def _timeless(status: AssignmentStatus) -> AssignmentStatus:
    conditions = [c.model_copy(update={"last_transition_time": ""}) for c in status.conditions]
    return status.model_copy(update={"conditions": sorted(conditions, key=lambda c: c.type)})
