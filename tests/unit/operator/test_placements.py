"""A node's room while a choice of it is under way."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from orlop_operator import reconciler
from orlop_operator.kinds import INSTANCE
from orlop_operator.reconcile.effects import Inform
from orlop_operator.reconcile.instance.plan import InstancePlan
from orlop_operator.reconciler import Reconciler
from orlop_operator.scheduling import Request
from orlop_operator.store import Key, Store
from orlop_operator.workqueue import WorkQueue

WANTED = Request(vcpus=1, memory=1 << 30, disk=1 << 30)


async def test_an_instance_that_another_takes_the_name_of_gives_back_what_was_chosen_for_it(
    monkeypatch: pytest.MonkeyPatch,
):
    """Between two passes of one look. Nobody would look at the first one again."""
    nobody: Any = None
    it = Reconciler(nobody, nobody, Store(lambda _: None), WorkQueue())
    world, seen = it._context.placements.world, []
    passes = [
        ("first", InstancePlan((Inform(INSTANCE, "demo", "web"),), chosen="node", wanted=WANTED)),
        ("second", InstancePlan(())),
    ]

    def facts(*_: object) -> Any:
        seen.append(world.held_by("first"))
        return SimpleNamespace(instance=SimpleNamespace(metadata=SimpleNamespace(uid=passes[0][0])))

    async def nothing(*_: object) -> None: ...

    monkeypatch.setattr(reconciler, "instance_facts", facts)
    monkeypatch.setattr(reconciler, "plan_instance", lambda _: passes.pop(0)[1])
    monkeypatch.setattr(it._executor, "carry_out", nothing)
    await it.look(Key("Instance", "demo", "web"))
    assert seen == [None, ("node", WANTED.usage)]
    assert world.held_by("first") is None
