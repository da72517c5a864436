"""Who has a slot on the node: what was given room at this epoch, and nobody for an answer alone."""

from collections.abc import Sequence
from typing import Any

import pytest

from orlop_agent.ledger import Ledger, Slot, holds_slot, slot_of
from orlop_agent.protocol import Entry
from orlop_api.assignment import Assignment, State
from orlop_api.capacity import Capacity

BEGUN = Entry("a", 2, "s")
GI = 1 << 30


def ordered(volumes: Sequence[dict[str, Any]] = (), **status: Any) -> Assignment:
    return Assignment.model_validate(
        {
            "metadata": {"name": "i", "uid": "a", "resourceVersion": "7"},
            "spec": {
                "instance": {"namespace": "demo", "name": "web-1", "uid": "i"},
                "nodeName": "node-1",
                "epoch": 2,
                "vcpus": 1,
                "memoryBytes": 1,
                "rootDiskBytes": GI,
                "volumes": list(volumes),
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


def volume(uid: str, **more: Any) -> dict[str, Any]:
    return {"name": uid, "volumeUID": uid, "location": {"local": {}}, "sizeBytes": 80 * GI, **more}


def hundred() -> Ledger:
    return Ledger(lambda: Capacity(vcpus=8, memory_bytes=8 * GI, disk_bytes=100 * GI))


def test_two_fresh_volumes_that_fit_one_by_one_do_not_fit_both() -> None:
    ledger, first, second = hundred(), slot_of(ordered([volume("v1")])), slot_of(ordered([volume("v2")]))
    assert ledger.shortage("a", first) is None
    ledger.take("a", first)
    assert ledger.shortage("b", second) == "not enough disk: need 81Gi, free 19Gi"


def test_a_volume_that_two_have_counts_once() -> None:
    ledger, shared = hundred(), slot_of(ordered([volume("v1")]))
    ledger.take("a", shared)
    assert ledger.shortage("b", shared) is None
    ledger.take("b", shared)
    assert ledger.shortage("c", Slot(1, 1, 18 * GI)) is None
    assert ledger.shortage("c", Slot(1, 1, 19 * GI)) == "not enough disk: need 19Gi, free 18Gi"


def test_a_volume_that_is_made_asks_for_no_room_and_takes_its_own() -> None:
    ledger = hundred()
    ledger.take("a", Slot(1, 1, 90 * GI))
    boots = Slot(1, 1, 0, {"v1": 80 * GI}, frozenset({"v1"}))
    assert ledger.shortage("b", boots) is None
    said = slot_of(ordered([volume("v1")], state="Stopped", createdVolumes=["v1"]))
    assert said.made == slot_of(ordered([volume("v1", created="Created")])).made == {"v1"}
    ledger.release("a")
    assert ledger.shortage("b", said) is None
    ledger.take("b", said)
    assert ledger.shortage("c", Slot(1, 1, 30 * GI)) == "not enough disk: need 30Gi, free 19Gi"


def test_a_volume_that_is_kept_elsewhere_takes_no_room_here() -> None:
    away = volume("v1", location={"nbd": {"host": "192.0.2.1", "port": 10809, "export": "x"}})
    assert slot_of(ordered([away])) == Slot(1, 1, GI)
