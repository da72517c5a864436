"""What each weight makes of two hosts that are the same in all else."""

import pytest

from orlop_operator.scheduling import (
    Host,
    Placement,
    Preference,
    Profile,
    Request,
    Requirement,
    Term,
    Usage,
    World,
    place,
)
from orlop_operator.scheduling.filters import FILTERS
from orlop_operator.scheduling.weights import OF_RESOURCES

GI = 1 << 30
ROOM = Usage(8, 16 * GI, 100 * GI)
SMALL = Request(1, GI, GI)
SSD = Term((Requirement("disk", "In", ("ssd",)),))
NEAR = Term((Requirement("rack", "Exists"),))


def chosen(world: World, request: Request = SMALL, **profile: object) -> str:
    found = place(request, world, Profile("a", FILTERS, **profile)) if profile else place(request, world)
    assert isinstance(found, Placement)
    return found.node


def wishing(*preferred: Preference) -> Request:
    return Request(1, GI, GI, preferred=preferred)


def test_soft_affinity_goes_by_the_part_that_matches() -> None:
    world = World(
        [Host("a", ROOM, labels={"rack": "1"}), Host("b", ROOM, labels={"disk": "ssd"}), Host("c", ROOM)]
    )
    assert chosen(world, wishing(Preference(60, SSD), Preference(40, NEAR))) == "b"
    assert chosen(world, wishing(Preference(40, SSD), Preference(60, NEAR))) == "a"
    assert chosen(world, wishing()) == "a"


def test_a_node_where_instances_failed_comes_later_and_not_never() -> None:
    world = World([Host("a", ROOM), Host("b", ROOM)])
    world.blame("x", "a")
    assert chosen(world) == "b"
    world.hold("y", "b", Usage(vcpus=8))
    assert chosen(world) == "a"
    world.drop("y")
    world.blame("x", None)
    assert chosen(world) == "a"


def test_a_node_that_refused_this_instance_before_comes_later() -> None:
    world = World([Host("a", ROOM), Host("b", ROOM)])
    assert chosen(world, Request(1, GI, GI, failed=frozenset("a"))) == "b"


def test_an_administrators_weight_counts() -> None:
    assert chosen(World([Host("a", ROOM), Host("b", ROOM, weight=0.01)])) == "b"


@pytest.mark.parametrize(
    ("weight", "resource", "winner"),
    [
        ("spread", "vcpus", "b"), ("spread", "memory", "c"), ("spread", "disk", "a"),
        ("pack", "vcpus", "a"), ("pack", "memory", "b"), ("pack", "disk", "c"),
    ],
)  # fmt: skip
def test_each_resource_is_spread_or_packed(weight: str, resource: str, winner: str) -> None:
    world = World([Host("a", ROOM), Host("b", ROOM), Host("c", ROOM)])
    world.hold("1", "a", Usage(vcpus=4, memory=4 * GI, disk=0))
    world.hold("2", "b", Usage(vcpus=0, memory=8 * GI, disk=25 * GI))
    world.hold("3", "c", Usage(vcpus=2, memory=0, disk=50 * GI))
    assert chosen(world, weights=((OF_RESOURCES[weight][resource], 2.0),)) == winner


def test_a_busy_node_comes_later_until_it_is_through() -> None:
    world = World([Host("a", ROOM), Host("b", ROOM)])
    world.occupy("x", "a", 2)
    assert chosen(world) == "b"
    world.occupy("y", "b", 3)
    assert chosen(world) == "a"
    world.occupy("x", "a", 4)
    assert chosen(world) == "b"
    world.occupy("y", None)
    world.occupy("x", None)
    assert not world.busy
    assert chosen(world) == "a"


def test_work_that_is_soon_over_counts_less_than_room() -> None:
    world = World([Host("a", ROOM), Host("b", ROOM)])
    world.occupy("x", "a", 1000)
    world.hold("y", "b", Usage(vcpus=2))
    assert chosen(world) == "a"


def test_what_a_node_is_busy_with_is_known_before_the_node() -> None:
    world = World([Host("b", ROOM)])
    world.occupy("x", "a")
    world.put(Host("a", ROOM))
    assert chosen(world) == "b"
    world.remove("a")
    world.put(Host("a", ROOM))
    assert world.busy.column.tolist() == [1.0, 0.0]
