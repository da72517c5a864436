"""Who has a slot on the node: what was given room at this epoch, and nobody for an answer alone."""

from typing import Any

import pytest

from orlop_agent.ledger import holds_slot
from orlop_agent.protocol import Entry
from orlop_api.assignment import Assignment, State

BEGUN = Entry("a", 2, "s")


def ordered(**status: Any) -> Assignment:
    return Assignment.model_validate(
        {
            "metadata": {"name": "i", "uid": "a", "resourceVersion": "7"},
            "spec": {
                "instance": {"namespace": "demo", "name": "web-1", "uid": "i"},
                "nodeName": "node-1",
                "epoch": 2,
                "vcpus": 1,
                "memoryBytes": 1,
                "rootDiskBytes": 1,
            },
            "status": {"epoch": 2, **status} if status else None,
        }
    )


@pytest.mark.parametrize("reason", ["HypervisorUnavailable", "JournalDamaged", "NoRoom"])
def test_trouble_that_came_before_the_look_at_room_gives_none(reason: str) -> None:
    assert not holds_slot(ordered(state="Failed", reason=reason), None)


def test_data_of_an_earlier_epoch_gives_no_room() -> None:
    waits = ordered(state="Failed", reason="NoRoom", rootDisk="Created")
    assert not holds_slot(waits, Entry("a", 1, "s", State.RELEASED, has_root_disk=True))


def test_an_order_that_was_stopped_before_it_was_ever_started_has_none() -> None:
    assert not holds_slot(ordered(state="Stopped"), None)


@pytest.mark.parametrize("state", ["Preparing", "Failed", "Stopped"])
def test_what_was_begun_is_known_by_the_journal(state: str) -> None:
    assert holds_slot(ordered(state=state), BEGUN)
    assert holds_slot(ordered(), BEGUN)


@pytest.mark.parametrize("state", ["Starting", "Running", "Stopped", "Failed"])
def test_what_was_started_is_known_without_a_journal(state: str) -> None:
    assert holds_slot(ordered(state=state, startID="s", bootID="b"), None)


def test_a_start_of_another_epoch_or_of_another_assignment_is_none_of_this_one() -> None:
    assert not holds_slot(ordered(epoch=1, state="Running", startID="s"), None)
    assert not holds_slot(ordered(state="Failed"), Entry("a", 1, "s"))
    assert not holds_slot(ordered(state="Failed"), Entry("b", 2, "s"))


@pytest.mark.parametrize("state", ["Released", "Refused"])
def test_what_was_given_up_holds_nothing(state: str) -> None:
    assert not holds_slot(ordered(state=state, startID="s"), BEGUN)
    assert not holds_slot(ordered(state="Preparing"), Entry("a", 2, "s", State(state)))
