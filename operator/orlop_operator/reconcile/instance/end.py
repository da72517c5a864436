"""The end of an Instance: the node's part, then everything in the cluster, then the finalizer. Pure."""

from __future__ import annotations

from dataclasses import replace

from orlop_api.assignment import ASSIGNMENT_NAMESPACE, Assignment
from orlop_api.instance import FINALIZER
from orlop_operator import protocol
from orlop_operator.kinds import ASSIGNMENT, INSTANCE, PORT
from orlop_operator.reconcile import patience
from orlop_operator.reconcile.conditions import false
from orlop_operator.reconcile.effects import (
    Delete,
    DropFinalizer,
    Effect,
    Inform,
    Patch,
    Plan,
    Remove,
)
from orlop_operator.reconcile.existence import record
from orlop_operator.reconcile.instance.assign import decide
from orlop_operator.reconcile.instance.facts import Facts
from orlop_operator.reconcile.instance.ports import ended
from orlop_operator.reconcile.instance.schedule import TYPE as SCHEDULED
from orlop_operator.reconcile.instance.summarize import summarize
from orlop_operator.reconcile.instance.volumes import detach
from orlop_operator.reconcile.node_secret import secret_path
from orlop_operator.reconcile.quarantine import given_back

AGAIN = 5.0
"""Seconds after which it is looked at again whether its root disk was copied: only the Image is told of that."""


def plan_end(facts: Facts) -> Plan:
    """What a deletion wants now."""
    meta = facts.instance.metadata
    if FINALIZER not in meta.finalizers:
        return Plan(final=True)
    if facts.copied_by:
        message = f"being deleted; waits until {facts.copied_by} has its root disk, or is deleted"
        return replace(_wait(facts, "InUse", message), again_after=AGAIN)
    step = decide(facts)
    match step:
        case protocol.ReadAssignment():
            return Plan((Inform(ASSIGNMENT, ASSIGNMENT_NAMESPACE, meta.uid),))
        case protocol.SetDesired(desired) if facts.assignment is not None:
            return Plan((Patch(ASSIGNMENT, facts.assignment, {"spec": {"desired": desired.value}}),))
        case protocol.DeleteAssignment() if facts.assignment is not None:
            return Plan(_delete(facts, facts.assignment))
        case protocol.DropFinalizer():
            left = _cleanup(facts, None)
            return Plan(left) if left else Plan((DropFinalizer(INSTANCE, facts.instance),), final=True)
        case protocol.Wait(reason, message):
            return _wait(facts, reason, message)
        case _:
            raise AssertionError(step)


def _delete(facts: Facts, assignment: Assignment) -> tuple[Effect, ...]:
    delete = Delete(ASSIGNMENT, assignment, unchanged=True)
    if assignment.spec.node_name is None:
        # Another operator may be binding it: what it counts on goes after the Assignment is gone.
        return (delete,)
    cleanup = _cleanup(facts, assignment)
    # Which Volumes have data is written down on them before the node's word for it goes.
    return cleanup if facts.used_volumes else (*cleanup, delete)


def _cleanup(facts: Facts, assignment: Assignment | None) -> tuple[Effect, ...]:
    """All that the Instance holds in the cluster."""
    made = assignment.status.created_volumes if assignment is not None and assignment.status else []
    effects: list[Effect] = []
    for volume in facts.used_volumes:
        fresh = record(volume, facts.now) if volume.metadata.uid in made else None
        effects.append(detach(facts.instance, volume, fresh))
    effects += (Patch(PORT, port, {"status": {"binding": None}}, "status") for port in facts.bound_ports)
    effects += map(ended, facts.made_ports)
    effects += given_back(facts.held.values(), facts.networks, facts.now)
    secret = assignment.spec.secret if assignment is not None else None
    if secret is not None:
        effects.append(Remove(secret_path(secret.namespace, secret.name)))
    return tuple(effects)


def _wait(facts: Facts, reason: str, message: str) -> Plan:
    early = patience.left(facts.instance.metadata, facts.now)
    if early:
        return Plan(again_after=early, final=True)
    report = summarize(facts, {SCHEDULED: false(SCHEDULED, reason, message)})
    return Plan((report,) if report is not None else (), final=True)
