"""A node that refused an Instance is left alone for a while, and then asked again, as it may be the only one."""

from datetime import UTC, datetime

from orlop_api.assignment import Assignment
from orlop_api.hypervisor import Hypervisor
from orlop_api.instance import Instance, PowerState
from orlop_operator import protocol
from orlop_operator.kinds import ASSIGNMENT
from orlop_operator.protocol import AskScheduler, Candidate, InstanceFact, ReadInstanceThenBind
from orlop_operator.reconcile.instance.facts import Facts
from orlop_operator.reconcile.instance.schedule import choose
from orlop_operator.refusals import REMEMBERED, Refusals
from orlop_operator.scheduling import Host, Placement, Request, Usage, World, place
from orlop_operator.store import Change, Key
from support import placed

KEY = Key(ASSIGNMENT.name, "orlop-assignments", "uid-web")


def refused(node: str = "a", epoch: int = 1, why: str = "no room") -> Assignment:
    body = placed.assignment("web", node, state="Refused", message=why)
    body["spec"]["epoch"] = body["status"]["epoch"] = epoch
    body["metadata"]["resourceVersion"] = str(epoch)
    return Assignment.model_validate(body)


class Remembering:
    """Refusals with a clock that the test turns."""

    def __init__(self) -> None:
        self.now = 100.0
        self.refusals = Refusals(lambda: self.now)

    def hears(self, order: Assignment | None, before: Assignment | None = None) -> dict[str, str]:
        self.refusals.take_over(Change(KEY, before, order))
        return self.refusals.lately("uid-web")


def test_a_refusal_counts_for_a_while_however_often_it_is_heard() -> None:
    it = Remembering()
    assert it.hears(refused()) == {"a": "no room"}
    it.now += REMEMBERED - 1
    assert it.hears(refused()) == {"a": "no room"}
    it.now += 1
    assert it.refusals.lately("uid-web") == {}
    assert it.hears(refused()) == {}, "the same answer, heard again: by a write to the order, or a list"
    assert it.refusals.ever("uid-web") == {"a"}
    assert it.hears(refused(epoch=2, why="still none")) == {"a": "still none"}
    assert it.hears(refused("b", epoch=3)) == {"a": "still none", "b": "no room"}
    assert it.hears(None, refused()) == {}
    assert it.refusals.ever("uid-web") == frozenset()
    assert it.hears(refused()) == {"a": "no room"}


def test_the_node_that_refused_last_may_have_it_next() -> None:
    instance = protocol.Seen(InstanceFact("uid-web", False, PowerState.RUNNING))
    asked = protocol.decide(protocol.Facts(instance, protocol.Seen(refused())))
    assert asked == AskScheduler()
    step = protocol.decide(protocol.Facts(instance, protocol.Seen(refused()), Candidate("a", "pool-a")))
    assert step == ReadInstanceThenBind("a", "pool-a", 2, "order-web", "1")


def test_what_was_chosen_before_it_refused_is_chosen_anew() -> None:
    hosts = World([Host(name, Usage(8, 8, 8), pool_id=f"pool-{name}") for name in ("a", "b")])
    facts = Facts(
        Instance.model_validate(placed.instance("web")),
        datetime.now(UTC),
        chosen="a",
        place=lambda request: place(request, hosts),
        hypervisor=lambda name: Hypervisor.model_validate(placed.hypervisor(name)),
    )
    assert place(Request(1, 1, 1), hosts) == Placement("a", ("b",))
    assert choose(facts, Request(1, 1, 1), AskScheduler()) == Candidate("a", "pool-a")
    left_alone = Request(1, 1, 1, excluded={"a": "no room"})
    assert choose(facts, left_alone, AskScheduler()) == Candidate("b", "pool-b")
