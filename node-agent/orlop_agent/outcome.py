"""What an Instance's memory becomes around a step: from when it is begun, and after it did not work (pure)."""

from __future__ import annotations

from dataclasses import replace

from orlop_agent import ending, steps
from orlop_agent.failure import StepError
from orlop_agent.network.errors import NetworkError
from orlop_agent.observed import Memory


def begun(step: steps.Step, memory: Memory) -> Memory:
    """What is true from the moment that a step is begun, whatever becomes of it."""
    match step:
        case steps.TakeStart():
            # A write without an answer may be applied late: its start_id is never used for another try.
            return replace(memory, start_id=None)
        case steps.Create():
            # A call without an answer may take effect late: that domain is not this start's any more.
            # It takes the taps with it, so whatever is started next is prepared again.
            return replace(memory, created=True, prepared=None)
        case _:
            return memory


def failed(step: steps.Step, error: StepError, memory: Memory) -> Memory:
    """What a step that did not work teaches beside the trouble itself."""
    if isinstance(step, steps.Resume) and isinstance(error.__cause__, NetworkError):
        # A domain gets its taps when it is created. Where they cannot be plugged they may be gone, and only
        # another domain can have others: the right to resume this one is given up, so that it is destroyed.
        return replace(memory, mine=None)
    return memory


def taken(step: steps.Step, learned: Memory, meanwhile: Memory) -> Memory:
    """What a step that worked taught; an end that the hypervisor told of during it is still to be looked at."""
    if isinstance(step, steps.NoteEnd | steps.Begin):
        return learned
    return replace(learned, ended=meanwhile.ended)


def not_asked(memory: Memory) -> Memory:
    """Of the guest that is there, or is started next, nothing was asked yet, and no end was seen."""
    return replace(memory, ended=None, power_off_at=None, press_again_at=0.0, asked_until=0.0)


def restart_later(memory: Memory, now: float) -> Memory:
    """The guest ended by itself: soon after its start means a longer wait for the next."""
    lasted = now - memory.running_since >= ending.LASTING
    before = 0 if lasted else memory.restarts
    return replace(memory, ended=None, restarts=before + 1, restart_at=now + ending.delay(before), mine=None)
