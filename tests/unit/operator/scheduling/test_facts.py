"""Objects to facts: what a Hypervisor, an Assignment and a Volume mean to the scheduler."""

import pytest

from orlop_api.assignment import Assignment
from orlop_api.hypervisor import Hypervisor
from orlop_operator.scheduling import Offer, Usage, assignment_hold, host_from

GI = 2**30


def assignment(
    node: str | None, *, epoch: int = 1, state: str | None = None, answered: int = 1
) -> Assignment:
    spec = {
        "instance": {"namespace": "demo", "name": "web", "uid": "u"},
        "nodeName": node,
        "epoch": epoch,
        "vcpus": 2,
        "memoryBytes": GI,
        "rootDiskBytes": 5 * GI,
    }
    status = {"epoch": answered, "state": state} if state else None
    return Assignment.model_validate({"spec": spec, "status": status})


@pytest.mark.parametrize(
    ("one", "holds"),
    [
        (assignment(None), False),
        (assignment("a"), True),
        (assignment("a", state="Running"), True),
        (assignment("a", state="Stopped"), True),
        (assignment("a", state="Failed"), True),
        (assignment("a", state="Refused"), False),
        (assignment("a", state="Released"), False),
        (assignment("a", epoch=2, state="Released", answered=1), True),
    ],
)
def test_an_assignment_holds_until_the_final_answer_of_its_epoch(one: Assignment, *, holds: bool) -> None:
    assert assignment_hold(one) == (("a", Usage(2, GI, 5 * GI)) if holds else None)


def hypervisor(**status: object) -> Hypervisor:
    return Hypervisor.model_validate({"metadata": {"name": "a"}, "status": status})


CAPACITY = {"vcpus": 8, "memoryBytes": GI, "diskBytes": GI}


def ready(status: str, reason: str) -> dict:
    return {"conditions": [{"type": "Ready", "status": status, "reason": reason}]}


def test_a_host_is_what_its_agent_reported() -> None:
    reported = hypervisor(
        capacity=CAPACITY,
        architecture="x86_64",
        poolID="p",
        images=["sha256:" + "0" * 64],
        **ready("True", "LeaseRenewed"),
    )
    host = host_from(reported, labels={"zone": "b"})
    assert host.ready
    assert host.capacity == Usage(8, GI, GI)
    assert host.images == {"sha256:" + "0" * 64}
    assert (host.architecture, host.pool_id, host.labels) == ("x86_64", "p", {"zone": "b"})


def test_nodes_that_offer_the_same_hardware_share_it() -> None:
    told = {"machineTypes": ["pc", "q35"], "firmwares": ["BIOS", "UEFI"], "cpuFeatures": ["aes"]}
    one, two = (host_from(hypervisor(capacity=CAPACITY, hardware=told), labels={}).hardware for _ in range(2))
    assert one == Offer(
        frozenset({"pc", "q35"}), frozenset({"BIOS", "UEFI"}), cpu_features=frozenset({"aes"})
    )
    assert one is two
    assert host_from(hypervisor(capacity=CAPACITY), labels={}).hardware is None


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (ready("True", "LeaseRenewed"), "AgentNotReported"),
        ({"capacity": CAPACITY}, "AgentNotReported"),
        ({"capacity": CAPACITY, **ready("Unknown", "NodeUnreachable")}, "NodeUnreachable"),
    ],
)
def test_a_host_that_is_not_ready_says_why(status: dict, reason: str) -> None:
    host = host_from(hypervisor(**status), labels={})
    assert (host.ready, host.reason) == (False, reason)


def test_a_hypervisor_on_its_way_out_takes_nothing_new() -> None:
    leaving = Hypervisor.model_validate(
        {
            "metadata": {"name": "a", "deletionTimestamp": "2026-01-01T00:00:00Z"},
            "status": {"capacity": CAPACITY, **ready("True", "LeaseRenewed")},
        }
    )
    assert host_from(leaving, labels={}).cordoned
