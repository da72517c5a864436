"""Orders to make an Image of a disk: what takes one back, whom it keeps waiting, and which answer counts."""

from datetime import timedelta

import pytest

from orlop_api.assigned_image import AssignedImage
from orlop_api.flavor import Flavor
from orlop_api.hypervisor import Hypervisor
from orlop_api.image import Image
from orlop_api.instance import Instance
from orlop_api.peer import ImagePeer
from orlop_operator.kinds import HYPERVISOR, IMAGE
from orlop_operator.protocol import AskScheduler
from orlop_operator.reconcile.copies import published_as
from orlop_operator.reconcile.hypervisor import HypervisorFacts, is_leaving
from orlop_operator.reconcile.instance.facts import Facts
from orlop_operator.reconcile.instance.image import assigned
from orlop_operator.reconcile.instance.schedule import request
from orlop_operator.reconcile.instance.volumes import Disks, resolve
from orlop_operator.reconcile.slots import LONGEST
from orlop_operator.store import Store
from support.publishing import NOW, World, published


@pytest.mark.parametrize("of", ["volume", "instance"])
def test_a_retry_asks_again_for_the_right(of):
    world = World(of=of)
    world.look()
    world.answer("Failed", reason="DiskFull", message="full")
    assert world.says()[1] == "DiskFull"
    world.answers.clear()
    world.may = False
    world.look()
    assert world.answers == {}, "not before it is due"
    world.failed_for = 3600.0
    world.look()
    assert len(world.answers) == 1
    assert (world.ordered(), world.says()[1]) == ({}, "Forbidden")


def test_a_retry_is_another_order_and_waits_longer():
    world = World()
    world.look()
    [first] = world.ordered().values()
    world.answer("Failed", reason="DiskFull", message="full")
    assert world.says()[2] == "full; tried again every 10 s"
    world.failed_for = 10.0
    world.look()
    [second] = world.ordered().values()
    assert second["generation"] == first["generation"] + 1
    world.failed_for = 0.0
    world.answer("Failed", reason="DiskFull", message="full")
    assert world.says()[2] == "full; tried again every 20 s"


def test_an_answer_about_another_volume_does_not_count():
    world = World()
    world.look()
    [first] = world.ordered().values()
    world.volume["metadata"]["uid"] = "w"
    world.now += timedelta(seconds=1)
    world.look()
    [second] = world.ordered().values()
    assert (first["origin"]["volumeUID"], second["origin"]["volumeUID"]) == ("v", "w")
    world.answer(generation=first["generation"])
    assert world.status.digest is None
    assert world.says()[1] == "Importing"
    world.answer()
    assert world.says()[1] == "Published"


def test_a_volume_that_is_put_back_is_waited_for():
    world = World()
    world.volume["spec"]["restore"] = {"snapshotRef": {"name": "monday"}}
    world.look()
    assert world.ordered() == {}
    waits = "Volume demo/data is to be put back to VolumeSnapshot demo/monday first"
    assert world.says() == ("False", "VolumeRestoring", waits)


def test_a_restore_waits_for_a_node_that_is_at_it_and_one_that_began_does_not():
    world = World()
    world.look()
    world.volume["spec"]["restore"] = {"snapshotRef": {"name": "monday"}}
    world.look()
    assert list(world.ordered()) == ["n1"]
    begun = {"snapshotRef": {"name": "monday"}, "snapshotUID": "s", "generation": 1, "sizeBytes": 1}
    begun["location"] = world.volume["status"]["location"]
    world.volume["status"]["restoring"] = begun
    world.look()
    assert (world.ordered(), world.says()[1]) == ({}, "VolumeRestoring")


def test_what_failed_keeps_neither_its_volume_nor_a_restore():
    world = World()
    world.look()
    assert _waited_for(world) == "Image demo/golden"
    world.answer("Pulling")
    assert _waited_for(world) == "Image demo/golden"
    world.answer("Failed", reason="DiskFull", message="full")
    assert _waited_for(world) == ""


def _waited_for(world: World) -> str:
    store = Store()
    store.reset(IMAGE, [Image.model_validate(world.image)], 1)
    store.reset(HYPERVISOR, [Hypervisor.model_validate(host) for host in world.hosts.values()], 1)
    return published_as(store, "v")


def test_a_hypervisor_that_makes_one_outlives_its_label():
    world = World()
    world.look()
    host = Hypervisor.model_validate(world.hosts["n1"])
    facts = {"name": "n1", "now": NOW, "hypervisor": host, "silent_for": 1.0}
    assert not is_leaving(HypervisorFacts(**facts, images={"u"}))
    assert is_leaving(HypervisorFacts(**facts, images=()))


def test_who_waits_for_its_own_node_stands_in_nobodys_way():
    world = World()
    plain = {"source": {"http": {"url": "https://a.example/b"}}}
    world.hosts["n1"]["spec"]["imports"] = [{"imageUID": f"o{n}", **plain} for n in range(LONGEST)]
    plan = world.look()
    assert world.says()[1] == "ImportsFull"
    assert not plan.waits
    assert plan.again_after is not None, "nobody calls it"


def test_an_instance_goes_where_its_image_can_be_had():
    world = published()
    assert _not_given(world) == ""
    world.alive("n1", "Unknown")
    world.look()
    assert _not_given(world) == "NodeUnreachable"
    assert _not_given(world, AskScheduler(only="n2")) == "", "what has a disk there has its image below it"
    other = ImagePeer(node_name="n3", address="192.0.2.3", port=9444)
    assert _not_given(world, others=(other,)) == "", "it was taken from there before"
    world.image["status"]["conditions"] = [
        c for c in world.image["status"]["conditions"] if c["type"] != "Kept"
    ]
    assert _not_given(world) == "Pending", "it is Ready a moment before it says so"


ANYWHERE = AskScheduler()


def _not_given(world: World, asked: AskScheduler = ANYWHERE, others: tuple[ImagePeer, ...] = ()) -> str:
    image = Image.model_validate(world.image)
    spec = {"flavorName": "small", "boot": {"imageRef": {"name": "golden"}}}
    meta = {"name": "web", "namespace": "demo", "uid": "i", "generation": 1}
    flavor = {"metadata": {"name": "small"}, "spec": {"vcpus": 1, "memory": "256Mi", "rootDisk": "5Gi"}}
    facts = Facts(
        Instance.model_validate({"metadata": meta, "spec": spec}),
        NOW,
        flavor=Flavor.model_validate(flavor),
        image=image,
        peers=lambda *_: others,
    )
    found, disks = assigned(image), resolve(facts)
    assert isinstance(found, AssignedImage)
    assert isinstance(disks, Disks)
    return request(facts, asked, found, disks).not_given
