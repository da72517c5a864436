"""SecurityGroup: whether its rules say something, and an end after the Ports that it is in force for. Pure.

Its rules need no reconciling: agents read them from the object itself.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from orlop_api.condition import Condition
from orlop_api.instance import FINALIZER
from orlop_api.security_group import SecurityGroup
from orlop_operator.kinds import SECURITY_GROUP
from orlop_operator.reconcile.conditions import differs, false, kstatus, settled, true
from orlop_operator.reconcile.effects import DropFinalizer, Plan, Report
from orlop_operator.reconcile.instance.facts import named, several


@dataclass(frozen=True)
class SecurityGroupFacts:
    """The SecurityGroup and what it has to do with."""

    group: SecurityGroup
    now: datetime
    missing: Collection[str] = ()
    """Names of SecurityGroups that its rules name, and that do not exist."""
    ports: Collection[str] = ()
    """Names of Ports that it is in force for; looked for only while it is being deleted."""


def plan_group(facts: SecurityGroupFacts) -> Plan:
    """What this SecurityGroup wants now."""
    group = facts.group
    if group.metadata.deleting:
        return _end(facts)
    if facts.missing:
        name = min(facts.missing)
        what = named("SecurityGroup", group.metadata.namespace, name)
        message = f"{what}, which a rule names, does not exist: that rule allows nothing until it does"
        return _say(facts, false("Ready", "SecurityGroupNotFound", message))
    spec = group.spec
    allowed = f"{len(spec.ingress)} rules for ingress and {len(spec.egress)} for egress"
    return _say(facts, true("Ready", "Valid", allowed))


def _end(facts: SecurityGroupFacts) -> Plan:
    group = facts.group
    if FINALIZER not in group.metadata.finalizers:
        return Plan()
    if facts.ports:
        message = f"being deleted; stays in force until it is listed no more for Port {several(facts.ports)}"
        return _say(facts, false("Ready", "InUse", message))
    return Plan((DropFinalizer(SECURITY_GROUP, group),))


def _say(facts: SecurityGroupFacts, ready: Condition) -> Plan:
    group = facts.group
    generation, old = group.metadata.generation, group.status
    conditions = settled(old.conditions if old else [], kstatus(ready), generation, facts.now)
    status = {"observedGeneration": generation, "conditions": [c.wire() for c in conditions]}
    if not differs(old.wire() if old else None, status):
        return Plan()
    return Plan((Report(SECURITY_GROUP, group, status),))
