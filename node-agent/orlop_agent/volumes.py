"""The Volumes of a guest that runs: what its domain has, against what the order lists. Pure.

One that is in both stays as it is. One that the order does not list any more, or lists with another access, is
asked back from the guest first; nothing is taken from a guest by force while it runs.
"""

from __future__ import annotations

from collections.abc import Iterator

from orlop_agent.domain.limits import limits_of
from orlop_agent.hypervisor import DomainDisk
from orlop_agent.observed import DiskMemory, Observed
from orlop_agent.report import PARTS, all_ready, not_ready, sizes
from orlop_agent.steps import AttachDisk, DetachDisk, DiskStep, FitDisk, GrowData, LimitDisk, MakeDisk, Read
from orlop_api.assignment import MOST_VOLUMES, AssignedVolume, Assignment, Desired
from orlop_api.attachment import Access
from orlop_api.condition import Condition

MOST = MOST_VOLUMES - 1
"""Volumes in a domain at once beside the disk that it boots from. The machine has places for them, and for its NICs."""
PATIENCE = 3.0
"""Seconds that a guest may take to let go of a disk before that is told."""
TELL_AGAIN = 10.0
"""Seconds between words on how far a copy is."""
_STAYS = frozenset({Desired.RUNNING, Desired.STOPPED})
_PART = PARTS[-1]


def next_step(observed: Observed, assignment: Assignment) -> DiskStep | Read | None:
    """What brings the domain's Volumes nearer to the order; None where nothing is to be done now."""
    due = [uid for uid in _unwanted(observed, assignment) if _memory(observed, uid).due_at <= observed.now]
    if due:
        # Nothing is taken away on the word of a cache.
        return DetachDisk(due[0]) if observed.fresh else Read()
    steps: list[DiskStep] = []
    beside = _attached(observed).keys() - {assignment.spec.boot_volume_uid}
    for volume in _missing(observed, assignment):
        uid = volume.volume_uid
        if uid in observed.makings:
            continue
        if not _is_made(observed, volume):
            steps.append(MakeDisk(uid))
        elif len(beside) < MOST:
            steps.append(AttachDisk(uid))
    steps += _changes(observed, assignment)
    return next((step for step in steps if _is_due(observed, step)), None)


def unwanted_making(observed: Observed) -> str | None:
    """A Volume whose data is being made, and that the order does not list any more."""
    order = observed.assignment
    wanted: set[str] = set()
    if order is not None and order.spec.node_name == observed.me.node and order.spec.desired in _STAYS:
        wanted = {volume.volume_uid for volume in order.spec.volumes}
    return next((uid for uid in observed.makings if uid not in wanted), None)


def _is_made(observed: Observed, volume: AssignedVolume) -> bool:
    return volume.created == "Created" or volume.volume_uid in observed.created_volumes


def _changes(observed: Observed, assignment: Assignment) -> Iterator[DiskStep]:
    """What is to change of disks that stay."""
    attached, known = _attached(observed), sizes(observed, assignment)
    for volume in assignment.spec.volumes:
        disk, size = attached.get(volume.volume_uid), known.get(volume.volume_uid)
        if disk is None or not _matches(disk, volume):
            continue
        if disk.limits != limits_of(volume):
            yield LimitDisk(volume.volume_uid)
        if size is None or size < volume.size_bytes:
            yield FitDisk(volume.volume_uid)


def at_rest(observed: Observed, assignment: Assignment) -> GrowData | None:
    """What is to be done for the Volumes of an Instance that is stopped: they grow as the order says."""
    return next((step for step in _small(observed, assignment) if _is_due(observed, step)), None)


def conditions_at_rest(observed: Observed, assignment: Assignment) -> list[Condition]:
    """What was said last, and that a Volume does not grow."""
    last = assignment.status
    kept = last.conditions if last is not None and last.epoch == assignment.spec.epoch else []
    for step in _small(observed, assignment):
        known = _memory(observed, step.volume_uid)
        told = not_ready(_PART, known.reason, known.message, assignment.metadata.generation)
        return [*(c for c in kept if c.type != _PART), told]
    return list(kept)


def due_at_rest(observed: Observed, assignment: Assignment) -> float | None:
    """When the next try is due."""
    moments = [_memory(observed, step.volume_uid).due_at for step in _small(observed, assignment)]
    return min((moment for moment in moments if moment > observed.now), default=None)


def _small(observed: Observed, assignment: Assignment) -> Iterator[GrowData]:
    """Volumes with data that are smaller than the order says; what is not known of is measured at the next start."""
    known = sizes(observed, assignment)
    for volume in assignment.spec.volumes:
        size = known.get(volume.volume_uid)
        if volume.volume_uid in observed.created_volumes and size is not None and size < volume.size_bytes:
            yield GrowData(volume.volume_uid)


def _is_due(observed: Observed, step: DiskStep) -> bool:
    return _memory(observed, step.volume_uid).due_at <= observed.now


def conditions(observed: Observed, assignment: Assignment) -> tuple[Condition, ...]:
    """All parts of a guest that runs; VolumesReady is not true while a Volume comes or goes."""
    ready = all_ready(assignment.metadata.generation)
    blocker = _blocker(observed, assignment)
    if blocker is None:
        return ready
    return (*ready[:-1], not_ready(_PART, *blocker, assignment.metadata.generation))


def due_at(observed: Observed, assignment: Assignment) -> float | None:
    """When the next step is due, or something is to be told, if nothing happens before."""
    waiting = {volume.volume_uid for volume in _missing(observed, assignment)}
    waiting |= {step.volume_uid for step in _changes(observed, assignment)}
    moments = [_memory(observed, uid).due_at for uid in waiting]
    if waiting & observed.makings.keys():
        moments.append(observed.now + TELL_AGAIN)
    for uid in _unwanted(observed, assignment):
        known = _memory(observed, uid)
        moments += [known.due_at] if known.asked_at is None else [known.due_at, known.asked_at + PATIENCE]
    return min((moment for moment in moments if moment > observed.now), default=None)


def _blocker(observed: Observed, assignment: Assignment) -> tuple[str, str] | None:
    """Reason and message of the first Volume that is not as it shall be."""
    for uid in _unwanted(observed, assignment):
        known = _memory(observed, uid)
        if known.reason:
            return known.reason, known.message
        if known.asked_at is None or observed.now < known.asked_at + PATIENCE:
            return "Detaching", ""
        return "GuestHoldsDisk", (
            f"the guest has not released the disk with the serial {uid[:20]}: it is asked again every few"
            " seconds, and has it no longer once it is stopped"
        )
    for volume in _missing(observed, assignment):
        known = _memory(observed, volume.volume_uid)
        if known.reason:
            return known.reason, f"disk {volume.name}: {known.message}"
        if volume.volume_uid in observed.makings:
            told = observed.makings[volume.volume_uid]
            return "Making", f"disk {volume.name}: {told}" if told else ""
        return "Attaching", ""
    names = {volume.volume_uid: volume.name for volume in assignment.spec.volumes}
    for step in _changes(observed, assignment):
        known = _memory(observed, step.volume_uid)
        return (
            known.reason or "Changing",
            f"disk {names[step.volume_uid]}: {known.message}" if known.reason else "",
        )
    return None


def _attached(observed: Observed) -> dict[str, DomainDisk]:
    disks = observed.domain.disks if observed.domain is not None else ()
    return {disk.volume_uid: disk for disk in disks if disk.volume_uid is not None}


def _unwanted(observed: Observed, assignment: Assignment) -> list[str]:
    wanted = {volume.volume_uid: volume for volume in assignment.spec.volumes}
    # No guest can let go of the disk that it booted from, so nobody asks.
    boots = assignment.spec.boot_volume_uid
    return [
        uid
        for uid, disk in _attached(observed).items()
        if uid != boots and not _matches(disk, wanted.get(uid))
    ]


def _matches(disk: DomainDisk, wanted: AssignedVolume | None) -> bool:
    return wanted is not None and disk.readonly is (wanted.access is Access.READ_ONLY)


def _missing(observed: Observed, assignment: Assignment) -> list[AssignedVolume]:
    attached = _attached(observed)
    return [volume for volume in assignment.spec.volumes if volume.volume_uid not in attached]


def _memory(observed: Observed, uid: str) -> DiskMemory:
    return observed.memory.disks.get(uid, DiskMemory())
