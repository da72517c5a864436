"""The Instance's place in its InstanceGroup: a domain that is written down there before the Instance gets a node. Pure.

The place is one compare-and-swap of the InstanceGroup, so of two that decide at once only one has decided. It counts
for one version of the Instance's Assignment, the one that the binding replaces: who changes it to another domain has
seen a later version, and whoever still knows the old place then fails to bind by it. ADR 35.
"""

from __future__ import annotations

from collections import Counter

from orlop_api.instance_group import MOST_MEMBERS, GroupMember, GroupPolicy
from orlop_operator.kinds import ASSIGNMENT, INSTANCE_GROUP
from orlop_operator.protocol import is_final
from orlop_operator.reconcile.effects import Effect, Inform, Patch
from orlop_operator.reconcile.instance.facts import Blocker, Facts, named
from orlop_operator.scheduling import GroupNeed

CHANGED_MIND = "orlop.dev/changed-mind"
"""Annotation of an Assignment that is written for its version alone: places for the one before are worth nothing."""
_TOGETHER = {GroupPolicy.AFFINITY, GroupPolicy.SOFT_AFFINITY}
_HARD = {GroupPolicy.AFFINITY, GroupPolicy.ANTI_AFFINITY}


def blocker(facts: Facts) -> Blocker | None:
    """What keeps the Instance from being placed at all."""
    ref, meta, group = facts.instance.spec.placement.group_ref, facts.instance.metadata, facts.group
    if ref is None:
        return None
    what = named("InstanceGroup", meta.namespace, ref.name)
    if group is None:
        return Blocker("InstanceGroupNotFound", f"{what} does not exist")
    if group.metadata.deleting:
        return Blocker("InstanceGroupNotReady", f"{what} is being deleted")
    members = group.status.members if group.status is not None else []
    if group.spec.policy in _HARD and len(_others(facts)) >= MOST_MEMBERS and len(members) >= MOST_MEMBERS:
        return Blocker("InstanceGroupFull", f"{what} has {MOST_MEMBERS} Instances, and can have no more")
    return None


def need(facts: Facts) -> GroupNeed | None:
    """What the group asks of a node."""
    group = facts.group
    if group is None:
        return None
    spec, hard = group.spec, group.spec.policy in _HARD
    return GroupNeed(
        name=named("InstanceGroup", group.metadata.namespace, group.metadata.name),
        key=spec.topology_key,
        together=spec.policy in _TOGETHER,
        hard=hard,
        most=spec.max_per_domain or 1,
        taken=Counter(each.domain for each in _others(facts) if not _is_void(facts, each)) if hard else {},
        others=facts.companions(),
    )


def join(facts: Facts, node: str) -> tuple[Effect, ...]:
    """What is to be written before the Instance is bound to this node; nothing where it has its place there."""
    group, order, meta = facts.group, facts.assignment, facts.instance.metadata
    wanted = need(facts)
    if group is None or order is None or wanted is None or not wanted.hard:
        return ()
    domain = facts.domain(node, wanted.key)
    if domain is None or not wanted.allows(domain):
        raise AssertionError(f"{node} was chosen, and is in a domain that the group does not allow")
    version = order.metadata.resource_version
    member = GroupMember(uid=meta.uid, name=meta.name, domain=domain, order=version)
    members = group.status.members if group.status is not None else []
    mine = next((each for each in members if each.uid == meta.uid), None)
    if mine == member:
        return ()
    if mine is not None and int(mine.order) > int(version):
        # Another operator knows a later one.
        return (Inform(ASSIGNMENT, order.metadata.namespace, order.metadata.name),)
    if mine is not None and mine.order == version:
        return (Patch(ASSIGNMENT, order, {"metadata": {"annotations": {CHANGED_MIND: version}}}),)
    change = {"members": [each.wire() for each in (*_others(facts), member)]}
    return (Patch(INSTANCE_GROUP, group, {"status": change}, "status"),)


def _is_void(facts: Facts, member: GroupMember) -> bool:
    """Whether no binding by this place can succeed any more, and none by it is in force.

    Its node refused, say, and may take nothing any more. The Instance gets its next place by a write to the group, and
    where that comes before ours, ours is a conflict.
    """
    order = facts.order_of(member.uid)
    if order is None or int(order.metadata.resource_version) <= int(member.order):
        return False
    return order.spec.node_name is None or is_final(order)


def _others(facts: Facts) -> list[GroupMember]:
    group = facts.group
    members = group.status.members if group is not None and group.status is not None else []
    return [each for each in members if each.uid != facts.instance.metadata.uid]
