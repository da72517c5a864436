"""Facts for a Quota's plan: everything of its namespace that counts. Reads only, from the store."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime

from orlop_api.quota import Quota
from orlop_operator.kinds import FLAVOR, INSTANCE, QUOTA
from orlop_operator.reconcile.instance import quota as instances
from orlop_operator.reconcile.quota import QuotaFacts
from orlop_operator.reserving import Asker
from orlop_operator.store import Key, Store


def quota_facts(store: Store, key: Key, now: datetime, gone: Collection[str]) -> QuotaFacts | None:
    """All about a Quota; None where it does not exist."""
    quota = store.get(QUOTA, key.namespace, key.name)
    return QuotaFacts(quota, now, tuple(_askers(store, quota)), gone) if quota is not None else None


def _askers(store: Store, quota: Quota) -> Iterator[Asker]:
    namespace, policy = quota.metadata.namespace, quota.spec.stopped_instances
    for instance in store.all(INSTANCE):
        if instance.metadata.namespace == namespace:
            flavor = store.get(FLAVOR, "", instance.spec.flavor_name)
            order = store.assignment_of(instance.metadata.uid)
            found = instances.asker(instance, flavor, order, policy)
            if found is not None:
                yield found
