"""A Volume is put back once for each wish, while nobody has it, and nothing of it is lost or left."""

import random
from typing import Any

import pytest

from orlop_api.condition import find
from orlop_api.volume import Volume
from orlop_operator.reconcile import restore
from support.restoring import KEPT, Restoring


@pytest.fixture(params=[False, True], ids=["local", "shared"])
def world(request: pytest.FixtureRequest) -> Restoring:
    return Restoring(shared=request.param)


def status(world: Restoring) -> dict[str, Any]:
    found: dict[str, Any] = world.volume["status"]
    return found


def said(world: Restoring, kind: str = "Restoring") -> tuple[str, str] | None:
    volume = Volume.model_validate(world.volume)
    assert volume.status is not None
    condition = find(volume.status.conditions, kind)
    return None if condition is None else (condition.reason, condition.message)


def operator(world: Restoring, name: str | None = None) -> None:
    """The first operator hears everything and looks until nothing is left."""
    for _ in range(20):
        for key in world.things:
            world.hears(0, key)
        if not world.looks(0, name):
            return
    raise AssertionError("it wants something for ever")


def orders(world: Restoring) -> list[str]:
    return [order["action"] for order in world.things["host", "n1"]["spec"].get("storage", [])]


def test_it_is_made_beside_then_pointed_at_then_the_old_goes(world: Restoring):
    world.files[0] = world.expected = "spoilt"
    world.user_restores()
    operator(world)
    assert (orders(world), world.files) == (["Restore"], {0: "spoilt"})
    assert said(world) == ("Restoring", "n1 puts it back to VolumeSnapshot demo/moment")
    world.node_obeys("n1")
    assert world.files == {0: "spoilt", 1: KEPT}
    operator(world)
    assert status(world)["location"]["generation"] == 1
    assert status(world)["restored"]["snapshotUID"] == "s"
    assert (orders(world), "restoring" in status(world), said(world)) == (["Discard"], False, None)
    world.node_obeys("n1")
    operator(world)
    assert (orders(world), world.files, status(world)["leftovers"]) == ([], {1: KEPT}, [])
    world.files[1] = "written since"
    operator(world)
    world.node_obeys("n1")
    assert world.files == {1: "written since"}, "once for each wish"
    world.user_restores()
    world.settles()
    assert world.files == {2: KEPT}, "a new value is a new wish"


def test_a_wish_without_requested_at_ends_too(world: Restoring):
    world.user_restores()
    world.settles()
    world.user_restores(again=False)
    world.settles()
    assert "requestedAt" not in status(world)["restored"]
    assert (world.files, status(world)["restores"]) == ({2: KEPT}, 2)


def test_a_guest_that_has_it_is_waited_for_and_no_other_one_gets_it_before(world: Restoring):
    world.user_lists("web", listed=True)
    operator(world, "web")
    world.node_follows("web")
    world.user_restores()
    operator(world)
    assert said(world) == ("WaitsForInstance", "waits until Instance demo/web does not have it any more")
    assert (said(world, "Ready"), orders(world)) == (("Created", "the data exists"), [])
    world.user_lists("web", listed=False)
    operator(world, "web")
    world.node_follows("web")
    operator(world, "web")
    world.user_lists("other", listed=True)
    operator(world, "other")
    assert not status(world).get("attachments"), "what is due comes first"
    operator(world)
    world.node_obeys("n1")
    operator(world)
    operator(world, "other")
    world.node_follows("other")
    assert world.domains == {"other": 1}


def test_a_claim_and_a_restore_exclude_each_other(world: Restoring):
    """Two operators at the same moment, each sure that the Volume is free."""
    for first, second in (("other", None), (None, "other")):
        each = Restoring(shared=world.shared)
        each.user_lists("other", listed=True)
        each.user_restores()
        for key in each.things:
            each.hears(1, key)
        each.caches[0] = dict(each.caches[1])
        if first == "other":
            # This one has not heard of the wish yet.
            old = each.caches[0]["volume", "data"]
            each.caches[0]["volume", "data"] = {**old, "spec": {**old["spec"], "restore": None}}
        each.looks(0, first)
        each.looks(1, second)
        assert bool(status(each).get("attachments")) != ("restoring" in status(each))


def test_what_is_given_up_leaves_nothing(world: Restoring):
    world.user_restores()
    operator(world)
    world.node_obeys("n1", says=False)
    assert 1 in world.files
    world.user_restores(give_up=True)
    world.settles()
    assert (world.files, orders(world), status(world)["leftovers"]) == ({0: "at first"}, [], [])
    assert "restored" not in status(world)
    world.user_restores()
    world.settles()
    assert world.files == {2: KEPT}, "a generation that was given up is never used again"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (None, "VolumeSnapshotNotFound"),
        ({"conditions": []}, "VolumeSnapshotNotReady"),
        ({"volumeUID": "another"}, "OtherVolume"),
    ],
)
def test_what_it_waits_for(world: Restoring, change: dict[str, Any] | None, reason: str):
    snapshot = world.things["snapshot", "moment"]
    if change is None:
        del world.things["snapshot", "moment"]
        del world.caches[0]["snapshot", "moment"]
    else:
        snapshot["status"] |= change
    world.user_restores()
    operator(world)
    found = said(world)
    assert found is not None
    assert found[0] == reason
    assert found[1]
    world.user_lists("other", listed=True)
    operator(world, "other")
    assert not status(world).get("attachments")
    world.user_restores(give_up=True)
    operator(world, "other")
    assert status(world).get("attachments"), "taking the wish away gives it up"


def test_a_server_keeps_what_it_has():
    world = Restoring(shared=False)
    world.volume["status"]["location"] = {"nbd": {"host": "h", "port": 1, "export": "e"}}
    world.user_restores()
    operator(world)
    message = "Volume demo/data is kept by a server, and only that can put it back: take spec.restore away"
    assert said(world) == ("NotSupported", message)


def test_what_cannot_be_done_is_told_and_nothing_was_touched(world: Restoring):
    world.user_restores()
    operator(world)
    report = {"uid": "v", "action": "Restore", "generation": 1, "state": "Failed", "reason": "DiskLost"}
    host = world.things["host", "n1"]
    world._write(
        ("host", "n1"), status=host["status"] | {"storage": [report | {"message": "it is not there"}]}
    )
    operator(world)
    assert said(world) == (
        "DiskLost",
        "n1 cannot put it back to VolumeSnapshot demo/moment: it is not there; take spec.restore away, or name another",
    )
    assert world.files == {0: "at first"}


def test_an_answer_to_another_restore_says_nothing(world: Restoring):
    world.user_restores()
    operator(world)
    world.node_obeys("n1")
    old = world.things["host", "n1"]["status"]["storage"]
    world.user_restores(give_up=True)
    world.settles()
    world.user_restores()
    operator(world)
    host = world.things["host", "n1"]
    world._write(("host", "n1"), status=host["status"] | {"storage": old})
    operator(world)
    assert ("generation" in status(world)["location"], world.files) == (False, {0: "at first"})


def test_a_lost_node_hands_the_restore_on_and_does_no_harm_when_it_comes_back():
    world = Restoring(shared=True)
    world.user_restores()
    operator(world)
    late = world.things["host", "n1"]["spec"]["storage"]
    lost = [{"type": "Ready", "status": "Unknown", "reason": "NodeUnreachable"}]
    world._write(("host", "n1"), status=world.things["host", "n1"]["status"] | {"conditions": lost})
    operator(world)
    assert (orders(world), len(world.things["host", "n2"]["spec"]["storage"])) == ([], 1)
    world.node_obeys("n2")
    operator(world)
    world.files[1] = "written since"
    world._write(("host", "n1"), spec={"storage": late})
    world.node_obeys("n1", says=False)
    assert world.files[1] == "written since"


def leave(world: Restoring, state: str, **said: str) -> None:
    host = world.things["host", "n1"]
    said |= {"uid": "v", "action": "Discard", "state": state}
    world._write(("host", "n1"), status=host["status"] | {"storage": [said]})


def test_a_restore_that_is_due_says_that_it_waits_for_what_was_replaced(world: Restoring):
    world.user_restores()
    operator(world)
    world.node_obeys("n1")
    operator(world)
    leave(world, "Failed", message="the pool is read-only")
    world.user_restores()
    operator(world)
    assert said(world) == (restore.WAITS, "waits for n1 to delete what was replaced: the pool is read-only")
    world.settles()
    assert (world.files, said(world)) == ({2: KEPT}, None)


def test_growth_is_told_while_what_was_replaced_waits_to_go(world: Restoring):
    world.user_restores()
    operator(world)
    world.node_obeys("n1")
    operator(world)
    leave(world, "Pending")
    world._write(("volume", "data"), spec=world.volume["spec"] | {"size": "2Gi"})
    operator(world)
    assert said(world, "Resizing") == (restore.WAITS, "grows to 2Gi once what a restore replaced is deleted")
    world.node_obeys("n1")
    operator(world)
    assert orders(world) == ["Expand"]


def retained(world: Restoring) -> None:
    meta = world.volume["metadata"] | {"deletionTimestamp": "2026-05-01T12:00:00Z"}
    world._write(("volume", "data"), spec=world.volume["spec"] | {"reclaimPolicy": "Retain"}, metadata=meta)


@pytest.mark.parametrize("pointed_at", [True, False], ids=["replaced", "not finished"])
def test_data_that_is_kept_is_kept_alone(world: Restoring, pointed_at: bool):
    world.user_restores()
    operator(world)
    world.node_obeys("n1", says=pointed_at)
    operator(world)
    assert world.files.keys() == {0, 1}
    retained(world)
    operator(world)
    assert (world.let_go, orders(world)) == (False, ["Discard"])
    assert said(world, "Ready") == ("Deleting", "being deleted; waits for n1 to delete what was replaced")
    world.node_obeys("n1")
    operator(world)
    assert (world.let_go, world.files) == (True, {1: KEPT} if pointed_at else {0: "at first"})


def test_data_that_is_kept_waits_for_no_node_that_is_not_there():
    world = Restoring(shared=False)
    world.user_restores()
    operator(world)
    retained(world)
    del world.things["host", "n1"]
    world.caches[0].pop(("host", "n1"))
    operator(world)
    assert world.let_go


@pytest.mark.parametrize("seed", range(60))
def test_whoever_is_late_or_ends_nothing_is_lost_or_left(world: Restoring, seed: int):
    dice = random.Random(seed)
    for _ in range(250):
        world.at_random(dice)
    for name in ("web", "other"):
        world.user_lists(name, listed=False)
    world.settles()
    generation = status(world)["location"].get("generation", 0)
    assert world.files == {generation: world.expected}
    assert status(world).get("leftovers", []) == []
    wanted = world.volume["spec"].get("restore")
    if wanted is not None:
        assert status(world)["restored"].get("requestedAt") == wanted.get("requestedAt")
    assert [
        host["spec"].get("storage", []) for (kind, _), host in world.things.items() if kind == "host"
    ] == [[] for (kind, _) in world.things if kind == "host"]
