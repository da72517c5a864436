"""From guest to guest, on one node and across, against the same taps on a bare bridge and a bare VXLAN.

In turn in one run, each first in every second round. ORLOP_BENCH makes it a long one that is held to the goal;
otherwise it only sees that nothing is slower by a multiple.
"""

import os
import statistics

import pytest

from orlop_cluster.lab import until
from support.lab import NAMESPACE
from support.speed import Said, bare_networks, guest, place

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1800)]
LONG = "ORLOP_BENCH" in os.environ
ROUNDS, PINGS, MEBIBYTES = (201, 100, 16) if LONG else (5, 50, 8)
GOAL = 0.95 if LONG else 0.2
AT = {"one": "10.20.0.60", "near": "10.20.0.61", "far": "10.20.0.62"}
SAME = {"ingress": [{"securityGroupRef": {"name": "default"}}], "egress": [{"cidr": "0.0.0.0/0"}]}


def started(cluster):
    """One guest, one beside it, and one on the other node, in the namespace's default group."""
    cluster.apply(cluster.object("SecurityGroup", "default", SAME))
    first, second = cluster.workers
    nodes = {"one": first, "near": first, "far": second}
    script = guest(PINGS, MEBIBYTES)
    cluster.apply(
        *(
            cluster.placed(name, node, {"networkRef": {"name": "blue"}, "address": AT[name]}, script)
            for name, node in nodes.items()
        )
    )
    cluster.wait("inst --all", namespace=NAMESPACE, seconds=240)
    made = {name: cluster.get("inst", name, NAMESPACE) for name in nodes}
    for each in made.values():
        until(lambda each=each: cluster.console(each), lambda text: "user-data: LISTENS" in text, 240)
        # What is measured is a way with rules.
        assert cluster.get("oport", f"{each['metadata']['name']}-eth0", NAMESPACE)["status"]["securityGroups"]
    return made


def rounds(places) -> dict[tuple[str, bool], list[Said]]:
    """What the guest said of its way to each of the others, on the bare network or not."""
    said = {(to, bare): [] for to in ("near", "far") for bare in (True, False)}
    bare_now = False
    try:
        for number in range(ROUNDS + 1):
            for bare in (number % 2 == 0, number % 2 != 0):
                if bare != bare_now:
                    for each in places:
                        each.move(bare)
                    bare_now = bare
                for to in ("near", "far"):
                    found = places[0].ask(AT["one"], AT[to], bare)
                    # The first round is for whoever has to get warm.
                    if number:
                        said[to, bare].append(found)
    finally:
        if bare_now:
            for each in places:
                each.move(False)
    return said


def ratio(bare: float, ours: float, *, better: bool) -> float:
    """1 is as fast as without Orlop; whether more is better."""
    return ours / bare if better else bare / ours


def test_guests_are_as_fast_as_on_a_bare_network(cluster, guests, show_table):
    first, second = cluster.workers
    try:
        made = started(cluster)
        with (
            place(cluster, first, [made["one"], made["near"]]) as here,
            place(cluster, second, [made["far"]]) as there,
            bare_networks((here, there)),
        ):
            said = rounds((here, there))
    finally:
        cluster.delete("one", "near", "far")
        cluster.delete("default", kind="osg")
    rows = []
    for to, where in (("near", "same node"), ("far", "other node")):
        bare, ours = said[to, True], said[to, False]
        assert all(len(each.pings) == PINGS for each in (*bare, *ours)), "no ping is lost"
        for what, better in (("TCP, MiB/s", True), ("there and back, ms", False)):
            pairs = [
                (each.speed, our.speed) if better else (each.median, our.median)
                for each, our in zip(bare, ours, strict=True)
            ]
            medians = [statistics.median(side) for side in zip(*pairs, strict=True)]
            by_round = statistics.median(ratio(*pair, better=better) for pair in pairs)
            rows.append((where, what, *medians, ratio(*medians, better=better), by_round))
    names = ("way", "what", "bare", "Orlop", "ratio", "round by round")
    show_table(f"between guests in a group against a bare network, medians of {ROUNDS} rounds", names, rows)
    assert [row for row in rows if row[4] < GOAL] == []
