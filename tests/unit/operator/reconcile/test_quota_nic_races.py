"""NICs come and go under a Quota of Ports, whatever two operators know: no guest has one that is not reserved."""

from collections.abc import Callable

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.racing import World
from unit.operator.reconcile.test_quota_races import NAMES, Run

LIMITS = {"instances": 4, "vcpus": 6, "ports": 3}
NICS = (("eth0",), ("eth0", "eth1"), ("eth1",), ())


class NicRun(Run):
    """The same with NICs."""

    def steps(self, name: str, side: int, kind: str) -> list[Callable[[], object]]:
        plugs = [lambda nics=nics: self.world.plugs(name, *nics) for nics in NICS]
        return [*super().steps(name, side, kind), *plugs]


def judge_end(run: NicRun) -> None:
    """Who runs has the NICs that it lists, or says that it waits; and the ledger is what there is."""
    world, waits = run.world, []
    listed = {order["spec"]["instance"]["name"]: order["spec"] for order in _orders(world)}
    there = {place[2]: body for place, body in world.objects.items() if place[0] == "Instance"}
    for name, body in there.items():
        reserved = {c["type"]: c for c in body["status"]["conditions"]}["QuotaReserved"]
        wanted = {nic["name"] for nic in body["spec"]["networks"]}
        has = {nic["name"] for nic in listed.get(name, {}).get("nics", [])}
        if reserved["status"] == "True":
            shall = body["spec"].get("powerState", "Running") == "Running"
            assert (name in world.running()) is shall, (name, body["status"])
            assert has == wanted or (not shall and name not in listed) or not _placed(listed, name), (
                name,
                has,
            )
        else:
            assert reserved["reason"] == "QuotaExceeded", reserved
            waits.append((body["metadata"]["creationTimestamp"], len(wanted - has)))
    ports, used = world.reserved()["ports"], world.used()["ports"]
    made = [place for place in world.objects if place[0] == "Port"]
    assert used <= ports <= LIMITS["ports"], (used, ports, made)
    if not waits:
        assert ports == sum(len(body["spec"]["networks"]) for body in there.values())


def _placed(listed: dict, name: str) -> bool:
    return listed.get(name, {}).get("nodeName") is not None


def _orders(world: World) -> list:
    return [world.objects[place] for place in world.orders()]


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(choices=st.lists(st.tuples(st.integers(0, 19), st.integers(0, 5), st.integers(0, 9)), max_size=120))
def test_no_guest_has_a_nic_that_is_not_reserved(choices: list[tuple[int, int, int]]) -> None:
    run = NicRun("Counted", LIMITS)
    kinds = ["Instance", "Assignment", "Quota", "Port", "Assignment"]
    for step, name, more in choices:
        run.steps(NAMES[name], more % 2, kinds[more // 2])[step]()
        run.check()
    run.settle()
    judge_end(run)


def test_an_operator_that_knows_the_old_reservation_gives_no_nic_by_it() -> None:
    """It missed that a NIC went and gave its Port back, and sees that there shall be one again."""
    run = NicRun("Counted", LIMITS)
    world, second = run.world, run.operators[1]
    for name, nics in (("i0", ("eth0", "eth1")), ("i2", ("eth0",)), ("i3", ("eth0",))):
        world.plugs(name, *nics)
    run.rounds(8)
    assert world.used()["ports"] == 3
    second.hear("Quota", 1000)
    second.hear("Assignment", 1000)
    world.plugs("i0", "eth0")
    run.rounds(8)
    assert world.used()["ports"] == 3, "the last one that waited has it"
    world.plugs("i0", "eth0", "eth1")
    second.hear("Instance", 1000)
    run.whole(second.instance_look("i0"))
    run.check()
    run.rounds(8)
    judge_end(run)
