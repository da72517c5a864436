"""From guest to guest, against the same two taps on a bare bridge and a bare VXLAN, in turn in one run.

Everything is on: the rules against forged frames, and a SecurityGroup that allows by remote group. ORLOP_BENCH makes
it a long one that is held to the goal; otherwise it is short and only sees that nothing is slower by a multiple.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from support.fakenode import nodes
from support.guarded import Cloud
from support.guarding import EVERYBODY, group
from support.paths import Compared, bare_network, bare_way, build, compare, our_way

pytestmark = [pytest.mark.component, pytest.mark.timeout(600)]
LONG = "ORLOP_BENCH" in os.environ
ROUNDS = 301 if LONG else 21
GOAL = 0.95 if LONG else 0.4
SMALL, FULL = 64, 1464
"""Bytes of a frame: the shortest, and what fits in the MTU of an overlay."""
SAME = group("same", ingress=[{"protocol": "TCP", "securityGroupRef": {"name": "same"}},
                              {"protocol": "UDP", "port": 7, "securityGroupRef": {"name": "same"}}],
             egress=[{"protocol": "ICMP", **EVERYBODY}, {"securityGroupRef": {"name": "same"}}])  # fmt: skip
MEASURED = (
    ("TCP, 1 MiB", "stream", 1, 0),
    ("TCP, a byte there and back", "turns", 50, 0),
    ("full frames", "frames", 640, FULL),
    ("small frames", "frames", 640, SMALL),
    ("a small frame there and back", "echo", 100, SMALL),
)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return build(tmp_path)


@pytest.fixture
def close() -> Iterator[ExitStack]:
    if os.geteuid() != 0:
        pytest.skip("makes network namespaces")
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("other", [0, 1], ids=["same node", "other node"])
async def test_a_guest_is_as_fast_as_on_a_bare_network(other, close, program, show_table):
    made = close.enter_context(nodes("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4"))
    cloud, bare = Cloud((made[0], made[1], made[4]), close), made[2:4]
    await cloud.say(SAME)
    bare_network(bare[0], bare[1])
    bare_network(bare[1], bare[0])
    plain = bare_way(bare, close, other)
    found: list[tuple[str, str, Compared]] = []
    # Connections are tracked once somebody on the Network is in a group: first without.
    for groups in ((), ("same",)):
        way = await our_way(cloud, other, *groups)
        for what, kind, amount, size in MEASURED:
            took = compare(program, kind, ROUNDS, amount, plain, way, size)
            found.append((what, "one" if groups else "none", took))
    where = "a bare VXLAN" if other else "a bare bridge"
    show_table(
        f"from guest to guest against {where}, medians of {ROUNDS} rounds",
        ("what", "groups", "bare ms", "Orlop ms", "ratio"),
        [(what, name, *each.milliseconds, each.ratio) for what, name, each in found],
    )
    slow = [f"{what}, groups: {name}: {each.ratio:.2f}" for what, name, each in found if each.ratio < GOAL]
    assert [each for each in slow if each.startswith("TCP")] == []
