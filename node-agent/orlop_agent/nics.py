"""The NICs of a guest that runs: what its domain has, against what the order lists. Pure.

One that is in both is never touched. One that the order does not list any more is asked back from the guest first;
only once the domain has it no longer its tap, rules and names go. A new one gets all of these before the guest sees it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from orlop_agent import wired
from orlop_agent.observed import DiskMemory, Observed
from orlop_agent.report import not_ready
from orlop_agent.steps import AttachNic, ConnectNic, DetachNic, DropNic, NicStep, Read, device
from orlop_api.assignment import Assignment
from orlop_api.condition import Condition, Truth
from orlop_api.nic import MOST_NICS

PATIENCE = 3.0
"""Seconds that a guest may take to let go of a NIC before that is told."""
_PART = "NetworkReady"


def next_step(observed: Observed, assignment: Assignment) -> NicStep | Read | None:
    """What brings the domain's NICs nearer to the order; None where nothing is to be done now."""
    step = next((step for step in _steps(observed, assignment) if _is_due(observed, step)), None)
    # Nothing is taken away on the word of a cache.
    return Read() if isinstance(step, DetachNic | DropNic) and not observed.fresh else step


def at_rest(observed: Observed, assignment: Assignment) -> DropNic | None:
    """What is to go before another start is begun: its journal would forget it."""
    return next((DropNic(tap) for tap in wired.left(observed, assignment)), None)


def conditions(
    observed: Observed, assignment: Assignment, known: Iterable[Condition]
) -> tuple[Condition, ...]:
    """These, with NetworkReady not true while a NIC comes or goes."""
    blocker = _blocker(observed, assignment)
    if blocker is None:
        return tuple(known)
    told = not_ready(_PART, *blocker, assignment.metadata.generation)
    return tuple(told if condition.type == _PART else condition for condition in known)


def conditions_at_rest(known: Iterable[Condition]) -> list[Condition]:
    """Without what was wrong with NICs of a guest that ended: nothing is here of them, so nothing is wrong."""
    return [c for c in known if c.type != _PART or c.status is Truth.TRUE]


def due_at(observed: Observed, assignment: Assignment) -> float | None:
    """When the next step is due, or something is to be told, if nothing happens before."""
    moments: list[float] = []
    for step in _steps(observed, assignment):
        known = _memory(observed, device(step))
        moments.append(known.due_at)
        if isinstance(step, DetachNic) and known.asked_at is not None:
            moments.append(known.asked_at + PATIENCE)
    return min((moment for moment in moments if moment > observed.now), default=None)


def _steps(observed: Observed, assignment: Assignment) -> Iterator[NicStep]:
    """All that is to be done, whether it is due or not."""
    unwanted = list(wired.unwanted(observed, assignment))
    left, has = wired.left(observed, assignment), wired.in_domain(observed)
    yield from map(DetachNic, unwanted)
    yield from map(DropNic, left)
    yield from (ConnectNic(tap) for tap, nic in has.items() if tap not in unwanted and not nic.connected)
    if len(has.keys() | left.keys()) < MOST_NICS:
        # One that comes under the name of another waits until nothing is left of that.
        yield from (AttachNic(tap) for tap in wired.ordered(assignment) if tap not in has and tap not in left)


def _is_due(observed: Observed, step: NicStep) -> bool:
    known = _memory(observed, device(step))
    # When a guest is asked again concerns nothing else: once it has let go, what follows is due.
    was_asked = known.asked_at is not None and known.failures == 0
    return known.due_at <= observed.now or (was_asked and not isinstance(step, DetachNic))


def _blocker(observed: Observed, assignment: Assignment) -> tuple[str, str] | None:
    """Reason and message of the first NIC that is not as it shall be."""
    names = {
        tap: nic.name for tap, nic in (wired.wired(observed, assignment) | wired.ordered(assignment)).items()
    }
    for step in _steps(observed, assignment):
        known, name = _memory(observed, device(step)), names.get(device(step), device(step))
        if known.reason:
            return known.reason, f"NIC {name}: {known.message}"
        if not isinstance(step, DetachNic):
            return ("Detaching" if isinstance(step, DropNic) else "Attaching"), ""
        if known.asked_at is None or observed.now < known.asked_at + PATIENCE:
            return "Detaching", ""
        return "GuestHoldsNIC", (
            f"the guest has not released NIC {name}: it is asked again every few seconds, and has it no longer once"
            " it is stopped"
        )
    if any(tap not in wired.in_domain(observed) for tap in wired.ordered(assignment)):
        return (
            "Attaching",
            f"a guest has at most {MOST_NICS} NICs at once: it waits until the guest releases others",
        )
    return None


def _memory(observed: Observed, tap: str) -> DiskMemory:
    return observed.memory.disks.get(tap, DiskMemory())
