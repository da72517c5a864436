"""Looks at Quotas: all who ask in a namespace get theirs by one write, and are woken; also those who do not get it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from orlop_operator.garbage import Garbage
from orlop_operator.reconcile.effects import Plan
from orlop_operator.reconcile.execute import Learned
from orlop_operator.reconcile.gather import Context
from orlop_operator.reconcile.gather_quota import quota_facts
from orlop_operator.reconcile.quota import QuotaPlan, plan_quota
from orlop_operator.store import Key
from orlop_operator.workqueue import WorkQueue

Run = Callable[[Key, Callable[[Learned], Plan | None]], Awaitable[None]]
"""Plan, act, and again."""


class Quotas:
    """One look at a time for each namespace: the queue never works on a key twice at once."""

    def __init__(self, context: Context, garbage: Garbage, queue: WorkQueue[Key]) -> None:
        self._context, self._garbage, self._queue = context, garbage, queue

    async def look(self, key: Key, run: Run) -> None:
        """Bring one Quota up to date, then tell whoever waits."""
        gone = await self._garbage.gone_holders(key)
        made = QuotaPlan()

        def plan(_: Learned) -> Plan | None:
            nonlocal made
            facts = quota_facts(self._context.store, key, self._context.now(), gone)
            made = plan_quota(facts) if facts is not None else QuotaPlan()
            return made if facts is not None else None

        await run(key, plan)
        for uid in self._context.verdicts.say(key.namespace, made.refusals):
            waits = self._context.store.by_uid(uid)
            if waits is not None:
                self._queue.add(waits)
