"""An Image that is published: who makes it of what, who keeps it, and what it waits for."""

import pytest

from orlop_api.condition import find
from orlop_api.hypervisor import Hypervisor
from orlop_api.image import Image
from orlop_operator.reconcile.hypervisor import HypervisorFacts, is_leaving
from orlop_operator.reconcile.instance.image import assigned
from orlop_operator.reconcile.prepull import LONGEST
from support.publishing import DELETED, DIGEST, EXPORT, LOCAL, NOW, SHARED, World, published


def test_the_node_that_has_the_data_makes_it_and_keeps_it():
    world = World()
    world.look()
    [(node, order)] = world.ordered().items()
    assert node == "n1"
    assert order["origin"] == {
        "volumeUID": "v",
        "location": LOCAL | {"local": order["origin"]["location"]["local"]},
    }
    assert order["source"] == {"published": {"nodeName": "n1"}}
    assert world.says() == ("False", "Importing", "n1 makes it of Volume demo/data")
    world.answer()
    assert world.says()[:2] == ("True", "Published")
    assert world.ordered() == {}, "the order has served"
    assert list(world.ordered("prePulls")) == ["n1"], "and another one keeps the file"
    world.pulled()
    assert (world.status.node_name, world.status.digest) == ("n1", DIGEST)
    assert world.says("Kept") == ("True", "Kept", "n1 keeps it")
    assert world.status.pre_pull is None, "nobody wished for it early"
    told = assigned(Image.model_validate(world.image))
    assert told.source.published.node_name == "n1"


def test_the_file_is_ordered_to_stay_in_every_version_of_the_nodes_object():
    """Between two writes the agent may look, or be killed: one of the orders is always there."""
    world = World()
    world.look()
    seen = []
    host = world.hosts["n1"]

    class Watched(dict):
        def __ior__(self, change):
            self.update(change)
            seen.append((bool(self.get("imports")), bool(self.get("prePulls"))))
            return self

    host["spec"] = Watched(host["spec"])
    world.answer()
    assert seen == [(True, True), (False, True)]


def test_it_is_made_where_a_guest_has_the_volume():
    world = World(location=SHARED)
    world.attach("n2")
    world.look()
    assert list(world.ordered()) == ["n2"]
    world.attach("n1")
    world.look()
    assert list(world.ordered()) == ["n1"], "the guest went elsewhere meanwhile"


def test_shared_data_is_read_by_a_node_that_is_alive():
    world = World(location=SHARED)
    world.alive("n1", "Unknown")
    world.look()
    assert list(world.ordered()) == ["n2"]


def test_a_root_disk_is_made_an_image_where_it_is():
    world = published(of="instance")
    assert (world.status.node_name, world.says()[1]) == ("n2", "Published")
    assert list(world.ordered("prePulls")) == ["n2"]


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {"desired": "Running"}},
        {"status": {"state": "Running"}},
        {"status": {"state": "Starting"}},
        {"status": {"epoch": 0}},
        {"status": {"observedGeneration": 2}},
    ],
)
def test_an_instance_that_may_run_is_waited_for_and_goes_first(change):
    world = World(of="instance")
    before = {part: dict(world.assignment[part]) for part in change}
    for part, fields in change.items():
        world.assignment[part] |= fields
    world.look()
    assert world.ordered() == {}
    waits = (
        "False",
        "InstanceRunning",
        "Instance demo/web is not stopped: set its spec.powerState to Stopped",
    )
    assert world.says() == waits
    world.assignment |= before
    world.look()
    assert list(world.ordered()) == ["n2"]
    for part, fields in change.items():
        world.assignment[part] = world.assignment[part] | fields
    world.look()
    assert world.ordered() == {}, "it was started: its guest comes first"
    assert world.says() == waits


@pytest.mark.parametrize(
    ("of", "change", "reason", "message"),
    [
        ("volume", lambda w: setattr(w, "volume", None), "VolumeNotFound", "Volume demo/data does not exist"),
        (
            "volume",
            lambda w: w.volume["status"].update(conditions=[]),
            "VolumeNotReady",
            "Volume demo/data has no data yet",
        ),
        (
            "volume",
            lambda w: w.volume["metadata"].update(deletionTimestamp=DELETED),
            "VolumeNotReady",
            "Volume demo/data is being deleted",
        ),
        (
            "volume",
            lambda w: w.alive("n1", "Unknown"),
            "NodeUnreachable",
            "n1, which has Volume demo/data, is not Ready",
        ),
        (
            "instance",
            lambda w: setattr(w, "instance", None),
            "InstanceNotFound",
            "Instance demo/web does not exist",
        ),
        (
            "instance",
            lambda w: w.instance["metadata"].update(deletionTimestamp=DELETED),
            "InstanceNotReady",
            "Instance demo/web is being deleted",
        ),
        (
            "instance",
            lambda w: w.assignment["status"].update(rootDisk="Absent"),
            "InstanceNotReady",
            "Instance demo/web has no root disk yet: it never started",
        ),
        (
            "instance",
            lambda w: w.alive("n2", "Unknown"),
            "NodeUnreachable",
            "n2, which has Instance demo/web, is not Ready",
        ),
    ],
)
def test_it_says_what_it_waits_for(of, change, reason, message):
    world = World(of=of)
    change(world)
    world.look()
    assert world.ordered() == {}
    assert world.says() == ("False", reason, message)
    assert find(world.status.conditions, "Stalled") is None


@pytest.mark.parametrize("of", ["volume", "instance"])
def test_what_is_being_deleted_waits_for_a_node_that_is_at_it(of):
    world = World(of=of)
    world.look()
    for thing in (world.volume, world.instance):
        thing["metadata"]["deletionTimestamp"] = DELETED
    world.look()
    assert len(world.ordered()) == 1
    world.answer()
    assert world.says()[:2] == ("True", "Published")


@pytest.mark.parametrize(
    ("of", "what"), [("volume", "volumes demo/data"), ("instance", "instances demo/web")]
)
def test_it_is_made_only_for_who_may_use_what_it_is_of(of, what):
    """The right at creation may be lost, or have been for another object of that name."""
    world = World(of=of)
    world.may = False
    world.look()
    assert world.ordered() == {}
    [question] = world.answers
    assert (question.verb, f"{question.resource} {question.namespace}/{question.name}") == ("use", what)
    assert world.says() == ("False", "Forbidden", f"erin may not use {what}, and made Image demo/golden")
    world.answers.clear()
    world.may = True
    world.look()
    assert len(world.ordered()) == 1
    world.answer()
    world.answers.clear()
    world.may = False
    world.look()
    assert world.says()[:2] == ("True", "Published"), "what was made stays"


def test_it_is_made_for_nobody_who_is_not_recorded():
    world = World()
    del world.image["metadata"]["annotations"]
    world.look()
    assert (world.ordered(), world.says()[1]) == ({}, "NoRequester")


@pytest.mark.parametrize(
    "location", [EXPORT, LOCAL | {"encryption": "LUKS"}], ids=["a server's", "encrypted"]
)
def test_what_must_not_be_copied_is_refused_for_good(location):
    world = World(location=location)
    world.look()
    assert world.ordered() == {}
    assert world.says()[:2] == ("False", "NotSupported")
    assert find(world.status.conditions, "Stalled") is not None


def test_a_volume_of_the_same_name_is_another_one():
    world = World()
    world.look()
    world.volume["metadata"]["uid"] = "w"
    world.look()
    assert world.ordered()["n1"]["origin"]["volumeUID"] == "w"


def test_a_node_that_keeps_as_many_as_it_can_takes_no_more():
    world = World()
    one = {
        "digest": DIGEST,
        "format": "raw",
        "virtualSizeBytes": 1,
        "source": {"published": {"nodeName": "n1"}},
    }
    world.hosts["n1"]["spec"]["prePulls"] = [{"imageUID": f"o{n}", "image": one} for n in range(LONGEST)]
    world.look()
    assert world.ordered() == {}
    assert world.says()[1] == "TooManyImages"


def test_it_says_whether_others_can_have_it():
    world = published()
    world.alive("n1", "Unknown")
    world.look()
    assert world.says()[0] == "True", "what was made stays the Image"
    status, reason, message = world.says("Kept")
    assert (status, reason) == ("False", "NodeUnreachable")
    assert message.startswith("n1, which keeps it, is not Ready")
    world.alive("n1")
    world.pulled("Failed", reason="CopyLost", message="gone")
    assert world.says("Kept")[:2] == ("False", "CopyLost")
    world.pulled()
    del world.hosts["n1"]["status"]["imagePeer"]
    world.look()
    assert world.says("Kept")[:2] == ("False", "PeersDisabled")
    host = world.hosts.pop("n1")
    world.look()
    assert world.says("Kept")[:2] == ("False", "NodeNotFound")
    host["spec"] = {}
    world.hosts["n1"] = host
    world.look()
    assert list(world.ordered("prePulls")) == ["n1"], "a node that comes back is told again to keep it"


def test_a_wish_for_other_nodes_comes_on_top_and_goes_again():
    world = published(prePull={})
    assert sorted(world.ordered("prePulls")) == ["n1", "n2"]
    world.pulled()
    assert (world.status.pre_pull.selected, world.status.pre_pull.present) == (2, 2)
    del world.image["spec"]["prePull"]
    world.look()
    assert list(world.ordered("prePulls")) == ["n1"]
    assert world.status.pre_pull is None


def test_a_hypervisor_that_keeps_one_outlives_its_label():
    world = published()
    host = Hypervisor.model_validate(world.hosts["n1"])
    facts = {"name": "n1", "now": NOW, "hypervisor": host, "silent_for": 1.0}
    assert not is_leaving(HypervisorFacts(**facts, images={"u"}))
    assert is_leaving(HypervisorFacts(**facts, images=()))
