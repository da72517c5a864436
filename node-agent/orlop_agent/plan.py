"""The next step for one Instance: all decisions are here, and none is anywhere else.

Pure. `protocol` says what is allowed; this says what is useful. The agent takes the step, looks again and
asks again, until the answer is to wait.
"""

from __future__ import annotations

import math

from orlop_agent import ending, halted, nics, volumes
from orlop_agent.hypervisor import EndReason, Power
from orlop_agent.observed import Observed, order_key
from orlop_agent.protocol import (
    Destroy as VerdictDestroy,
)
from orlop_agent.protocol import (
    Keep,
    NoStart,
    ReportOrphan,
    final_answer,
    has_data,
    journaled_final,
    may_forget,
    may_resume,
    may_start,
    verdict_on_domain,
)
from orlop_agent.report import status
from orlop_agent.steps import (
    AnswerFinal,
    Begin,
    Create,
    Destroy,
    EndMaking,
    Erase,
    Forget,
    KeepOrphan,
    NoteEnd,
    NoteRunning,
    Prepare,
    PressPower,
    Read,
    Report,
    Resume,
    Seal,
    Spare,
    Step,
    TakeStart,
    Unwire,
    Wait,
)
from orlop_api.assignment import FINAL, Assignment, Desired, State
from orlop_api.instance import StopMode

_LOOK_AGAIN = 1.0
"""Seconds after which a domain that is about to disappear is looked for again, should its event be lost."""


def plan(observed: Observed) -> Step:
    """One step, or Wait."""
    unwanted = volumes.unwanted_making(observed)
    if unwanted is not None:
        # Before anything is said: who hears that a Volume is let go counts on it that nothing is made there.
        return EndMaking(unwanted)
    trouble = observed.memory.trouble
    if trouble is not None and trouble.retry_at > observed.now:
        return _in_trouble(observed)
    if observed.domain is not None:
        return _with_domain(observed)
    return _without_domain(observed)


def _in_trouble(observed: Observed) -> Step:
    """Say so, if the Assignment is this node's and not answered finally; then wait."""
    trouble, assignment = observed.memory.trouble, observed.assignment
    if trouble is None:
        raise AssertionError
    until = Wait(None if math.isinf(trouble.retry_at) else trouble.retry_at)
    if assignment is None or assignment.spec.node_name != observed.me.node:
        return until
    if observed.domain is not None and observed.domain.power is Power.RUNNING:
        return until
    if _given_up(observed, assignment):
        return until
    return Report(
        status(
            observed,
            assignment,
            State.FAILED,
            reason=trouble.reason,
            message=trouble.message,
            conditions=trouble.conditions,
        )
    )


def _given_up(observed: Observed, assignment: Assignment) -> bool:
    """Whether the epoch's final state is in the journal, or was answered: then nothing else may be said."""
    last = assignment.status
    answered = last is not None and last.epoch == assignment.spec.epoch and last.state in FINAL
    return answered or journaled_final(assignment, observed.entry) is not None


# --- a domain is there ---------------------------------------------------------------------------------------


def _with_domain(observed: Observed) -> Step:
    domain, mark, memory = observed.domain, observed.domain_mark, observed.memory
    if domain is None or mark is None:
        raise AssertionError
    if domain.power is Power.ENDING:
        return Wait(observed.now + _LOOK_AGAIN)
    verdict = verdict_on_domain(mark, observed.assignment, observed.me, memory.mine, observed.entry)
    if isinstance(verdict, Keep) and observed.assignment is not None:
        if mark.held:
            return Resume() if may_resume(mark, memory.mine, observed.entry) else _destroy(observed)
        return _keep(observed, observed.assignment)
    if not observed.fresh:
        return Read()
    match verdict:
        case VerdictDestroy(gently=gently):
            return _stop(observed) if gently and not mark.held else Destroy()
        case ReportOrphan(message=message):
            return Wait() if memory.orphan == message else KeepOrphan(message)
        case Keep():
            return Wait()


def _keep(observed: Observed, assignment: Assignment) -> Step:
    """The guest is where it shall be."""
    domain, memory, record = observed.domain, observed.memory, observed.record
    if restart_pending(assignment):
        return _stop(observed) if observed.fresh else Read()
    if memory.power_off_at is not None:
        return Spare()
    if domain is not None and domain.power is Power.PAUSED:
        return halted.halted(observed, assignment)
    settling = halted.settling(observed)
    if settling is not None:
        return settling
    if domain is not None and record is not None and record.ran != domain.mark.start_id:
        return NoteRunning()
    step = nics.next_step(observed, assignment) or volumes.next_step(observed, assignment)
    if step is not None:
        return step
    conditions = nics.conditions(observed, assignment, volumes.conditions(observed, assignment))
    due = (part.due_at(observed, assignment) for part in (nics, volumes))
    return Report(
        status(observed, assignment, State.RUNNING, conditions=conditions),
        min((moment for moment in due if moment is not None), default=None),
    )


def restart_pending(assignment: Assignment) -> bool:
    """Whether restartedAt has a value that no start at this epoch has acted on."""
    last = assignment.status
    if last is None or last.epoch != assignment.spec.epoch or last.start_id is None:
        return False
    return assignment.spec.restarted_at is not None and last.restarted_at != assignment.spec.restarted_at


def _destroy(observed: Observed) -> Step:
    return Destroy() if observed.fresh else Read()


def _stop(observed: Observed) -> Step:
    """By the order's stopPolicy."""
    if observed.assignment is None:
        raise AssertionError
    policy, memory = observed.assignment.spec.stop_policy, observed.memory
    halted = observed.domain is not None and observed.domain.power is Power.PAUSED
    if policy.mode is StopMode.HARD or halted:
        return Destroy()
    if memory.power_off_at is not None and observed.now >= memory.power_off_at:
        return Destroy()
    if memory.power_off_at is None or observed.now >= memory.press_again_at:
        return PressPower()
    return Wait(min(memory.power_off_at, memory.press_again_at))


# --- no domain is there --------------------------------------------------------------------------------------


def _without_domain(observed: Observed) -> Step:
    assignment = observed.assignment
    if assignment is None:
        if not observed.fresh:
            return Read()
        return _orderless(observed)
    if assignment.spec.node_name != observed.me.node:
        if not observed.fresh:
            return Read()
        # Files stay: whoever moved the Instance knew of them, or proved this boot dead.
        return Wait() if observed.memory.unwired else Unwire()
    final = final_answer(assignment, observed.me, observed.entry)
    if final is not None:
        return _finish(observed, assignment, final)
    verdict = may_start(assignment, observed.me, observed.entry)
    if isinstance(verdict, NoStart):
        return _not_started(observed, assignment, verdict)
    return _start(observed, assignment)


def _orderless(observed: Observed) -> Step:
    if not observed.memory.unwired:
        return Unwire()
    if observed.entry is not None and may_forget(None, observed.entry):
        return Forget()
    return Wait()


def _finish(
    observed: Observed, assignment: Assignment, final: State, reason: str = "", message: str = ""
) -> Step:
    """Give the epoch up: clean, journal, answer, in this order."""
    if not observed.memory.unwired:
        return Unwire()
    if _to_erase(observed, assignment, final):
        # Nothing is deleted on the word of a cache.
        return Erase() if observed.fresh else Read()
    entry = observed.entry
    if (
        entry is None
        or journaled_final(assignment, entry) is not final
        or entry.has_root_disk != observed.has_root_disk
    ):
        return Seal(final, reason, message)
    last = assignment.status
    said = last is not None and last.epoch == assignment.spec.epoch and last.state is final
    if said and last is not None and last.observed_generation == assignment.metadata.generation:
        return Wait()
    return AnswerFinal(*observed.memory.sealed_for)


def _to_erase(observed: Observed, assignment: Assignment, final: State) -> bool:
    """Purged takes the Instance's disks; a refusal one that was made at this epoch and never started."""
    if observed.memory.erased:
        return False
    if assignment.spec.desired is Desired.PURGED:
        return True
    return final is State.REFUSED and observed.has_root_disk and not has_data(assignment, observed.entry)


def _not_started(observed: Observed, assignment: Assignment, verdict: NoStart) -> Step:
    if verdict.refuse:
        final = final_answer(assignment, observed.me, observed.entry, refused=True)
        if final is not None:
            return _finish(observed, assignment, final, verdict.reason, verdict.message)
    if assignment.spec.desired is Desired.STOPPED and verdict.reason == "NotWanted":
        return _stopped(observed, assignment)
    if assignment.metadata.deleting:
        return Wait()
    return Report(status(observed, assignment, State.FAILED, reason=verdict.reason, message=verdict.message))


def _stopped(observed: Observed, assignment: Assignment, reason: str = "", message: str = "") -> Step:
    if observed.record is not None and observed.record.ran is not None and not reason:
        return NoteEnd(None)
    if not observed.memory.unwired:
        return Unwire()
    step = volumes.at_rest(observed, assignment)
    if step is not None:
        return step
    kept = nics.conditions_at_rest(volumes.conditions_at_rest(observed, assignment))
    return Report(
        status(observed, assignment, State.STOPPED, reason=reason, message=message, conditions=kept),
        volumes.due_at_rest(observed, assignment),
    )


def _start(observed: Observed, assignment: Assignment) -> Step:
    memory = observed.memory
    if not restart_pending(assignment):
        after_end = _after_end(observed, assignment)
        if after_end is not None:
            return after_end
    if has_data(assignment, observed.entry) and not observed.has_root_disk:
        return _disk_lost(observed, assignment)
    if observed.no_room is not None:
        final = final_answer(assignment, observed.me, observed.entry, refused=True)
        if final is not None and not has_data(assignment, observed.entry):
            return _finish(observed, assignment, final, "NoRoom", observed.no_room)
        return Report(status(observed, assignment, State.FAILED, reason="NoRoom", message=observed.no_room))
    left = nics.at_rest(observed, assignment)
    if left is not None:
        return left
    entry = observed.entry
    begun = (
        entry is not None
        and memory.start_id is not None
        and (entry.assignment_uid, entry.epoch, entry.start_id)
        == (assignment.metadata.uid, assignment.spec.epoch, memory.start_id)
    )
    if not begun or memory.created:
        return Begin()
    if memory.prepared != order_key(assignment):
        return Prepare()
    mine = memory.mine
    if mine is None or (mine.assignment_uid, mine.epoch, mine.start_id) != (
        assignment.metadata.uid,
        assignment.spec.epoch,
        memory.start_id,
    ):
        return TakeStart()
    return Create()


def _disk_lost(observed: Observed, assignment: Assignment) -> Step:
    """A blank disk in the place of the one that was lost would hide the loss; looked at again by resync."""
    instance = assignment.spec.instance
    message = (
        f"the root disk of Instance {instance.namespace}/{instance.name} is missing in this node's data pool: "
        "restore it, or delete the Instance and create it anew"
    )
    return Report(status(observed, assignment, State.FAILED, reason="DiskLost", message=message))


def _after_end(observed: Observed, assignment: Assignment) -> Step | None:
    """What the restart policy says when the guest ended by itself; None: start it."""
    record, memory = observed.record, observed.memory
    if record is None or record.ran is None:
        return None
    if record.ended is None:
        if record.boot_id != observed.me.boot_id:
            return None  # the node ended, not the guest
        obeyed = memory.ended is EndReason.SHUTDOWN and observed.now < memory.asked_until
        if memory.power_off_at is not None or obeyed:
            return NoteEnd(None)  # it was asked to, and now it is wanted again
        # Without an event nobody saw how it ended: it counts as a crash, which most policies restart.
        return NoteEnd(memory.ended or EndReason.CRASHED)
    if not ending.restarts(assignment.spec.restart_policy, record.ended):
        return _stopped(observed, assignment, *ending.explained(record.ended))
    if memory.restart_at > observed.now:
        return Wait(memory.restart_at)
    return None
