"""Facts on SecurityGroups, from the store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from orlop_api.resource import LocalRef
from orlop_api.security_group import SecurityGroup, listed, remotes
from orlop_operator.kinds import PORT, SECURITY_GROUP
from orlop_operator.reconcile.effects import Plan, planned
from orlop_operator.reconcile.guarding import Groups
from orlop_operator.reconcile.security_group import SecurityGroupFacts, plan_group
from orlop_operator.store import Key, Store


def groups_of(store: Store, namespace: str, refs: Sequence[LocalRef]) -> Groups:
    """The SecurityGroups that these list, or the one that counts where they list none."""
    return _found(store, namespace, listed(refs))


def look_at_group(store: Store, key: Key, now: datetime) -> Plan | None:
    """What it wants; None where it does not exist."""
    return planned(group_facts(store, key, now), plan_group)


def group_facts(store: Store, key: Key, now: datetime) -> SecurityGroupFacts | None:
    """All about a SecurityGroup."""
    group = store.get(SECURITY_GROUP, key.namespace, key.name)
    if group is None:
        return None
    remote = remotes(group)
    missing = set(remote) - _found(store, key.namespace, remote).keys()
    ports = _users(store, group) if group.metadata.deleting else []
    return SecurityGroupFacts(group, now, missing, ports)


def _found(store: Store, namespace: str, wanted: Sequence[str]) -> dict[str, SecurityGroup]:
    found = ((name, store.get(SECURITY_GROUP, namespace, name)) for name in wanted)
    return {name: group for name, group in found if group is not None}


def _users(store: Store, group: SecurityGroup) -> list[str]:
    return [
        port.metadata.name
        for port in store.within(PORT, group.metadata.namespace)
        if port.status is not None and group.metadata.uid in (port.status.security_groups or ())
    ]
