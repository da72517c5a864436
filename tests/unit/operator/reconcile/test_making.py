"""A Volume that a node makes and serves: ordered with what it begins as, once that node can read it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from orlop_api.hypervisor import Hypervisor
from orlop_api.image import Image
from orlop_api.instance import VolumeMount
from orlop_api.requester import Requester
from orlop_api.snapshot import VolumeSnapshot
from orlop_api.volume import Volume
from orlop_api.volume_class import VolumeClass
from orlop_operator.reconcile.effects import Ask, Patch
from orlop_operator.reconcile.instance.facts import DiskFacts
from orlop_operator.reconcile.volume import VolumeFacts, plan_volume

NOW = datetime(2026, 5, 1, tzinfo=UTC)
READY = [{"type": "Ready", "status": "True", "reason": "Created"}]
UNIT = {"host": "h", "port": 3260, "target": "iqn.2026-01.dev.orlop:u-new", "lun": 1}
SERVED = {"iscsi": UNIT | {"tgt": {"hypervisorName": "n1"}}}
OTHERS = {"iscsi": UNIT | {"tgt": {"hypervisorName": "n2"}}}
KEPT = {"format": "qcow2", "preallocation": "Off"}
LOCAL, SHARED = {"local": KEPT}, {"shared": {"pool": "nfs", "poolID": "p"} | KEPT}
CEPH = {"rbd": {"monitors": [{"host": "c"}], "pool": "vms", "imageName": "{uid}"}}
SNAPSHOT, VOLUME, IMAGE = (
    {"snapshotRef": {"name": "s"}},
    {"volumeRef": {"name": "v"}},
    {"imageRef": {"name": "i"}},
)
SPEC = {"driver": "iscsi", "iscsi": {"host": "h", "tgt": {"hypervisorName": "n1"}}}
CLASS = VolumeClass.model_validate({"metadata": {"name": "c"}, "spec": SPEC})


def meta(name: str) -> dict:
    return {"name": name, "namespace": "demo", "uid": f"u-{name}"}


def image() -> Image:
    status = {"digest": "sha256:" + "ab" * 32, "format": "qcow2", "sizeBytes": 1, "virtualSizeBytes": 1 << 20}
    source = {"http": {"url": "https://images.example/a"}}
    body = {"metadata": meta("i"), "spec": {"source": source}, "status": status | {"conditions": READY}}
    return Image.model_validate(body)


def snapshot(location: dict, **status: Any) -> VolumeSnapshot:
    body = {"location": location, "sizeBytes": 1 << 20, "conditions": READY} | status
    return VolumeSnapshot.model_validate(
        {"metadata": meta("s"), "spec": {"volumeRef": {"name": "v"}}, "status": body}
    )


def volume(location: dict, **status: Any) -> Volume:
    spec = {"size": "1Mi", "className": "c"}
    body = {"location": location, "conditions": READY} | status
    return Volume.model_validate({"metadata": meta("v"), "spec": spec, "status": body})


def held(node: str) -> list[dict]:
    return [{"instanceName": "w", "instanceUID": "w", "nodeName": node}]


class World:
    """The Volume, what it begins as, and the node that serves it."""

    def __init__(self, source: dict | None, **origin: Any) -> None:
        metadata = meta("new") | {"annotations": Requester("erin").annotations()}
        self.volume: dict = {"metadata": metadata, "spec": {"size": "1Gi", "className": "c"}}
        if source is not None:
            self.volume["spec"]["source"] = source
        self.origin = origin
        pools = [{"name": "nfs", "poolID": "p"}]
        self.host: dict = {
            "metadata": {"name": "n1"},
            "spec": {},
            "status": {"poolID": "p1", "sharedPools": pools},
        }
        self.answers: dict = {}
        self.says = True

    def look(self) -> None:
        for _ in range(10):
            made = Volume.model_validate(self.volume)
            mount = VolumeMount.model_validate({"name": "d", "volumeRef": {"name": "new"}})
            uids = [thing.metadata.uid for thing in self.origin.values()]
            facts = VolumeFacts(
                made,
                NOW,
                CLASS,
                hypervisor=Hypervisor.model_validate(self.host),
                origin_uid=uids[0] if uids else None,
                begins=DiskFacts(mount, made, CLASS, **self.origin)
                if "source" in self.volume["spec"]
                else None,
                answers=self.answers,
            )
            effects = plan_volume(facts).effects
            if not effects:
                return
            for effect in effects:
                match effect:
                    case Ask(question):
                        self.answers[question] = self.says
                    case Patch() if "status" in effect.change:
                        self.volume["status"] = self.volume.get("status", {}) | effect.change["status"]
                    case Patch():
                        self.host["spec"] |= effect.change["spec"]
                    case _:
                        raise AssertionError(effect)
        raise AssertionError("it wants something for ever")

    @property
    def orders(self) -> list[dict]:
        return list(self.host["spec"].get("storage", []))

    def answer(self, **said: Any) -> None:
        [order] = self.orders
        self.host["status"]["storage"] = [
            {"uid": order["uid"], "action": order["action"], "state": "Done"} | said
        ]

    @property
    def ready(self) -> tuple[str, str]:
        ready = next(c for c in self.volume["status"]["conditions"] if c["type"] == "Ready")
        return ready["status"], ready["reason"]


def test_one_that_begins_empty():
    world = World(None)
    world.look()
    [order] = world.orders
    assert (order["action"], "origin" in order, order["sizeBytes"]) == ("Create", False, 1 << 30)
    world.answer(sizeBytes=1 << 30)
    world.look()
    assert (world.ready, world.orders) == (("True", "Created"), [])


@pytest.mark.parametrize(
    ("source", "origin", "begins"),
    [
        (SNAPSHOT, {"snapshot": snapshot(SERVED, nodeName="n1", poolID="p1")}, ("u-s", SERVED, None)),
        (SNAPSHOT, {"snapshot": snapshot(LOCAL, nodeName="n1", poolID="p1")}, ("u-s", LOCAL, None)),
        (SNAPSHOT, {"snapshot": snapshot(SHARED)}, ("u-s", SHARED, None)),
        (VOLUME, {"origin": volume(SERVED)}, ("u-v", SERVED, None)),
        (VOLUME, {"origin": volume(SERVED, attachments=held("n2"))}, ("u-v", SERVED, "n2")),
        (VOLUME, {"origin": volume(SERVED, attachments=held("n1"))}, ("u-v", SERVED, None)),
        (VOLUME, {"origin": volume(LOCAL, nodeName="n1", attachments=held("n1"))}, ("u-v", LOCAL, None)),
    ],
)
def test_one_that_begins_as_something(source: dict, origin: dict, begins: tuple):
    world = World(source, **origin)
    world.look()
    [order] = world.orders
    told = order["origin"]
    assert (order["action"], order["sizeBytes"]) == ("Restore", 1 << 30)
    assert (told["volumeUID"], told["location"], told.get("heldBy")) == begins
    assert world.volume["status"]["originUID"] == begins[0]
    assert world.ready == ("False", "Making")
    world.answer(sizeBytes=1 << 30)
    world.look()
    assert (world.ready, world.orders) == (("True", "Created"), [])
    assert world.volume["status"]["capacityBytes"] == 1 << 30


def test_one_that_begins_as_an_image_keeps_it():
    world = World(IMAGE, image=image())
    world.look()
    [order] = world.orders
    assert (
        order["origin"]["image"]["digest"]
        == world.volume["status"]["image"]["digest"]
        == image().status.digest
    )
    world.origin = {}
    world.look()
    assert world.orders == [order], "the Image may be gone: what it was is written on the Volume"


@pytest.mark.parametrize(
    ("source", "origin", "where"),
    [
        (
            SNAPSHOT,
            {"snapshot": snapshot(LOCAL, nodeName="n2", poolID="p2")},
            "VolumeSnapshot demo/s is on n2",
        ),
        (VOLUME, {"origin": volume(LOCAL, nodeName="n2")}, "Volume demo/v is on n2"),
        (VOLUME, {"origin": volume(SHARED, attachments=held("n2"))}, "Volume demo/v is on n2"),
        (VOLUME, {"origin": volume(OTHERS)}, "Volume demo/v is on n2"),
        (
            SNAPSHOT,
            {"snapshot": snapshot({"shared": {"pool": "nfs", "poolID": "q"}})},
            "what it begins as is in shared pool nfs",
        ),
        (VOLUME, {"origin": volume(CEPH)}, "what it begins as is in Ceph"),
    ],
)
def test_what_its_node_cannot_read(source: dict, origin: dict, where: str):
    world = World(source, **origin)
    world.look()
    assert (world.ready, world.orders) == (("False", "SourceElsewhere"), [])
    [ready] = (c for c in world.volume["status"]["conditions"] if c["type"] == "Ready")
    assert ready["message"] == (
        f"{where}, and n1, which makes this Volume, cannot read it: it can begin as an Image, or as what is on n1 or in"
        " a shared pool there"
    )
    assert "location" not in world.volume["status"], "nothing is made"


def test_a_pool_that_is_another_now_has_lost_it():
    world = World(SNAPSHOT, snapshot=snapshot(LOCAL, nodeName="n1", poolID="another"))
    world.look()
    assert (world.ready, world.orders) == (("False", "PoolChanged"), [])


def test_who_may_not_use_it_gets_no_copy_and_one_that_is_being_made_is_given_up():
    world = World(VOLUME, origin=volume(SERVED))
    world.look()
    assert len(world.orders) == 1
    world.answers = dict.fromkeys(world.answers, False)
    world.look()
    assert (world.ready, world.orders) == (("False", "Forbidden"), [])


def test_a_guest_that_gets_the_origin_meanwhile_is_asked():
    world = World(VOLUME, origin=volume(SERVED))
    world.look()
    world.origin = {"origin": volume(SERVED, attachments=held("n2"))}
    world.look()
    [order] = world.orders
    assert order["origin"]["heldBy"] == "n2"


def test_what_the_node_cannot_make_is_told():
    world = World(VOLUME, origin=volume(SERVED))
    world.look()
    world.answer(state="Failed", reason="DiskLost", message="it is not there")
    world.look()
    assert world.ready == ("False", "DiskLost")
    [ready] = (c for c in world.volume["status"]["conditions"] if c["type"] == "Ready")
    assert ready["message"] == "n1 cannot make the data: it is not there"


def test_another_object_with_the_name_is_not_what_was_meant():
    world = World(VOLUME, origin=volume(OTHERS))
    world.look()
    other = volume(SERVED)
    world.origin = {
        "origin": other.model_copy(update={"metadata": other.metadata.model_copy(update={"uid": "u-w"})})
    }
    world.look()
    assert (world.ready, world.orders) == (("False", "SourceReplaced"), [])
