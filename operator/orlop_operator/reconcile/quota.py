"""A Quota: who of its namespace has what, in one compare-and-swap, and whether it is kept. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from orlop_api.quota import Hold, Quota, Reservation, shown
from orlop_operator.kinds import QUOTA
from orlop_operator.reconcile.conditions import differs, kstatus, settled, true
from orlop_operator.reconcile.effects import Patch, Plan
from orlop_operator.reserving import Asker, over, reserve, sums


@dataclass(frozen=True)
class QuotaFacts:
    """The Quota and what counts."""

    quota: Quota
    now: datetime
    askers: Collection[Asker]
    """Everything of its namespace that counts, as the store has it."""
    gone: Collection[str] = ()
    """Uids of holders that are proved to be gone, and to run nowhere."""


@dataclass(frozen=True)
class QuotaPlan(Plan):
    """A plan, with why some wait once it is carried out."""

    refusals: Mapping[str, str] = field(default_factory=dict)
    """By uid."""


def plan_quota(facts: QuotaFacts) -> QuotaPlan:
    """Everything that can be reserved or given back now."""
    quota = facts.quota
    limits = quota.spec.limits.amounts
    outcome = reserve(limits, quota.holds, facts.askers, facts.gone)
    used = sums(outcome.holds.values())
    beyond = over(limits, used)
    ready = (
        true("Ready", "OverLimit", f"{', '.join(beyond)} used: that goes on, and nothing more begins")
        if beyond
        else true("Ready", "Enforced", "nothing begins without its reservation")
    )
    generation, old = quota.metadata.generation, quota.status
    conditions = settled(old.conditions if old else [], kstatus(ready), generation, facts.now)
    status = {
        "observedGeneration": generation,
        "used": shown(used).wire(),
        "reservations": [group.wire() for group in _grouped(outcome.holds)],
        "conditions": [condition.wire() for condition in conditions],
    }
    if not differs(old.wire() if old else None, status):
        return QuotaPlan(final=True, refusals=outcome.refusals)
    return QuotaPlan(
        (Patch(QUOTA, quota, {"status": status}, "status"),), final=True, refusals=outcome.refusals
    )


def _grouped(holds: Mapping[str, Hold]) -> Iterable[Reservation]:
    """Few sizes and many holders: each says no more than its uid."""
    groups: dict[tuple[tuple[str, int], ...], list[str]] = {}
    for uid, hold in holds.items():
        holder = f"{uid}/{hold.token}" if hold.token else uid
        groups.setdefault(tuple(sorted(hold.amounts.items())), []).append(holder)
    return [Reservation(**dict(amounts), holders=groups[amounts]) for amounts in sorted(groups)]
