"""Whatever two operators, users and nodes do, in any order: a group's promise is kept, and places come back."""

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.grouped import GROUP, NODES, Grouped, Placing
from support.looks import Looks
from support.racing import KINDS

NAMES = [f"i{n}" for n in range(5)]
HEARD = ["Instance", "Assignment", "InstanceGroup", "Assignment", "InstanceGroup"]


class Run(Looks):
    """A world with the looks that are under way."""

    def __init__(self, policy: str, most: int | None) -> None:
        super().__init__()
        self.world = Grouped(policy, most)
        self.operators = (Placing(self.world, 0), Placing(self.world, 1))
        for name in NAMES[:2]:
            self.world.asks(name)
        for operator in self.operators:
            for kind in KINDS:
                operator.hear(kind, 1000)

    def check(self) -> None:
        assert self.world.is_kept(), (self.world.homes(), self.world.members())

    def steps(self, name: str, side: int, more: int) -> list[Callable[[], object]]:
        """All that may happen next, for these choices."""
        world, operator, node = self.world, self.operators[side], NODES[more % len(NODES)]
        orders = world.orders()
        return [
            lambda: world.asks(name),
            lambda: world.delete(("Instance", "demo", name)),
            lambda: world.power(name, "Stopped" if more % 2 else "Running"),
            lambda: [world.node_obeys(place) for place in orders[more % 2 :: 2]],
            lambda: [world.node_refuses(place) for place in orders[more % 2 :: 2]],
            lambda: world.open.symmetric_difference_update({node}),
            lambda: operator.hear(HEARD[more]),
            lambda: operator.hear(HEARD[more], 3),
            lambda: self.looks.append(operator.instance_look(name)),
            lambda: self.looks.append(operator.instance_look(name)),
            lambda: self.looks.append(operator.group_look()),
            lambda: self.go(0),
            lambda: self.go(1),
            lambda: self.go(2),
            lambda: [self.whole(operator.instance_look(each)) for each in NAMES],
            lambda: self.whole(operator.group_look()),
            lambda: [self.whole(operator.order_look(place)) for place in orders],
        ]

    def once(self) -> None:
        """The first operator is alone, nothing is late, and everything has a look."""
        for kind in KINDS:
            self.operators[0].hear(kind, 1000)
        for name in NAMES:
            self.whole(self.operators[0].instance_look(name))
        for place in self.world.orders():
            self.whole(self.operators[0].order_look(place))
        self.whole(self.operators[0].group_look())
        self.check()

    def settle(self) -> None:
        """All that was begun ends, and what nodes were told is done."""
        self.finish()
        self.world.open = set(NODES)
        for _ in range(10):
            for place in self.world.orders():
                self.world.node_obeys(place)
            self.once()


def judge_end(run: Run) -> None:
    """Who waits has no place to go to, and nobody has a place who is gone."""
    world = run.world
    there = {body["metadata"]["uid"]: body for place, body in world.objects.items() if place[0] == "Instance"}
    members = {member["uid"]: member["domain"] for member in world.members()}
    assert set(members) <= set(there)
    assert not [body for body in there.values() if "deletionTimestamp" in body["metadata"]]
    homes = world.homes()
    assert {uid: members[uid] for uid in homes} == homes
    waits = [
        uid
        for uid, body in there.items()
        if body["spec"].get("powerState", "Running") == "Running" and uid not in homes
    ]
    if waits:
        assert world.policy == "AntiAffinity"
        taken = Counter(domain for uid, domain in members.items() if uid != waits[0])
        assert all(taken[node] >= world.most for node in NODES), (waits, members)


@pytest.mark.parametrize(
    ("policy", "most"), [("AntiAffinity", None), ("AntiAffinity", 2), ("Affinity", None)]
)
@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(choices=st.lists(st.tuples(st.integers(0, 16), st.integers(0, 4), st.integers(0, 9)), max_size=100))
def test_the_promise_is_kept(policy: str, most: int | None, choices: list[tuple[int, int, int]]) -> None:
    run = Run(policy, most)
    for step, name, more in choices:
        run.steps(NAMES[name], more % 2, more // 2)[step]()
        run.check()
    run.settle()
    judge_end(run)


@pytest.mark.parametrize("policy", ["Affinity", "AntiAffinity"])
def test_places_of_those_who_were_refused_keep_nobody_from_another(policy: str) -> None:
    """Each on its own node or both on one, which takes nothing any more; what is left has room for all."""
    run = Run(policy, 2 if policy == "AntiAffinity" else None)
    run.world.open = {"n0"}
    run.once()
    assert list(run.world.homes().values()) == ["n0", "n0"]
    for place in run.world.orders():
        run.world.node_refuses(place)
    run.world.open = {"n1"}
    run.once()
    assert list(run.world.homes().values()) == ["n1", "n1"]
    assert {member["domain"] for member in run.world.members()} == {"n1"}
    judge_end(run)


def test_who_was_refused_leaves_the_place_to_others() -> None:
    run = Run("AntiAffinity", None)
    run.world.open = {"n0"}
    run.once()
    assert list(run.world.homes().values()) == ["n0"]
    for place in run.world.orders():
        run.world.node_refuses(place)
    run.world.delete(("Instance", "demo", "i0"))
    for kind in KINDS:
        run.operators[0].hear(kind, 1000)
    run.whole(run.operators[0].instance_look("i1"))
    assert list(run.world.homes().values()) == ["n0"]


def test_a_place_that_may_still_bind_counts() -> None:
    """The order is unbound, and a second operator is about to bind it by the place that it has."""
    run = Run("AntiAffinity", None)
    first, second = run.operators
    run.world.open = {"n0"}
    late = second.instance_look("i0")
    while not run.world.members():
        next(late)
    for kind in KINDS:
        first.hear(kind, 1000)
    run.whole(first.instance_look("i1"))
    assert run.world.homes() == {}
    run.whole(late)
    assert list(run.world.homes().values()) == ["n0"]


def test_two_operators_at_once_do_not_share_a_node() -> None:
    """Both take the same node for another Instance, step by step."""
    run = Run("AntiAffinity", None)
    run.world.open = {"n2"}
    looks = [operator.instance_look(name) for operator, name in zip(run.operators, NAMES, strict=False)]
    for _ in range(20):
        for look in looks:
            next(look, None)
            run.check()
    assert list(run.world.homes().values()) == ["n2"]
    (member,) = run.world.members()
    assert member["domain"] == "n2"


def test_who_knows_an_old_place_does_not_bind_by_it() -> None:
    """The second operator read the place, then the first one changed its mind and gave the node to another."""
    run = Run("AntiAffinity", None)
    first, second = run.operators
    run.world.open = {"n0"}
    late = second.instance_look("i0")
    while not run.world.members():
        next(late)
    (member,) = run.world.members()
    assert (member["name"], member["domain"]) == ("i0", "n0")
    for kind in KINDS:
        first.hear(kind, 1000)
    run.world.open = {"n1"}
    moved = first.instance_look("i0")
    while run.world.members()[0]["domain"] != "n1":
        next(moved)
    run.world.open = {"n0"}
    run.whole(first.instance_look("i1"))
    assert list(run.world.homes().values()) == ["n0"]
    run.whole(late)
    run.whole(moved)
    assert sorted(run.world.homes().values()) == ["n0", "n1"]
    assert GROUP in run.world.objects
