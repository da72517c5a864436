"""Looks at InstanceGroups: whose members are gone is read before their places are given to others."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from orlop_operator.garbage import Garbage
from orlop_operator.reconcile.effects import Plan, planned
from orlop_operator.reconcile.execute import Learned
from orlop_operator.reconcile.gather import Context
from orlop_operator.reconcile.instance_group import group_facts, plan_instance_group
from orlop_operator.store import Key

Run = Callable[[Key, Callable[[Learned], Plan | None]], Awaitable[None]]
"""Plan, act, and again."""


async def look_at_instance_group(context: Context, garbage: Garbage, key: Key, run: Run) -> None:
    """Bring one InstanceGroup up to date."""
    gone = await garbage.left_members(key)
    await run(
        key,
        lambda _: planned(group_facts(context.store, key, context.now(), gone), plan_instance_group),
    )
