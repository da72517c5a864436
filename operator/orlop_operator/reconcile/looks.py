"""The kinds whose plan needs the store and the time, and nothing that a look at one must find out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from orlop_operator.kinds import AGGREGATE, KEY_PAIR, ROUTER, SECURITY_GROUP, SERVICE
from orlop_operator.reconcile.aggregate import look_at_aggregate
from orlop_operator.reconcile.effects import Plan
from orlop_operator.reconcile.gather_groups import look_at_group
from orlop_operator.reconcile.gather_router import look_at_router
from orlop_operator.reconcile.gather_service import look_at_service
from orlop_operator.reconcile.keypair import look_at_keypair
from orlop_operator.store import Key, Store

PLANS: Mapping[str, Callable[[Store, Key, datetime], Plan | None]] = {
    AGGREGATE.name: look_at_aggregate,
    KEY_PAIR.name: look_at_keypair,
    ROUTER.name: look_at_router,
    SECURITY_GROUP.name: look_at_group,
    SERVICE.name: look_at_service,
}
"""By kind; None where the object does not exist."""
