"""The Volumes of a guest that runs: what its domain has, against what the order lists. Pure.

One that is in both stays as it is. One that the order does not list any more, or lists with another access, is
asked back from the guest first; nothing is taken from a guest by force while it runs.
"""

from __future__ import annotations

from orlop_agent.hypervisor import DomainDisk
from orlop_agent.observed import DiskMemory, Observed
from orlop_agent.report import PARTS, all_ready, not_ready
from orlop_agent.steps import AttachDisk, DetachDisk, DiskStep, Read
from orlop_api.assignment import AssignedVolume, Assignment
from orlop_api.condition import Condition
from orlop_api.volume import Access

MOST = 16
"""Volumes in a domain at once: as many as an order may list. The machine has places for them, and for its NICs."""
PATIENCE = 3.0
"""Seconds that a guest may take to let go of a disk before that is told."""
_PART = PARTS[-1]


def next_step(observed: Observed, assignment: Assignment) -> DiskStep | Read | None:
    """What brings the domain's Volumes nearer to the order; None where nothing is to be done now."""
    due = [uid for uid in _unwanted(observed, assignment) if _memory(observed, uid).due_at <= observed.now]
    if due:
        # Nothing is taken away on the word of a cache.
        return DetachDisk(due[0]) if observed.fresh else Read()
    if len(_attached(observed)) >= MOST:
        return None
    missing = [v.volume_uid for v in _missing(observed, assignment)]
    return next((AttachDisk(uid) for uid in missing if _memory(observed, uid).due_at <= observed.now), None)


def conditions(observed: Observed, assignment: Assignment) -> tuple[Condition, ...]:
    """All parts of a guest that runs; VolumesReady is not true while a Volume comes or goes."""
    ready = all_ready(assignment.metadata.generation)
    blocker = _blocker(observed, assignment)
    if blocker is None:
        return ready
    return (*ready[:-1], not_ready(_PART, *blocker, assignment.metadata.generation))


def due_at(observed: Observed, assignment: Assignment) -> float | None:
    """When the next step is due, or something is to be told, if nothing happens before."""
    moments = [_memory(observed, v.volume_uid).due_at for v in _missing(observed, assignment)]
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
        return "Attaching", ""
    return None


def _attached(observed: Observed) -> dict[str, DomainDisk]:
    disks = observed.domain.disks if observed.domain is not None else ()
    return {disk.volume_uid: disk for disk in disks if disk.volume_uid is not None}


def _unwanted(observed: Observed, assignment: Assignment) -> list[str]:
    wanted = {volume.volume_uid: volume for volume in assignment.spec.volumes}
    return [uid for uid, disk in _attached(observed).items() if not _matches(disk, wanted.get(uid))]


def _matches(disk: DomainDisk, wanted: AssignedVolume | None) -> bool:
    return wanted is not None and disk.readonly is (wanted.access is Access.READ_ONLY)


def _missing(observed: Observed, assignment: Assignment) -> list[AssignedVolume]:
    attached = _attached(observed)
    return [volume for volume in assignment.spec.volumes if volume.volume_uid not in attached]


def _memory(observed: Observed, uid: str) -> DiskMemory:
    return observed.memory.disks.get(uid, DiskMemory())
