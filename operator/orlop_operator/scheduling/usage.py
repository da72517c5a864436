"""What objects hold of their nodes: usage is derived from them, never kept in a second ledger."""

from __future__ import annotations

from collections.abc import Iterable

from orlop_api.assignment import FINAL, Assignment
from orlop_api.quantity import to_bytes
from orlop_api.volume import Volume
from orlop_operator.scheduling.facts import Usage


def assignment_hold(assignment: Assignment) -> tuple[str, Usage] | None:
    """Node and usage of an Assignment; None when it holds nothing.

    A bound one holds its slot, stopped or not, until the node gave a final answer for this epoch.
    Volumes are not in it: their data stays when the Instance goes, so they hold for themselves.
    """
    spec, status = assignment.spec, assignment.status
    if spec.node_name is None:
        return None
    if status is not None and status.epoch == spec.epoch and status.state in FINAL:
        return None
    return spec.node_name, Usage(spec.vcpus, spec.memory_bytes, spec.root_disk_bytes)


def volume_hold(volume: Volume) -> tuple[str, Usage] | None:
    """Node and usage of a Volume; None while no node keeps its data."""
    if volume.status is None or volume.status.node_name is None:
        return None
    return volume.status.node_name, Usage(disk=to_bytes(volume.spec.size))


def usage_from(assignments: Iterable[Assignment], volumes: Iterable[Volume] = ()) -> dict[str, Usage]:
    """What each node holds in all."""
    total: dict[str, Usage] = {}
    held = [*map(assignment_hold, assignments), *map(volume_hold, volumes)]
    for node, usage in (hold for hold in held if hold is not None):
        total[node] = total.get(node, Usage()) + usage
    return total
