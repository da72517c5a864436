"""A node's room while a choice is under way, and when nothing came of it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from orlop_operator import errors, reconciler
from orlop_operator.kinds import ASSIGNMENT
from orlop_operator.placements import Placements
from orlop_operator.reconcile.instance.plan import InstancePlan
from orlop_operator.reconciler import Reconciler
from orlop_operator.scheduling import Request
from orlop_operator.store import Key, Store
from orlop_operator.workqueue import WorkQueue

WANTED = Request(vcpus=1, memory=1 << 30, disk=1 << 30)


def order(node: str | None) -> Any:
    spec: dict[str, Any] = {"instance": {"namespace": "demo", "name": "web", "uid": "web"}}
    spec |= {"vcpus": 1, "memoryBytes": 1 << 30, "rootDiskBytes": 1 << 20, "epoch": 1}
    meta = {"namespace": "orlop-assignments", "name": "web", "uid": "order", "resourceVersion": "1"}
    return ASSIGNMENT.parse({"metadata": meta, "spec": spec | ({"nodeName": node} if node else {})})


@pytest.mark.parametrize(
    ("found", "again"),
    [(None, True), (order("other"), True), (order(None), True), (order("node"), False)],
    ids=["no order was made", "it went elsewhere", "it was not bound", "it is there"],
)
def test_a_choice_of_which_nothing_came_gives_the_room_back(found: Any, again: bool):
    store = Store(lambda _: None)
    placements = Placements(store)
    placements.hold("web", "node", WANTED)
    if found is not None:
        store.observe(ASSIGNMENT, found)
    assert placements.settle("web") is again
    assert placements.settle("web") is False


async def test_who_waits_for_room_is_looked_at_when_a_choice_came_to_nothing(monkeypatch: pytest.MonkeyPatch):
    """Else they would wait for a minute: no object changes."""
    nobody: Any = None
    queue: WorkQueue[Key] = WorkQueue()
    queue.open()
    it = Reconciler(nobody, nobody, Store(lambda _: None), queue)
    web, waits = Key("Instance", "demo", "web"), Key("Instance", "demo", "waits")
    facts = SimpleNamespace(instance=SimpleNamespace(metadata=SimpleNamespace(uid="web")))
    monkeypatch.setattr(reconciler, "instance_facts", lambda *_: facts)
    plans = {
        "unplaced": InstancePlan((), unplaced=True),
        "chosen": InstancePlan((), chosen="node", wanted=WANTED),
    }

    monkeypatch.setattr(reconciler, "plan_instance", lambda _: plans["unplaced"])
    await it.look(waits)
    assert len(queue) == 0

    async def refused(*_: object) -> None:
        raise errors.UnavailableError("the API server does not answer")

    monkeypatch.setattr(reconciler, "plan_instance", lambda _: plans["chosen"])
    monkeypatch.setattr(it._executor, "carry_out", refused)
    with pytest.raises(errors.UnavailableError):
        await it.look(web)
    assert await queue.take() == waits
