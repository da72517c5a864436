"""What objects hold of their nodes: usage is derived from them, never kept in a second ledger."""

from __future__ import annotations

from orlop_api.assignment import FINAL, Assignment, Desired, State
from orlop_api.hypervisor import Hypervisor, HypervisorStatus, ImportState
from orlop_api.storage import StorageAction, StorageState
from orlop_operator.scheduling.facts import Usage

_ON_ITS_WAY = frozenset({State.PREPARING, State.STARTING})
_COPIES = frozenset({StorageAction.SNAPSHOT, StorageAction.RESTORE})


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


def assignment_work(assignment: Assignment) -> str | None:
    """The node that has yet to start the machine; None where nobody has."""
    spec, status = assignment.spec, assignment.status
    if spec.desired is not Desired.RUNNING:
        return None
    answered = status is not None and status.epoch == spec.epoch
    if status is not None and answered and status.state not in _ON_ITS_WAY:
        return None
    return spec.node_name


def hypervisor_work(hypervisor: Hypervisor) -> int:
    """How many images and copies of Volumes the node is ordered to make or get, and is not through with."""
    spec, status = hypervisor.spec, hypervisor.status or HypervisorStatus()
    imported = {(r.image_uid, r.generation) for r in status.imports if r.state is not ImportState.PULLING}
    pulled = {(r.image_uid, r.digest) for r in status.pre_pulls if r.state is not ImportState.PULLING}
    copied = {(r.uid, r.action, r.generation) for r in status.storage if r.state is not StorageState.PENDING}
    return (
        sum((order.image_uid, order.generation) not in imported for order in spec.imports)
        + sum((order.image_uid, order.image.digest) not in pulled for order in spec.pre_pulls)
        + sum(
            (order.uid, order.action, order.generation) not in copied
            for order in spec.storage
            if order.action in _COPIES
        )
    )
