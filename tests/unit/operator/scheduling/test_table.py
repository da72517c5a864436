"""The whole table, and how many more fit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orlop_operator.scheduling import (
    Host,
    Placement,
    Request,
    Unplaceable,
    Usage,
    World,
    place,
    room,
    table,
)
from orlop_operator.scheduling.place import candidates

GI = 2**30
ROOM = Usage(vcpus=4, memory=16 * GI, disk=100 * GI)
SMALL = Request(vcpus=1, memory=GI, disk=5 * GI)


def test_all_that_rejects_a_host_is_told_of_that_host() -> None:
    small = Usage(1, 2 * GI, 100 * GI)
    world = World([Host("a", ROOM), Host("b", small, cordoned=True), Host("c", small)])
    rows = table(Request(vcpus=2, memory=4 * GI, disk=GI), world)
    assert [(row.node, [(v.filter, v.text) for v in row.rejections]) for row in rows] == [
        ("a", []),
        (
            "c",
            [
                ("vcpu", "not enough vCPUs (need 2, most free 1 on c)"),
                ("memory", "not enough memory (need 4Gi, most free 2Gi on c)"),
            ],
        ),
        (
            "b",
            [
                ("cordoned", "cordoned"),
                ("vcpu", "not enough vCPUs (need 2, most free 1 on b)"),
                ("memory", "not enough memory (need 4Gi, most free 2Gi on b)"),
            ],
        ),
    ]


hosts = st.builds(
    lambda vcpus, memory, ready, cordoned: (vcpus, memory, ready, cordoned),
    st.integers(0, 4), st.integers(0, 4), st.booleans(), st.booleans(),
)  # fmt: skip


@given(st.lists(hosts, max_size=6), st.integers(1, 3), st.integers(0, 3))
def test_the_table_says_what_place_does(several: list, vcpus: int, memory: int) -> None:
    world = World(
        Host(f"n{n}", Usage(cpus, mem * GI, GI), ready=ready, cordoned=cordoned)
        for n, (cpus, mem, ready, cordoned) in enumerate(several)
    )
    wanted = Request(vcpus=vcpus, memory=memory * GI, disk=0)
    rows, answer = table(wanted, world), place(wanted, world)
    assert sorted(row.node for row in rows) == [host.name for host in world.hosts]
    passing = [row.node for row in rows if not row.rejections]
    assert sorted(passing) == [world.hosts[row].name for row in np.flatnonzero(candidates(wanted, world))]
    match answer:
        case Placement(node, alternates):
            assert passing[: 1 + len(alternates)] == [node, *alternates]
        case Unplaceable():
            assert passing == []


@given(st.lists(hosts, min_size=1, max_size=6))
def test_as_many_fit_as_can_be_placed_one_after_the_other(several: list) -> None:
    def world() -> World:
        return World(
            Host(f"n{n}", Usage(cpus, mem * 2 * GI, 100 * GI), ready=ready, cordoned=cordoned)
            for n, (cpus, mem, ready, cordoned) in enumerate(several)
        )

    naive, counts = world(), dict.fromkeys((f"n{n}" for n in range(len(several))), 0)
    while isinstance(found := place(SMALL, naive), Placement):
        counts[found.node] += 1
        naive.hold(str(counts), found.node, SMALL.usage)
    assert {each.node: each.count for each in room(SMALL, world())} == counts


def test_what_limits_is_what_stands_against_one_more() -> None:
    found = room(SMALL, World([Host("a", ROOM), Host("b", Usage(64, 3 * GI, 100 * GI))]))
    assert [(each.node, each.count, [v.filter for v in each.limits]) for each in found] == [
        ("a", 4, ["vcpu"]),
        ("b", 3, ["memory"]),
    ]
    assert found[1].limits[0].text == "not enough memory (need 1Gi, most free 0 on b)"


def test_what_wants_nothing_is_not_counted() -> None:
    with pytest.raises(AssertionError):
        room(Request(vcpus=0, memory=0, disk=0), World([Host("a", ROOM)]))
