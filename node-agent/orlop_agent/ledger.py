"""The node's own admission: exact by what is ordered here, where the scheduler is optimistic.

Volumes that no Instance of this node has are the scheduler's to count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from orlop_agent.api.http import Body
from orlop_agent.observed import listed
from orlop_agent.protocol import Entry, was_started
from orlop_api.assignment import FINAL, Assignment
from orlop_api.capacity import Capacity
from orlop_api.quantity import rounded
from orlop_api.volume_class import Driver


@dataclass(frozen=True, slots=True)
class Slot:
    """What one Instance holds, stopped or not."""

    vcpus: int
    memory_bytes: int
    disk_bytes: int
    """Of the root disk."""
    volumes: Mapping[str, int] = field(default_factory=dict)
    """Bytes of the Volumes that are kept on this node, by uid: several Instances may have one."""
    made: frozenset[str] = frozenset()
    """Uids of those that have their room already."""


def slot_of(assignment: Assignment) -> Slot:
    """What an order takes of the node."""
    spec = assignment.spec
    local = [volume for volume in listed(assignment) if volume.location.driver is Driver.LOCAL]
    return Slot(
        spec.vcpus,
        spec.memory_bytes,
        spec.root_disk_bytes,
        {volume.volume_uid: volume.size_bytes for volume in local},
        frozenset(volume.volume_uid for volume in local if volume.created == "Created"),
    )


def slot_in(found: Body) -> Slot:
    """What an Assignment takes that cannot be read: as much of it as is understood."""
    spec = found["spec"]
    said = (spec.get(name) for name in ("vcpus", "memoryBytes", "rootDiskBytes"))
    vcpus, memory, disk = (amount if isinstance(amount, int) else 0 for amount in said)
    return Slot(vcpus, memory, disk)


class Ledger:
    """Slots by Instance uid. Without an await between a look and its `take`, no two can have the same room."""

    def __init__(self, capacity: Callable[[], Capacity]) -> None:
        self._capacity = capacity
        self._slots: dict[str, Slot] = {}

    def holds(self, instance_uid: str) -> bool:
        return instance_uid in self._slots

    def take(self, instance_uid: str, slot: Slot) -> None:
        self._slots[instance_uid] = slot

    def release(self, instance_uid: str) -> bool:
        """Whether there was something to release."""
        return self._slots.pop(instance_uid, None) is not None

    def shortage(self, instance_uid: str, slot: Slot) -> str | None:
        """Why the slot does not fit beside all others; None where it does.

        What needs nothing of a resource fits although there is less than nothing left, as it does for the scheduler.
        """
        capacity = self._capacity()
        others = [held for uid, held in self._slots.items() if uid != instance_uid]
        free_vcpus = capacity.vcpus - sum(held.vcpus for held in others)
        if slot.vcpus > max(0, free_vcpus):
            return f"not enough vCPUs: need {slot.vcpus}, free {max(0, free_vcpus)}"
        free_memory = capacity.memory_bytes - sum(held.memory_bytes for held in others)
        if slot.memory_bytes > max(0, free_memory):
            return (
                f"not enough memory: need {rounded(slot.memory_bytes)}, free {rounded(max(0, free_memory))}"
            )
        there = {uid: size for held in others for uid, size in held.volumes.items()}
        there |= {uid: size for uid, size in slot.volumes.items() if uid in slot.made}
        free_disk = capacity.disk_bytes - sum(held.disk_bytes for held in others) - sum(there.values())
        disk = slot.disk_bytes + sum(size for uid, size in slot.volumes.items() if uid not in there)
        if disk > max(0, free_disk):
            return f"not enough disk: need {rounded(disk)}, free {rounded(max(0, free_disk))}"
        return None


def holds_slot(assignment: Assignment, entry: Entry | None) -> bool:
    """Whether the Assignment was given its slot at its epoch, and did not give it back.

    An answer alone says nothing: it may be from before there was a look at what room is left. A start was begun after
    that look, and it is in the journal from then on, in the status once it was made.
    """
    status, spec = assignment.status, assignment.spec
    if status is not None and status.epoch == spec.epoch and status.state in FINAL:
        return False
    begun = (
        entry is not None
        and (entry.assignment_uid, entry.epoch) == (assignment.metadata.uid, spec.epoch)
        and entry.final is None
    )
    return begun or was_started(assignment)
