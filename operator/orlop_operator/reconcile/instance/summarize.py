"""The Instance's status from everything that is known; REASON is the first blocker's. Pure.

The message of a node that only begins is the same until the guest runs, and for a moment its word that all is
prepared waits for the one that the guest runs: between binding and Running nothing is written.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from orlop_api.assignment import Assignment, AssignmentStatus, Desired, State
from orlop_api.condition import Condition, Truth, find
from orlop_api.hypervisor import Hypervisor
from orlop_api.instance import PowerState
from orlop_api.nic_addresses import addresses_of
from orlop_operator.kinds import INSTANCE
from orlop_operator.protocol import answer
from orlop_operator.reconcile.conditions import differs, false, kstatus, settled, true, unknown
from orlop_operator.reconcile.effects import Body, Report
from orlop_operator.reconcile.instance import image, network, nics, schedule, volumes
from orlop_operator.reconcile.instance.facts import Facts

PHASES = ("Authorized", "QuotaReserved", image.TYPE, network.TYPE, volumes.TYPE, schedule.TYPE)
"""Conditions in the order in which the first that is not true gives Ready its reason."""
_NODE_PHASES = (image.TYPE, network.TYPE, volumes.TYPE)
_PENDING = "Pending"
"""Reason of a phase that waits for another one; never Ready's."""
STARTING_PATIENCE = 3.0
"""Seconds from placement in which a node that starts the guest is expected to say that it runs."""


def summarize(facts: Facts, said: Mapping[str, Condition]) -> Report[Any] | None:
    """The status write that is due, or None where only times would change."""
    phases = _phases(facts, said)
    ready = _ready(facts, phases)
    instance = facts.instance
    old = instance.status
    conditions = settled(
        old.conditions if old else [],
        [*phases.values(), *kstatus(ready)],
        instance.metadata.generation,
        facts.now,
    )
    status: Body = {
        "observedGeneration": instance.metadata.generation,
        "powerState": _power(facts).value,
        "conditions": [c.wire() for c in conditions],
        **_placed(facts),
    }
    if ready.status is not Truth.TRUE and ready.message:
        status["message"] = ready.message
    if not differs(old.wire() if old else None, _complete(status)):
        return None
    return Report(INSTANCE, instance, status)


def _complete(status: Body) -> Body:
    """As the model writes it, so that the two compare."""
    return {"addresses": [], **status}


def _placed(facts: Facts) -> Body:
    assignment = facts.assignment
    if assignment is None or assignment.spec.node_name is None:
        return {}
    spec, status = assignment.spec, answer(assignment)
    made: Body = {
        "nodeName": spec.node_name,
        "addresses": [*_addresses(facts, assignment)],
    }
    if spec.image is not None:
        made["image"] = {"digest": spec.image.digest}
    if status is not None and status.domain_uuid is not None:
        made["domain"] = {"uuid": status.domain_uuid}
        if status.virtualization_type is not None:
            made["domain"]["type"] = status.virtualization_type
    if status is not None and status.restarted_at is not None:
        made["restartedAt"] = status.restarted_at
    return made


def _addresses(facts: Facts, assignment: Assignment) -> Iterator[Body]:
    """Of the NICs as they are: of a guest that runs those that it has, also one that it does not let go of."""
    for nic in nics.shown(assignment):
        ipv6 = {"ipv6": nic.ipv6.address} if nic.ipv6 is not None else {}
        yield {"network": nic.name, "ip": addresses_of(nic)[0], "mac": nic.mac_address, **ipv6}
    for name, port in nics.held_on_to(facts, assignment):
        if port.status is not None and port.status.addresses and port.status.mac_address is not None:
            own6 = next((address for address in port.status.addresses if ":" in address), None)
            ipv6 = {"ipv6": own6} if own6 is not None else {}
            yield {"network": name, "ip": port.status.addresses[0], "mac": port.status.mac_address, **ipv6}


def _phases(facts: Facts, said: Mapping[str, Condition]) -> dict[str, Condition]:
    phases = {kind: said.get(kind) or _default(facts, kind) for kind in PHASES}
    return {kind: phases[kind] for kind in ("Authorized", "QuotaReserved", "Scheduled", *_NODE_PHASES)}


def _default(facts: Facts, kind: str) -> Condition:
    """A phase that nothing was said about in this look."""
    assignment = facts.assignment
    if assignment is None or assignment.spec.node_name is None:
        known = facts.say(kind)
        if kind in {"Authorized", "QuotaReserved"} and known is not None:
            return known
        return unknown(kind, _PENDING, "no node was chosen yet")
    node, status = assignment.spec.node_name, answer(assignment)
    if kind == schedule.TYPE:
        return true(kind, "Scheduled", f"placed on {node}")
    known = facts.say(kind)
    if known is not None and known.reason == _PENDING and starting_for(facts) < STARTING_PATIENCE:
        return known
    reported = find(status.conditions, kind) if status is not None else None
    if reported is not None:
        return Condition(type=kind, status=reported.status, reason=reported.reason, message=reported.message)
    if status is not None and (status.state is State.RUNNING or _ran(facts, kind)):
        return true(kind, kind)
    return unknown(kind, _PENDING, f"{node} prepares it")


def starting_for(facts: Facts) -> float:
    """Seconds since placement of an Instance that its node is just starting; infinite for any other."""
    assignment, placed = facts.assignment, facts.say(schedule.TYPE)
    status = answer(assignment) if assignment is not None else None
    if status is None or status.state is not State.STARTING or placed is None:
        return math.inf
    if placed.status is not Truth.TRUE or not placed.last_transition_time:
        return math.inf
    return (facts.now - datetime.fromisoformat(placed.last_transition_time)).total_seconds()


def _ran(facts: Facts, kind: str) -> bool:
    """A stopped machine keeps what it had when it ran."""
    known = facts.say(kind)
    return known is not None and known.status is Truth.TRUE


def _ready(facts: Facts, phases: Mapping[str, Condition]) -> Condition:
    blocker = next(
        (
            phases[kind]
            for kind in PHASES
            if phases[kind].status is Truth.FALSE and not _stopped(phases[kind])
        ),
        None,
    )
    node = facts.node
    if facts.bound and _lost(node):
        name = facts.assignment.spec.node_name if facts.assignment else ""
        return unknown("Ready", "NodeUnreachable", f"{name} is not heard of; its guests may well run")
    if blocker is not None:
        return false("Ready", blocker.reason, blocker.message)
    if _stopped(phases[schedule.TYPE]):
        return true("Ready", "Stopped", "it has no node until it shall run")
    if not facts.bound:
        return false("Ready", "Pending", "being placed")
    return _on_node(facts)


def _stopped(condition: Condition) -> bool:
    return condition.type == schedule.TYPE and condition.reason == "Stopped"


def _lost(node: Hypervisor | None) -> bool:
    """The node's Lease lapsed, so what its agent said last may be wrong by now."""
    ready = find(node.status.conditions, "Ready") if node is not None and node.status is not None else None
    return ready is not None and ready.reason == "NodeUnreachable"


def _on_node(facts: Facts) -> Condition:
    assignment = facts.assignment
    if assignment is None:
        raise AssertionError
    node, status = assignment.spec.node_name or "", answer(assignment)
    if status is not None and status.state is State.FAILED:
        return false("Ready", status.reason or "Failed", status.message or f"failed on {node}")
    if status is not None and status.state is State.REFUSED:
        return false("Ready", status.reason or "Refused", status.message or f"{node} refused it")
    if assignment.spec.desired is Desired.RUNNING:
        return _wanted_running(node, assignment.spec.restarted_at, status)
    if status is None or status.state in {State.STOPPED, State.RELEASED}:
        # Without an answer nothing was started at this epoch.
        return true("Ready", "Stopped", f"stopped on {node}")
    return false("Ready", "Stopping", f"{node} stops it")


def _wanted_running(node: str, restarted_at: str | None, status: AssignmentStatus | None) -> Condition:
    if status is not None and status.state is State.RUNNING:
        # A value that was taken away asks for nothing.
        if restarted_at is not None and status.restarted_at != restarted_at:
            return false("Ready", "Restarting", f"{node} restarts it")
        return true("Ready", "Running", f"runs on {node}")
    if status is not None and status.state in {State.STOPPED, State.PREPARING} and status.reason:
        return false("Ready", status.reason, status.message)
    return false("Ready", "Starting", f"{node} starts it")


def _power(facts: Facts) -> PowerState:
    if facts.assignment is None:
        return PowerState.STOPPED
    status = answer(facts.assignment)
    if status is not None and status.state is State.RUNNING:
        return PowerState.RUNNING
    return PowerState.STOPPED
