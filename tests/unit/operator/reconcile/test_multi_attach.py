"""A Volume that several Instances have: who may, where, what happens to it meanwhile."""

from typing import Any

import pytest

from orlop_api.snapshot import VolumeSnapshot
from orlop_api.volume import MOST_ATTACHMENTS, Volume
from orlop_operator.reconcile.location import who_has
from orlop_operator.reconcile.snapshot import SnapshotFacts, plan_snapshot
from support.attaching import NOW, Attaching

LOCAL = {"driver": "local", "local": {"format": "raw"}, "multiAttach": "Enabled"}
SHARED = {"driver": "shared", "shared": {"pool": "nfs", "format": "raw"}, "multiAttach": "Enabled"}


def has(world: Attaching) -> list[str]:
    return [held["instanceName"] for held in world.status().get("attachments", [])]


def test_both_have_it_and_both_orders_say_that_others_may_write():
    world = Attaching(SHARED, a="n1", b="n2")
    for name in ("a", "b"):
        world.user_lists(name)
    world.goes_on()
    assert has(world) == ["a", "b"]
    assert world.domains == {"a", "b"}
    told = [order["spec"]["volumes"][0] for order in world.orders.values()]
    assert [(volume["multiAttach"], volume["attachment"]) for volume in told] == [
        ("Enabled", 1),
        ("Enabled", 2),
    ]
    assert world.status()["attachmentGeneration"] == 2


def test_a_volume_that_a_node_serves_keeps_the_class_s_word():
    served = {"hypervisorName": "n1"}
    iscsi = {"host": "10.0.0.1", "targetName": "iqn.2026-05.dev.orlop:{uid}", "lun": 1, "tgt": served}
    world = Attaching({"driver": "iscsi", "iscsi": iscsi, "multiAttach": "Enabled"}, a="n1", b="n2")
    for name in ("a", "b"):
        world.user_lists(name)
    world.goes_on()
    assert world.status()["multiAttach"] == "Enabled"
    assert has(world) == ["a", "b"]


def test_without_the_class_s_word_there_is_one():
    world = Attaching(SHARED | {"multiAttach": "Disabled"}, a="n1", b="n2")
    world.user_lists("a")
    world.goes_on()
    # Nor with the word of a class that was made in its place.
    world.kept_by["spec"] = SHARED
    world.user_lists("b")
    world.goes_on()
    assert has(world) == ["a"]
    assert world.instance_look("b") == "Volume demo/data is attached to Instance demo/a"


def test_one_lets_go_and_the_other_keeps_it():
    world = Attaching(SHARED, a="n1", b="n2")
    for name in ("a", "b"):
        world.user_lists(name)
    world.goes_on()
    world.user_unlists("a")
    world.instance_look("a")
    assert has(world) == ["a", "b"], "not before its node said that it is gone"
    world.goes_on()
    assert (has(world), world.domains) == (["b"], {"b"})
    assert world.ready() == ("True", "Created")


@pytest.mark.parametrize("made", [True, False], ids=["made", "not yet"])
def test_a_node_s_own_pool_keeps_all_of_them_there(made: bool):
    world = Attaching(LOCAL, a="n1", b="n2", c="n1")
    world.user_lists("a")
    world.instance_look("a")
    if made:
        world.goes_on()
    for name in ("b", "c"):
        world.user_lists(name)
    assert world.instance_look("b") == "the data of Volume demo/data is on n1, and the Instance on n2"
    world.goes_on()
    assert has(world) == ["a", "c"]
    assert world.files == {"n1"}


def test_no_more_than_sixteen():
    names = [f"i{number}" for number in range(MOST_ATTACHMENTS + 1)]
    world = Attaching(SHARED, **dict.fromkeys(names, "n1"))
    for name in names:
        world.user_lists(name)
        last = world.instance_look(name)
    assert len(has(world)) == MOST_ATTACHMENTS
    assert last == "Volume demo/data is attached to 16 Instances, and no more may have it at once"


def test_who_was_told_of_a_conflict_does_not_free_what_was_claimed_anew():
    """An operator that read the Volume anew, and knows the Instance and its order as they were."""
    world = Attaching(SHARED, a="n1", b="n2")
    world.user_lists("a")
    world.goes_on()
    world.user_unlists("a")
    for _ in range(2):
        world.instance_look("a")
        world.node_attaches("a")
        world.node_answers("a")
    before = {"instance": world.instances["a"], "order": world.orders["a"]}
    world.user_lists("a")
    world.instance_look("a")  # claimed anew, and listed
    now = {"instance": world.instances["a"], "order": world.orders["a"]}
    assert has(world) == ["a"]
    world.instances["a"], world.orders["a"] = before["instance"], before["order"]
    world.instance_look("a")
    world.instances["a"], world.orders["a"] = now["instance"], now["order"]
    assert has(world) == ["a"]


def test_it_grows_with_the_slowest():
    world = Attaching(SHARED, a="n1", b="n2")
    for name in ("a", "b"):
        world.user_lists(name)
    world.goes_on()
    assert world.volume is not None
    world.volume["spec"]["size"] = "2Gi"
    for name in ("a", "b"):
        world.instance_look(name)
    sizes = world.orders["a"]["status"]["volumeSizes"]
    sizes[0]["sizeBytes"] = 2 << 30
    world.volume_look()
    assert world.status()["capacityBytes"] == 1 << 30
    told = "1Gi grow to 2Gi on n1 and n2, by Instances demo/a and demo/b; their VolumesReady says more"
    assert world.message("Resizing") == told
    world.orders["b"]["status"]["volumeSizes"] = sizes
    world.volume_look()
    assert world.status()["capacityBytes"] == 2 << 30


def test_a_deleted_one_waits_for_all():
    world = Attaching(SHARED, a="n1", b="n2")
    for name in ("a", "b"):
        world.user_lists(name)
    world.goes_on()
    world.user_deletes()
    world.volume_look()
    who = "Instances demo/a and demo/b"
    assert world.message() == f"being deleted; waits until {who} do not list it any more, or are gone"
    world.user_unlists("a")
    world.goes_on()
    assert (
        world.message() == "being deleted; waits until Instance demo/b does not list it any more, or is gone"
    )
    world.user_unlists("b")
    world.goes_on()
    world.volume_look()
    assert world.volume is None
    assert not world.files


def test_it_is_kept_only_while_nobody_has_it():
    world = Attaching(SHARED, a="n1")
    world.user_lists("a")
    world.goes_on()
    spec = {"volumeRef": {"name": "data"}}
    snapshot = VolumeSnapshot.model_validate(
        {"metadata": {"name": "s", "namespace": "demo", "uid": "s"}, "spec": spec}
    )

    def plan() -> Any:
        hosts = tuple(world.host(name) for name in world.hosts)
        (effect,) = plan_snapshot(
            SnapshotFacts(snapshot, NOW, Volume.model_validate(world.volume), hosts)
        ).effects
        return effect

    said = plan()
    message = (
        "Volume demo/data may be written to by several guests: "
        "it is kept once nobody has it, and Instance demo/a has it"
    )
    assert said.status["message"] == message
    world.user_unlists("a")
    world.goes_on()
    assert plan().change["spec"]["storage"][0]["action"] == "Snapshot"


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (1, "Instance demo/i0"),
        (2, "Instances demo/i0 and demo/i1"),
        (3, "Instances demo/i0, demo/i1 and demo/i2"),
        (5, "Instances demo/i0, demo/i1 and 3 more"),
    ],
)
def test_a_sentence_names_a_few(count: int, said: str):
    world = Attaching(SHARED, **{f"i{number}": "n1" for number in range(count)})
    for name in world.instances:
        world.user_lists(name)
        world.instance_look(name)
    assert who_has(Volume.model_validate(world.volume)) == said
