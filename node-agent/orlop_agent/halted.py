"""A guest that is paused although it shall run: why, and when it goes on. Pure.

QEMU pauses a guest whose disk cannot grow (error_policy enospace) instead of handing it errors that would break its
file system; what it wanted to write is kept, and written when it goes on. Nobody knows the room that it needs, so it
is let go on every now and then: where there is still none it is halted again before it gets anywhere.
"""

from __future__ import annotations

from orlop_agent.hypervisor import DomainDisk
from orlop_agent.observed import Observed
from orlop_agent.report import status
from orlop_agent.steps import GoOn, Report, Wait
from orlop_api.assignment import Assignment, State

SETTLED = 1.0
"""Seconds after which a guest that was let go on counts as running: one that fails again does so sooner."""


def halted(observed: Observed, assignment: Assignment) -> Report | GoOn | Wait:
    """What is to be done for it; a guest that somebody paused by hand stays paused."""
    domain, memory = observed.domain, observed.memory
    if domain is None:
        raise AssertionError
    if domain.failed is None:
        message = (
            "the guest is paused on its node, by hand: it goes on when it is resumed there, or restarted"
        )
        return Report(status(observed, assignment, State.FAILED, reason="Halted", message=message))
    if observed.now >= memory.go_on_at:
        return GoOn()
    if not domain.failed:
        reason, message = "DiskError", "the guest is halted: one of its disks fails; it is tried again"
    else:
        names = {volume.volume_uid: volume.name for volume in assignment.spec.volumes}
        known = {disk.target: _told(disk, names) for disk in domain.disks}
        disks = ", ".join(known[target] for target in domain.failed if target in known)
        reason = "DiskFull"
        message = (
            f"the guest is halted: there is no room left for what it writes to {disks}; it goes on by itself once"
            " there is"
        )
    told = status(observed, assignment, State.FAILED, reason=reason, message=message)
    return Report(told, memory.go_on_at)


def settling(observed: Observed) -> Wait | None:
    """A guest that was just let go on is not said to run before it has shown that it does."""
    settled_at = observed.memory.went_on_at + SETTLED
    return Wait(settled_at) if observed.now < settled_at else None


def _told(disk: DomainDisk, names: dict[str, str]) -> str:
    if disk.volume_uid is None:
        return "the root disk"
    return f"disk {names[disk.volume_uid]}" if disk.volume_uid in names else f"Volume {disk.volume_uid}"
