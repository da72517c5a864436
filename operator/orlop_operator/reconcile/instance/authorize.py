"""May the requester use everything that the Instance names? Asked of the API server's authorizer. Pure.

At placement and at each change of the spec; not when a node restarts a guest.
"""

from __future__ import annotations

from typing import Any

from orlop_api.condition import Condition, Truth
from orlop_api.instance import Instance, disks_of
from orlop_api.requester import Requester, from_annotations
from orlop_api.resource import GROUP
from orlop_operator.kinds import (
    FLAVOR,
    IMAGE,
    INSTANCE_GROUP,
    KEY_PAIR,
    NETWORK,
    PORT,
    SECURITY_GROUP,
    VOLUME,
    Kind,
)
from orlop_operator.reconcile.conditions import false, true
from orlop_operator.reconcile.effects import Ask, Question
from orlop_operator.reconcile.instance.facts import Facts, named

TYPE = "Authorized"
_LENDERS = {IMAGE.plural: "orlop-image-user", NETWORK.plural: "orlop-network-user"}
"""Roles that give no more than the use of a kind."""


def questions(instance: Instance, requester: Requester) -> tuple[Question, ...]:
    """One for each object that the Instance names, in the order of the spec, none twice."""
    spec, namespace = instance.spec, instance.metadata.namespace

    def use(kind: Kind[Any], namespace: str, name: str) -> Question:
        return Question(requester, "use", GROUP, kind.plural, namespace, name)

    image = spec.boot.image_ref
    asked = [use(FLAVOR, "", spec.flavor_name)]
    if image is not None:
        asked.append(use(IMAGE, image.namespace or namespace, image.name))
    for nic in spec.networks:
        if nic.network_ref is not None:
            asked.append(use(NETWORK, namespace, nic.network_ref.name))
            asked += (use(SECURITY_GROUP, namespace, ref.name) for ref in nic.security_group_refs)
        if nic.port_ref is not None:
            asked.append(use(PORT, namespace, nic.port_ref.name))
    asked += (use(VOLUME, namespace, mount.volume_ref.name) for mount in disks_of(spec))
    asked += (use(KEY_PAIR, namespace, pair.name) for pair in spec.key_pair_refs)
    group = spec.placement.group_ref
    if group is not None:
        asked.append(use(INSTANCE_GROUP, namespace, group.name))
    if spec.user_data is not None and spec.user_data.secret_ref is not None:
        asked.append(Question(requester, "get", "", "secrets", namespace, spec.user_data.secret_ref.name))
    return tuple(dict.fromkeys(asked))


def authorize(facts: Facts) -> tuple[Condition | None, tuple[Ask, ...]]:
    """The condition, or None with what has to be asked first."""
    instance = facts.instance
    known = facts.say(TYPE)
    if (
        facts.bound
        and known is not None
        and known.status is Truth.TRUE
        and known.observed_generation == instance.metadata.generation
    ):
        return known, ()
    requester = from_annotations(instance.metadata.annotations)
    if requester is None:
        message = "nobody is recorded as the requester: create the Instance anew through the webhook"
        return false(TYPE, "NoRequester", message), ()
    asked = questions(instance, requester)
    open_ = tuple(Ask(question) for question in asked if question not in facts.answers)
    if open_:
        return None, open_
    denied = next((question for question in asked if not facts.answers[question]), None)
    if denied is not None:
        what = named(denied.resource, denied.namespace, denied.name)
        said = f"{requester.username} may not {denied.verb} {what}: {_remedy(denied)} would allow it"
        return false(TYPE, "Forbidden", said), ()
    return true(TYPE, "Authorized", f"{requester.username} may use all that the Instance names"), ()


def _remedy(denied: Question) -> str:
    """The binding that gives the right, of the roles in manifests/base/rbac-users.yaml where one of them has it."""
    if not denied.namespace:
        return "a ClusterRoleBinding to orlop-sizes"
    if not denied.group:
        right = f"{denied.verb} on {denied.resource} {denied.name}"
        return f"a RoleBinding in namespace {denied.namespace} to a Role with {right}"
    role = _LENDERS.get(denied.resource, "orlop-editor")
    return f"a RoleBinding in namespace {denied.namespace} to the ClusterRole {role}"
