"""Which SecurityGroups are in force for a NIC: those that it lists, or else the namespace's `default`. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from orlop_api.resource import LocalRef
from orlop_api.security_group import DEFAULT_GROUP, SecurityGroup, listed
from orlop_operator.reconcile.instance.facts import Blocker, named

Groups = Mapping[str, SecurityGroup]
"""By name, of one namespace; those that do not exist are not there."""


def in_force(
    namespace: str, refs: Sequence[LocalRef], groups: Groups, known: Collection[str] = ()
) -> list[str] | Blocker:
    """Uids of the groups; none where none is listed and there is no `default`.

    One that is being deleted stays in force where it is `known` to be; `default` is listed by nobody and so
    never waited for.
    """
    if not refs:
        default = groups.get(DEFAULT_GROUP)
        return [default.metadata.uid] if default is not None and not default.metadata.deleting else []
    uids: list[str] = []
    for name in listed(refs):
        group, what = groups.get(name), named("SecurityGroup", namespace, name)
        if group is None:
            return Blocker("SecurityGroupNotFound", f"{what} does not exist")
        if group.metadata.deleting and group.metadata.uid not in known:
            return Blocker("SecurityGroupNotReady", f"{what} is being deleted")
        uids.append(group.metadata.uid)
    return sorted(uids)
