"""The agent's half of the Assignment protocol: what one node may start, resume, destroy and answer.

Pure. docs/explanation/assignment.md has the rules that the numbers name; tests/unit/model searches
every interleaving of these functions. Every status is written by compare-and-swap on the uid and
resourceVersion of the very Assignment that was given to the function which allowed the write.

The order of one start, none of which may be left out or swapped:
`may_start` → `begin` journaled → disks, network → `may_start` again → `starting_write` sent (lost
reply: read uncached, `is_my_start`) → domain created paused → `may_resume` → resumed.
The order of one end: domain gone → disks gone (Purged) → `seal` journaled → `final_write` sent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from orlop_api.assignment import FINAL, Assignment, AssignmentStatus, Desired, State


@dataclass(frozen=True, slots=True)
class Me:
    """The node that the agent is on, as it is now."""

    node: str
    boot_id: str
    """New with each boot."""
    pool_id: str
    """The data pool's random name."""


@dataclass(frozen=True, slots=True)
class Entry:
    """The journal of one Instance on this node: what must be known even if the API server forgets."""

    assignment_uid: str
    epoch: int
    start_id: str | None = None
    """The last start that may have been made at this epoch."""
    final: State | None = None
    """Released or Refused, from before it is reported."""
    has_root_disk: bool = False
    """The root disk was made here, at this or an earlier epoch."""


@dataclass(frozen=True, slots=True)
class MyStart:
    """A Starting that this very process wrote and knows to be applied; never kept in a file."""

    assignment_uid: str
    epoch: int
    start_id: str


@dataclass(frozen=True, slots=True)
class DomainMark:
    """A libvirt domain, by what is in its metadata."""

    assignment_uid: str
    epoch: int
    start_id: str
    held: bool
    """Paused since it was created. A guest that QEMU paused for an I/O error is not held: it ran."""


@dataclass(frozen=True, slots=True)
class Start:
    """It may be started, if the compare-and-swap of `starting_write` succeeds."""


@dataclass(frozen=True, slots=True)
class NoStart:
    """It may not."""

    reason: str
    message: str
    refuse: bool = False
    """The order can never be carried out here, and nothing is lost by refusing it."""


def may_start(assignment: Assignment, me: Me, journal: Entry | None) -> Start | NoStart:
    """Rules 2 to 4, before anything is prepared, and again before the compare-and-swap."""
    spec, status = assignment.spec, assignment.status
    if spec.node_name != me.node:
        return NoStart("NotMine", f"the Assignment names {spec.node_name or 'no node'}")
    if assignment.metadata.deleting or spec.desired is not Desired.RUNNING:
        return NoStart("NotWanted", f"desired is {spec.desired.value}")
    if status is not None and status.epoch > spec.epoch:
        return NoStart("StaleEpoch", f"epoch {status.epoch} was answered; the order has {spec.epoch}")
    if _final_at(status, spec.epoch) is not None:
        return NoStart("Final", f"epoch {spec.epoch} was given up")
    if journal is not None:
        if journal.assignment_uid != assignment.metadata.uid:
            return NoStart("UnknownPast", "the journal knows another Assignment of this Instance")
        if journal.epoch > spec.epoch:
            return NoStart("StaleEpoch", f"the journal has epoch {journal.epoch}; the order has {spec.epoch}")
        if journaled_final(assignment, journal) is not None:
            return NoStart("Final", f"the journal has given epoch {spec.epoch} up")
    if spec.pool_id != me.pool_id:
        if has_data(assignment, journal):
            return NoStart("DiskLost", f"the disks are in data pool {spec.pool_id}; here is {me.pool_id}")
        return NoStart("PoolChanged", f"the data pool is {me.pool_id}, no longer {spec.pool_id}", refuse=True)
    return Start()


def has_data(assignment: Assignment, journal: Entry | None) -> bool:
    """Whether a root disk of the Instance was ever made here: if its file is missing, it is DiskLost.

    An Assignment with such a disk never changes its node, unless the data is reachable from both.
    """
    status = assignment.status
    known = status is not None and status.root_disk == "Created"
    return known or (
        journal is not None and journal.has_root_disk and journal.assignment_uid == assignment.metadata.uid
    )


def may_hold_data(assignment: Assignment) -> bool:
    """Whether a guest may have run from the root disk that is here; else it is as the image made it."""
    return assignment.status is not None and assignment.status.root_disk == "Created"


def has_own_root_disk(assignment: Assignment) -> bool:
    """Whether a root disk is made for the Instance; none is where a Volume is booted from, which outlives it."""
    return assignment.spec.boot_volume_uid is None


def begin(assignment: Assignment, journal: Entry | None, start_id: str | None) -> Entry:
    """The entry to journal before the first disk is made at this epoch; only after `may_start`."""
    known = journal is not None and journal.has_root_disk
    return Entry(assignment.metadata.uid, assignment.spec.epoch, start_id, None, known)


def with_root_disk(journal: Entry) -> Entry:
    """The entry once the root disk is made."""
    return replace(journal, has_root_disk=True)


def starting_write(
    assignment: Assignment, me: Me, start_id: str, created_volumes: tuple[str, ...] = ()
) -> AssignmentStatus:
    """Rule 2: the write that is the right to start. `start_id` is random and was never used before.

    Says that the root disk is there, if there is one, so it is made before. Whatever this status leaves out is to be
    written as null: a merge patch would otherwise keep what another epoch said.
    """
    return AssignmentStatus(
        observed_generation=assignment.metadata.generation,
        epoch=assignment.spec.epoch,
        state=State.STARTING,
        boot_id=me.boot_id,
        start_id=start_id,
        root_disk="Created" if has_own_root_disk(assignment) else "Absent",
        created_volumes=list(created_volumes),
        restarted_at=assignment.spec.restarted_at,
    )


def is_my_start(fresh: Assignment | None, start: MyStart) -> bool:
    """Whether a Starting with a lost reply was applied, by an uncached read.

    Only a yes is an answer: after a no the write may still be on its way, until the resourceVersion
    has changed. So after a no the start is given up, and the next one has another `start_id`.
    """
    return (
        fresh is not None
        and fresh.metadata.uid == start.assignment_uid
        and fresh.status is not None
        and fresh.status.state is State.STARTING
        and fresh.spec.epoch == fresh.status.epoch == start.epoch
        and fresh.status.start_id == start.start_id
    )


def may_resume(domain: DomainMark, mine: MyStart | None, journal: Entry | None) -> bool:
    """Rule 2: only a domain of this process's own last start, at an epoch that was not given up."""
    return (
        mine is not None
        and domain.held
        and (domain.assignment_uid, domain.epoch, domain.start_id)
        == (mine.assignment_uid, mine.epoch, mine.start_id)
        and journal is not None
        and journal.assignment_uid == mine.assignment_uid
        and journal.epoch == mine.epoch
        and journal.final is None
    )


@dataclass(frozen=True, slots=True)
class Keep:
    """The domain is as it shall be, or not to be judged now."""


@dataclass(frozen=True, slots=True)
class Destroy:
    """The domain shall go."""

    keep_files: bool
    gently: bool = False
    """Let the guest power off first, by the order's stopPolicy."""


@dataclass(frozen=True, slots=True)
class ReportOrphan:
    """Nothing says whose it is: the guest is kept, and reported on the Hypervisor."""

    message: str


Verdict = Keep | Destroy | ReportOrphan


def verdict_on_domain(
    domain: DomainMark, fresh: Assignment | None, me: Me, mine: MyStart | None, journal: Entry | None
) -> Verdict:
    """Rule 6. `fresh` is an uncached read, made after the domain was seen; None is a 404.

    A cached Assignment may be used for Keep alone: before a domain is destroyed, read.
    """
    if domain.held and (mine is None or mine.start_id != domain.start_id):
        return Destroy(keep_files=True)
    if fresh is None:
        return ReportOrphan("no Assignment says whose this domain is")
    spec = fresh.spec
    if fresh.metadata.uid != domain.assignment_uid:
        return ReportOrphan("the Assignment is another one than this domain was started for")
    if spec.epoch < domain.epoch:
        return ReportOrphan(f"the domain is of epoch {domain.epoch}, the Assignment of {spec.epoch}")
    if spec.epoch > domain.epoch or spec.node_name != me.node:
        return Destroy(keep_files=True)
    match spec.desired:
        case Desired.PURGED:
            return Destroy(keep_files=False)
        case Desired.STOPPED | Desired.RELEASED:
            return Destroy(keep_files=True, gently=True)
        case Desired.RUNNING:
            given_up = _final_at(fresh.status, spec.epoch) or journaled_final(fresh, journal)
            return Keep() if given_up is None else Destroy(keep_files=True)


def journaled_final(assignment: Assignment, journal: Entry | None) -> State | None:
    """The final state that the journal has for this order's epoch."""
    if (
        journal is None
        or journal.assignment_uid != assignment.metadata.uid
        or journal.epoch != assignment.spec.epoch
    ):
        return None
    return journal.final


def final_answer(
    assignment: Assignment, me: Me, journal: Entry | None, *, refused: bool = False
) -> State | None:
    """Which final state the node has to answer now, if any; only while no domain of the Instance is here.

    refused: the node cannot take the order. A start at this epoch makes it too late to refuse: then
    Failed is the answer. Whoever refuses has deleted a root disk without `may_hold_data` first. With
    Purged, the disks are gone before the answer. A node that had refused answers Released to Released
    and Purged: both say that nothing runs here at this epoch.
    """
    spec, status = assignment.spec, assignment.status
    if spec.node_name != me.node or (status is not None and status.epoch > spec.epoch):
        return None
    if spec.desired in {Desired.RELEASED, Desired.PURGED}:
        return State.RELEASED
    said = _final_at(status, spec.epoch) or journaled_final(assignment, journal)
    if said is not None:
        return said
    if refused and not was_started(assignment):
        return State.REFUSED
    return None


def was_started(assignment: Assignment) -> bool:
    """Whether a Starting was written at the current epoch."""
    status = assignment.status
    return status is not None and status.epoch == assignment.spec.epoch and status.start_id is not None


def seal(assignment: Assignment, journal: Entry | None, state: State, *, has_root_disk: bool) -> Entry:
    """The entry to journal before a final state is reported; has_root_disk: its file is still here.

    A file that is missing although it may hold data stays on record, or a lost disk would look like one
    that was never made.
    """
    if state not in FINAL:
        raise ValueError(f"{state} is not final")
    uid, epoch = assignment.metadata.uid, assignment.spec.epoch
    same = journal is not None and (journal.assignment_uid, journal.epoch) == (uid, epoch)
    start_id = journal.start_id if journal is not None and same else None
    lost = may_hold_data(assignment) and assignment.spec.desired is not Desired.PURGED
    return Entry(uid, epoch, start_id, state, has_root_disk or lost)


def final_write(
    assignment: Assignment,
    sealed: Entry,
    *,
    created_volumes: tuple[str, ...] = (),
    reason: str = "",
    message: str = "",
) -> AssignmentStatus:
    """The status that answers with the sealed state; only when `seal`'s entry is on the disk.

    Also sent when the final state was said before and the order's generation is newer: the operator
    learns from observedGeneration that Purged was carried out.
    """
    if journaled_final(assignment, sealed) is None:
        raise ValueError("the final state is not in the journal")
    status = assignment.status
    last = status if status is not None and status.epoch == assignment.spec.epoch else None
    return AssignmentStatus(
        observed_generation=assignment.metadata.generation,
        epoch=assignment.spec.epoch,
        state=sealed.final or State.RELEASED,
        boot_id=last.boot_id if last else None,
        start_id=last.start_id if last else None,
        root_disk="Created" if sealed.has_root_disk else "Absent",
        created_volumes=list(created_volumes),
        restarted_at=assignment.spec.restarted_at,
        reason=reason,
        message=message,
    )


def after_reboot(assignment: Assignment, me: Me) -> bool:
    """Whether the last start was of another boot: its guest is gone, and a new start needs a new write."""
    return (
        was_started(assignment) and assignment.status is not None and assignment.status.boot_id != me.boot_id
    )


def may_forget(fresh: Assignment | None, journal: Entry) -> bool:
    """Whether the journal's entry may go: the node answered Purged, and the Assignment is gone (404)."""
    return fresh is None and journal.final is not None and not journal.has_root_disk


def _final_at(status: AssignmentStatus | None, epoch: int) -> State | None:
    if status is None or status.epoch != epoch or status.state not in FINAL:
        return None
    return status.state
