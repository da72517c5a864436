"""InstanceGroup: who is gone gives their place back, and it ends after the last Instance that names it. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from orlop_api.condition import Condition
from orlop_api.instance import FINALIZER
from orlop_api.instance_group import GroupMember, InstanceGroup
from orlop_operator.kinds import INSTANCE, INSTANCE_GROUP
from orlop_operator.reconcile.conditions import differs, false, kstatus, settled, true
from orlop_operator.reconcile.effects import DropFinalizer, Patch, Plan
from orlop_operator.reconcile.instance.facts import several
from orlop_operator.store import Key, Store


@dataclass(frozen=True)
class GroupFacts:
    """The InstanceGroup and what it has to do with."""

    group: InstanceGroup
    now: datetime
    gone: Collection[str] = ()
    """Uids of members that are proved to be gone, and to run nowhere."""
    users: Collection[str] = ()
    """Names of Instances that name it."""


def group_facts(store: Store, key: Key, now: datetime, gone: Collection[str]) -> GroupFacts | None:
    """All about an InstanceGroup; None where it does not exist."""
    group = store.get(INSTANCE_GROUP, key.namespace, key.name)
    if group is None:
        return None
    users = [each.name for each in store.dependents(key) if each.kind == INSTANCE.name]
    return GroupFacts(group, now, gone, users)


def plan_instance_group(facts: GroupFacts) -> Plan:
    """What this InstanceGroup wants now."""
    group = facts.group
    if not group.metadata.deleting:
        spec = group.spec
        most = f", at most {spec.max_per_domain or 1} each" if spec.policy == "AntiAffinity" else ""
        return _say(facts, true("Ready", "Valid", f"{spec.policy} by {spec.topology_key}{most}"))
    if FINALIZER not in group.metadata.finalizers:
        return Plan()
    users = {*facts.users, *(member.name for member in _left(facts))}
    if users:
        message = f"being deleted; stays in force until it is named no more by Instance {several(users)}"
        return _say(facts, false("Ready", "InUse", message))
    return Plan((DropFinalizer(INSTANCE_GROUP, group),))


def _left(facts: GroupFacts) -> list[GroupMember]:
    members = facts.group.status.members if facts.group.status is not None else []
    return [member for member in members if member.uid not in facts.gone]


def _say(facts: GroupFacts, ready: Condition) -> Plan:
    """By compare-and-swap, as whoever takes a place: the list is written whole."""
    group, old = facts.group, facts.group.status
    generation = group.metadata.generation
    conditions = settled(old.conditions if old else [], kstatus(ready), generation, facts.now)
    status = {
        "observedGeneration": generation,
        "members": [member.wire() for member in _left(facts)],
        "conditions": [condition.wire() for condition in conditions],
    }
    if not differs(old.wire() if old else None, status):
        return Plan()
    return Plan((Patch(INSTANCE_GROUP, group, {"status": status}, "status"),))
