"""Quotas do not exist yet, and the condition says so. Pure."""

from __future__ import annotations

from orlop_api.condition import Condition
from orlop_operator.reconcile.conditions import true

TYPE = "QuotaReserved"


def reserve() -> Condition:
    """Nothing limits the namespace."""
    return true(TYPE, "NoQuota", "the namespace has no quota")
