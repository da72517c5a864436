"""Whatever two operators, users and nodes do, in any order: never over a Quota, nothing leaks, nobody is forgotten."""

from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.looks import Looks
from support.racing import KINDS, World
from support.replica import Operator

LIMITS = {"instances": 3, "vcpus": 4}
NAMES = [f"i{n}" for n in range(6)]


class Run(Looks):
    """A world with the looks that are under way."""

    def __init__(self, stopped: str, limits: dict[str, int] = LIMITS) -> None:
        super().__init__()
        self.limits = limits
        self.world = World(limits, stopped)
        self.operators = (Operator(self.world), Operator(self.world))
        for name in NAMES[:4]:
            self.world.asks(name, self.size(name))
        self.rounds(2)
        for kind in KINDS:
            self.operators[1].hear(kind, 1000)

    def check(self) -> None:
        used = self.world.used()
        assert all(used[name] <= most for name, most in self.limits.items()), used

    @staticmethod
    def size(name: str) -> str:
        return "large" if name in {"i1", "i4"} else "small"

    def steps(self, name: str, side: int, kind: str) -> list[Callable[[], object]]:
        """All that may happen next, for these choices."""
        world, operator = self.world, self.operators[side]
        there = ("Instance", "demo", name)
        orders = world.orders()
        return [
            lambda: world.asks(name, self.size(name)),
            lambda: world.power(name, "Stopped"),
            lambda: world.power(name, "Running"),
            lambda: world.delete(there),
            lambda: [world.node_obeys(place) for place in orders[:2]],
            lambda: [world.node_obeys(place) for place in orders[2:]],
            lambda: operator.hear(kind),
            lambda: operator.hear(kind, 5),
            lambda: self.looks.append(operator.instance_look(name)),
            lambda: self.looks.append(operator.quota_look()),
            lambda: self.go(0),
            lambda: self.go(1),
            lambda: self.go(2),
            lambda: [self.whole(operator.instance_look(each)) for each in NAMES],
            lambda: self.whole(operator.quota_look()),
            lambda: [self.whole(operator.order_look(place)) for place in orders],
        ]

    def settle(self) -> None:
        """All that was begun ends, then the first operator is alone and nothing is late any more."""
        self.finish()
        self.rounds(12)

    def rounds(self, count: int) -> None:
        """The first operator and the nodes do all that there is to do."""
        for _ in range(count):
            for place in self.world.orders():
                self.world.node_obeys(place)
            for kind in KINDS:
                self.operators[0].hear(kind, 1000)
            self.whole(self.operators[0].quota_look())
            for name in NAMES:
                self.whole(self.operators[0].instance_look(name))
            for place in self.world.orders():
                self.whole(self.operators[0].order_look(place))
            self.check()


def judge_end(run: Run, stopped: str) -> None:
    """Every Instance that shall run does, or is behind an older one that does not fit; the ledger is what there is."""
    world = run.world
    there = {place[2]: body for place, body in world.objects.items() if place[0] == "Instance"}
    assert not [name for name, body in there.items() if "deletionTimestamp" in body["metadata"]]
    used, running = {"instances": 0, "vcpus": 0}, world.running()
    waits = []
    for name, body in sorted(there.items(), key=lambda item: item[1]["metadata"]["creationTimestamp"]):
        conditions = {c["type"]: c for c in body["status"]["conditions"]}
        shall = body["spec"].get("powerState", "Running") == "Running"
        size = 3 if body["spec"]["flavorName"] == "large" else 1
        assert not (name in running and not shall)
        if conditions["QuotaReserved"]["status"] == "True":
            used["instances"] += 1
            used["vcpus"] += size if shall or stopped == "Counted" else 0
            assert (name in running) is shall, (name, conditions)
        else:
            assert name not in running
            assert conditions["Ready"]["reason"] == "QuotaExceeded", conditions
            waits.append((name, size))
            if body["metadata"]["uid"] in _holders(world):
                used["instances"] += 1
    reserved = world.reserved()
    assert (reserved["instances"], reserved["vcpus"]) == (used["instances"], used["vcpus"])
    if waits:
        _, size = waits[0]
        full = used["instances"] == LIMITS["instances"] or used["vcpus"] + size > LIMITS["vcpus"]
        assert full, f"{waits[0]} could have gone on: {used}"


def _holders(world: World) -> set[str]:
    groups = world.objects["Quota", "demo", "default"]["status"]["reservations"]
    return {holder.partition("/")[0] for group in groups for holder in group["holders"]}


@pytest.mark.parametrize("stopped", ["Counted", "Free"])
@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(choices=st.lists(st.tuples(st.integers(0, 15), st.integers(0, 5), st.integers(0, 9)), max_size=120))
def test_never_over_and_nobody_is_forgotten(stopped: str, choices: list[tuple[int, int, int]]) -> None:
    run = Run(stopped)
    kinds = ["Instance", "Assignment", "Quota", "Instance", "Assignment"]
    for step, name, more in choices:
        run.steps(NAMES[name], more % 2, kinds[more // 2])[step]()
        run.check()
    run.settle()
    judge_end(run, stopped)


def test_an_operator_that_knows_the_old_reservation_does_not_start_by_it() -> None:
    """It missed that what was stopped gave its vCPUs back, and sees that it shall run again."""
    run = Run("Free")
    world, second = run.world, run.operators[1]
    run.rounds(4)
    assert (world.running(), world.used()["vcpus"]) == ({"i0", "i1"}, LIMITS["vcpus"])
    second.hear("Quota", 1000)
    world.power("i1", "Stopped")
    run.rounds(8)
    assert "i2" in world.running(), "it has some of what that had"
    world.power("i1", "Running")
    for kind in ("Instance", "Assignment"):
        second.hear(kind, 1000)
    run.whole(second.instance_look("i1"))
    assert "i1" not in world.running()
