"""What an Instance's memory becomes around a step: from when it is begun, and after it did not work (pure)."""

from __future__ import annotations

from dataclasses import replace

from orlop_agent import ending, steps
from orlop_agent.failure import StepError
from orlop_agent.network.errors import NetworkError
from orlop_agent.observed import DiskMemory, Memory

ASK_AGAIN = 5.0
"""Seconds after which a guest that did not let go of a disk is asked again: one that still boots hears nothing."""


_SLOWEST = 30.0
"""Seconds between two looks, at most, whether a full disk has room again."""


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


def went_on(memory: Memory, now: float) -> Memory:
    """A guest that was halted by a full disk was let go on; the next time, if need be, is later."""
    before = 0 if now - memory.went_on_at > 2 * _SLOWEST else memory.go_ons + 1
    wait = min(_SLOWEST, ASK_AGAIN * 2.0**before)
    return replace(memory, went_on_at=now, go_on_at=now + wait, go_ons=min(before, 8))


def asked(memory: Memory, device: str, now: float) -> Memory:
    """The guest was asked to let go of a Volume or NIC."""
    known = memory.disks.get(device, DiskMemory())
    since = now if known.asked_at is None else known.asked_at
    noted = DiskMemory(asked_at=since, size=known.size, due_at=now + ASK_AGAIN)
    return replace(memory, disks={**memory.disks, device: noted})


def untroubled(memory: Memory, device: str) -> Memory:
    """What was asked or went wrong with a Volume or NIC counts no more."""
    return replace(memory, disks={name: known for name, known in memory.disks.items() if name != device})


def sized(memory: Memory, volume_uid: str, size: int | None) -> Memory:
    """How large a Volume is was found out; None where its domain is gone."""
    return replace(memory, disks={**memory.disks, volume_uid: DiskMemory(size=size)})


def device_failed(device: str, error: StepError, memory: Memory, now: float) -> Memory:
    """A Volume or NIC of the guest that runs is in trouble; the guest is not, nor is any other."""
    known = memory.disks.get(device, DiskMemory())
    wait = ending.delay(16 if error.permanent else known.failures)
    noted = replace(
        known,
        due_at=now + wait,
        failures=known.failures + 1,
        reason=error.reason,
        message=error.message,
    )
    return replace(memory, disks={**memory.disks, device: noted})


def taken(step: steps.Step, learned: Memory, meanwhile: Memory) -> Memory:
    """What a step that worked taught; an end that the hypervisor told of during it is still to be looked at."""
    if isinstance(step, steps.NoteEnd | steps.Begin):
        return learned
    return replace(learned, ended=meanwhile.ended)


def not_asked(memory: Memory) -> Memory:
    """Of the guest that is there, or is started next, nothing was asked yet, and no end was seen."""
    return replace(memory, ended=None, power_off_at=None, press_again_at=0.0, asked_until=0.0, disks={})


def restart_later(memory: Memory, now: float) -> Memory:
    """The guest ended by itself: soon after its start means a longer wait for the next."""
    lasted = now - memory.running_since >= ending.LASTING
    before = 0 if lasted else memory.restarts
    return replace(memory, ended=None, restarts=before + 1, restart_at=now + ending.delay(before), mine=None)
