"""The filter: which Aggregates a node must be in, and what is said where it is not."""

from orlop_operator.scheduling import (
    AggregateNeed,
    Host,
    Placement,
    Request,
    Unplaceable,
    Usage,
    World,
    place,
)
from orlop_operator.scheduling.profiles import parse

GI = 1 << 30
ROOM = Usage(8, 16 * GI, 100 * GI)
GOLD = AggregateNeed("gold", (("tier", "gold"),))
FAST = AggregateNeed("fast", (("disk", "ssd"), ("tier", "gold")))
EVERY = AggregateNeed("every", ())
MISSING = AggregateNeed("missing", None)
HOSTS = [
    Host("a", ROOM),
    Host("b", ROOM, labels={"tier": "gold"}),
    Host("c", ROOM, labels={"tier": "gold", "disk": "ssd"}),
]


def asking(*needs: AggregateNeed) -> Request:
    return Request(1, GI, GI, aggregates=needs)


def test_the_node_is_in_all_of_them() -> None:
    world = World(HOSTS)
    for needs, expected in (((GOLD,), ["b", "c"]), ((GOLD, FAST), ["c"]), ((EVERY,), ["a", "b", "c"])):
        found = place(asking(*needs), world)
        assert isinstance(found, Placement)
        assert [found.node, *found.alternates] == expected


def test_a_node_comes_in_and_goes_with_its_labels() -> None:
    world = World(HOSTS)
    assert isinstance(place(asking(FAST), world), Placement)
    world.put(Host("c", ROOM))
    assert isinstance(place(asking(FAST), world), Unplaceable)
    world.put(Host("a", ROOM, labels={"tier": "gold", "disk": "ssd"}))
    found = place(asking(FAST), world)
    assert isinstance(found, Placement)
    assert found.node == "a"


def test_it_is_said_which_are_missed_and_which_are_not_there() -> None:
    world = World(HOSTS[:2])
    found = place(asking(GOLD, FAST), world)
    assert isinstance(found, Unplaceable)
    assert found.message == "0/2 hypervisors: 1 not in Aggregate gold, fast, 1 not in Aggregate fast"
    found = place(asking(GOLD, MISSING), world)
    assert isinstance(found, Unplaceable)
    assert found.message == "0/2 hypervisors: 2 Aggregate missing does not exist"


def test_a_profile_may_do_without() -> None:
    [profile] = [
        each for each in parse("profiles: [{name: any, filters: []}]").by_name.values() if each.name == "any"
    ]
    assert isinstance(place(asking(MISSING), World(HOSTS), profile), Placement)
