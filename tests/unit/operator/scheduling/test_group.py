"""Groups in one decision: the filter with its sentences, and the weight."""

import pytest

from orlop_operator.scheduling import (
    GroupNeed,
    Host,
    Placement,
    Request,
    Unplaceable,
    Usage,
    World,
    place,
)

GI = 2**30
ROOM = Usage(vcpus=64, memory=64 * GI, disk=100 * GI)
ZONE = "topology.kubernetes.io/zone"
HOSTNAME = "kubernetes.io/hostname"


def host(name: str, zone: str | None = None, **facts: object) -> Host:
    labels = {ZONE: zone} if zone is not None else {}
    return Host(name, ROOM, labels=labels, **facts)  # type: ignore[arg-type]


def answer(hosts: list[Host], key: str = HOSTNAME, **group: object) -> str:
    need = GroupNeed("InstanceGroup demo/web", key, **group)  # type: ignore[arg-type]
    found = place(Request(vcpus=1, memory=GI, disk=0, group=need), World(hosts))
    match found:
        case Placement(node):
            return node
        case Unplaceable(message):
            return message


APART = {"together": False, "hard": True}
TOGETHER = {"together": True, "hard": True}


def test_apart() -> None:
    assert answer([host("a"), host("b")], **APART, taken={"a": 1}) == "b"
    assert answer([host("a"), host("b")], **APART, taken={"a": 1, "b": 1}) == (
        "0/2 hypervisors: 2 taken by InstanceGroup demo/web (at most 1 for each kubernetes.io/hostname)"
    )
    assert answer([host("a"), host("b")], **APART, most=2, taken={"a": 2, "b": 1}) == "b"


def test_together() -> None:
    assert answer([host("a"), host("b")], **TOGETHER, taken={"b": 3}) == "b"
    assert answer([host("a"), host("b", cordoned=True)], **TOGETHER, taken={"b": 1}) == (
        "0/2 hypervisors: 1 cordoned, 1 not where the others of InstanceGroup demo/web are"
        " (kubernetes.io/hostname b)"
    )


def test_domains_are_by_label_and_who_has_none_is_left_out() -> None:
    hosts = [host("a", "x"), host("b", "x"), host("c", "y"), host("d")]
    assert answer(hosts, ZONE, **APART, taken={"x": 1}) == "c"
    assert answer(hosts, ZONE, **TOGETHER, taken={"y": 1}) == "c"
    assert answer(hosts, ZONE, **APART, taken={"x": 1, "y": 1}) == (
        f"0/4 hypervisors: 3 taken by InstanceGroup demo/web (at most 1 for each {ZONE}), 1 have no label {ZONE},"
        " which InstanceGroup demo/web goes by"
    )
    assert answer([host("d")], ZONE, **TOGETHER).startswith("0/1 hypervisor: 1 have no label")


@pytest.mark.parametrize(
    ("together", "others", "chosen"),
    [
        (False, {"a": 1}, "c"),
        (False, {"a": 1, "c": 2}, "d"),
        (False, {"a": 3, "c": 2, "d": 2}, "c"),
        (True, {"c": 1}, "c"),
        (True, {"a": 1, "b": 1, "c": 1}, "a"),
        (True, {"gone": 1}, "a"),
    ],
)
def test_softly(together: bool, others: dict[str, int], chosen: str) -> None:
    """a and b are in one zone; d is in none of its own name, so nobody is there with it."""
    hosts = [host("a", "x"), host("b", "x"), host("c", "y"), host("d", "z")]
    assert answer(hosts, ZONE, together=together, hard=False, others=others) == chosen


def test_softly_a_full_domain_does() -> None:
    assert answer([host("a")], together=False, hard=False, others={"a": 9}) == "a"
