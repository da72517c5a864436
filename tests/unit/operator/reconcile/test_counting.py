"""What objects count for in a Quota, and what they may do before they have it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from orlop_api.floating_ip import FloatingIP
from orlop_api.image import Image
from orlop_api.quota import Hold, Quota
from orlop_api.snapshot import VolumeSnapshot
from orlop_api.volume import Volume
from orlop_api.volume_class import VolumeClass
from orlop_operator.kinds import OwnedPort
from orlop_operator.reconcile.counting import (
    UNLIMITED,
    Counted,
    Standing,
    asker,
    is_being_taken,
    size_reserved,
    standing,
)
from orlop_operator.reconcile.effects import Patch, Report
from orlop_operator.reconcile.floating_ip import FloatingFacts, plan_floating_ip
from orlop_operator.reconcile.image import ImageFacts, plan_image
from orlop_operator.reconcile.port import PortFacts, plan_port
from orlop_operator.reconcile.snapshot import SnapshotFacts, plan_snapshot
from orlop_operator.reconcile.volume import VolumeFacts, plan_volume
from orlop_operator.reserving import Asker, reserve

NOW = datetime(2026, 5, 1, tzinfo=UTC)
GIB = 1 << 30
READY = [{"type": "Ready", "status": "True", "reason": "Created"}]
FULL = Standing(reserved=False, why="Quota default: 1 of 1 volumes used, 1 asked", has={})
OPEN = Standing(reserved=False, has={})
LOCAL = {"local": {"format": "qcow2", "preallocation": "Off"}}


def meta(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "namespace": "demo", "uid": f"u-{name}", "generation": 1} | more


def quota(**holds: dict[str, int]) -> Quota:
    groups = [{**amounts, "holders": [f"u-{name}"]} for name, amounts in holds.items()]
    return Quota.model_validate(
        {"metadata": meta("default"), "spec": {"limits": {}}, "status": {"reservations": groups}}
    )


def volume(size: str = "2Gi", **status: Any) -> Volume:
    spec = {"size": size, "className": "c"}
    return Volume.model_validate({"metadata": meta("v"), "spec": spec, "status": status})


def snapshot(**status: Any) -> VolumeSnapshot:
    spec = {"volumeRef": {"name": "v"}}
    return VolumeSnapshot.model_validate({"metadata": meta("s"), "spec": spec, "status": status})


def port(owner: str | None = None, **status: Any) -> OwnedPort:
    owners = [{"kind": "Instance", "name": owner, "uid": owner, "controller": True}] if owner else []
    body = {"metadata": meta("p", ownerReferences=owners), "spec": {"networkRef": {"name": "n"}}}
    return OwnedPort.model_validate(body | {"status": status})


def floating(**status: Any) -> FloatingIP:
    body = {"metadata": meta("f"), "spec": {"networkRef": {"name": "n"}}, "status": status}
    return FloatingIP.model_validate(body)


def image(**status: Any) -> Image:
    source = {"http": {"url": "https://images.example/a"}}
    return Image.model_validate({"metadata": meta("i"), "spec": {"source": source}, "status": status})


def asks(thing: Counted, of: Quota | None = None, **more: Any) -> Asker:
    found = asker(thing, of or quota(), **more)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("thing", "wants"),
    [
        (volume(), {"volumes": 1, "storage": 2 * GIB}),
        (port(), {"ports": 1}),
        (floating(), {"floating_ips": 1}),
        (image(), {"images": 1}),
    ],
)
def test_a_new_object_asks_and_uses_nothing(thing: Counted, wants: dict[str, int]):
    found = asks(thing)
    assert found.wants == wants
    assert not any(found.has.values())
    deleted = thing.model_copy(
        update={"metadata": thing.metadata.model_copy(update={"deletion_timestamp": "x"})}
    )
    assert asks(deleted).wants == {}, "what never began asks for nothing at its end"


@pytest.mark.parametrize(
    ("thing", "has"),
    [
        (volume(conditions=READY, capacityBytes=GIB), {"volumes": 1, "storage": GIB}),
        (volume(location=LOCAL), {"volumes": 1, "storage": 0}),
        (volume(conditions=READY, capacityBytes=2 * GIB + 512), {"volumes": 1, "storage": 2 * GIB}),
        (snapshot(location=LOCAL, sizeBytes=5, conditions=READY), {"volume_snapshots": 1, "storage": 5}),
        (port(addresses=["10.0.0.2"]), {"ports": 1}),
        (floating(address="192.0.2.9"), {"floating_ips": 1}),
        (image(digest="sha256:" + "ab" * 32), {"images": 1}),
    ],
)
def test_what_is_there_counts(thing: Counted, has: dict[str, int]):
    assert asks(thing).has == has


def test_a_port_of_a_nic_counts_with_its_instance():
    assert asker(port("web", addresses=["10.0.0.2"]), quota()) is None


def test_a_snapshot_asks_once_there_is_data_for_as_large_as_its_volume_may_be():
    assert asker(snapshot(), quota()) is None
    assert asker(snapshot(), quota(), volume()) is None, "its Volume has nothing to keep yet"
    there = volume("1Gi", location=LOCAL, conditions=READY, capacityBytes=GIB)
    assert asks(snapshot(), volume=there).wants == {"volume_snapshots": 1, "storage": GIB}
    grown = quota(v={"volumes": 1, "storage": 3 * GIB})  # by another operator, which knows a later size
    assert asks(snapshot(), grown, volume=there).wants["storage"] == 3 * GIB


def test_a_snapshot_keeps_what_it_has_and_is_never_more():
    held = quota(s={"volume_snapshots": 1, "storage": GIB})
    there = volume("9Gi", location=LOCAL, conditions=READY)
    assert asks(snapshot(), held, volume=there).wants == {"volume_snapshots": 1, "storage": GIB}
    kept = snapshot(location=LOCAL, sizeBytes=GIB + 512, conditions=READY)
    assert asks(kept, held).has == {}, "a copy that is rounded up"


def test_a_snapshot_is_being_taken_from_its_reservation_to_its_end():
    held = quota(s={"volume_snapshots": 1, "storage": GIB})
    assert not is_being_taken(snapshot(), quota())
    assert is_being_taken(snapshot(), held)
    assert not is_being_taken(snapshot(location=LOCAL, conditions=READY), held)
    failed = [{"type": "Stalled", "status": "True", "reason": "SnapshotFailed"}]
    assert not is_being_taken(snapshot(conditions=failed), held)
    assert asker(snapshot(conditions=failed), quota(), volume(location=LOCAL)) is None, "it will never be"


def test_who_waits_for_something_else_holds_nobody_back():
    grows = Asker(
        "v", "Volume v", "1", {"storage": 5}, behind="it grows once VolumeSnapshot s of it is taken"
    )
    made = reserve(
        {"storage": 9}, {"v": Hold({"storage": 2})}, [grows, Asker("w", "w", "2", {"storage": 7})], ()
    )
    assert made.refusals == {"v": "it grows once VolumeSnapshot s of it is taken"}
    assert made.holds["w"].amounts == {"storage": 7}


def test_how_it_stands():
    one = asks(volume())
    assert standing(None, one, "").reserved, "no Quota"
    assert standing(quota(), None, "") is UNLIMITED
    assert standing(quota(), one, "").is_open
    refused = standing(quota(), one, "2 of 2 volumes used, 1 asked")
    assert (refused.reserved, refused.is_open) == (False, False)
    assert refused.why == "Quota default: 2 of 2 volumes used, 1 asked"
    held = standing(quota(v={"volumes": 1, "storage": 2 * GIB}), one, "an older sentence")
    assert (held.reserved, held.conditions) == (True, [])


def test_a_device_is_as_large_as_reserved_and_never_less_than_it_is():
    assert size_reserved(volume(), UNLIMITED) == 2 * GIB
    assert size_reserved(volume(), Standing(has={"storage": GIB})) == GIB
    assert size_reserved(volume(), Standing(has={"storage": 9 * GIB})) == 2 * GIB
    assert size_reserved(volume(capacityBytes=GIB), Standing(has={})) == GIB


def plans(stands: Standing) -> list[Any]:
    there = volume(location=LOCAL, conditions=READY, capacityBytes=GIB, nodeName="n")
    host_less: dict[str, Any] = {"standing": stands}
    made = VolumeClass.model_validate({"metadata": {"name": "c"}, "spec": {"driver": "local"}})
    return [
        plan_volume(VolumeFacts(volume(), NOW, made, **host_less)),
        plan_port(PortFacts(port(), NOW, **host_less)),
        plan_floating_ip(FloatingFacts(floating(), NOW, **host_less)),
        plan_image(ImageFacts(image(), NOW, **host_less)),
        # Grows from 1Gi to 2Gi.
        plan_volume(VolumeFacts(there, NOW, made, **host_less)),
    ]


def test_nothing_begins_nor_is_said_before_the_quota_was_looked_at():
    assert [plan.effects for plan in plans(OPEN)] == [()] * 5


def test_what_waits_says_why_and_does_nothing_else():
    for plan in plans(FULL):
        [effect] = plan.effects
        status = effect.status if isinstance(effect, Report) else effect.change["status"]
        assert isinstance(effect, Patch | Report)
        said = {c["type"]: (c["status"], c["reason"], c["message"]) for c in status["conditions"]}
        assert said["QuotaReserved"] == ("False", "QuotaExceeded", FULL.why)
        waits = said["Resizing"] if "Resizing" in said else said["Ready"]
        assert waits[1] == "QuotaExceeded"
        assert waits[2].endswith(FULL.why)


@pytest.mark.parametrize("stands", [OPEN, FULL])
def test_what_is_there_is_left_alone(stands: Standing):
    kept = snapshot(location=LOCAL, sizeBytes=GIB, conditions=READY)
    assert plan_snapshot(SnapshotFacts(kept, NOW, standing=stands)).effects == ()
    [said] = plan_port(PortFacts(port(addresses=["10.0.0.2"]), NOW, standing=stands)).effects
    conditions = {c["type"]: c["reason"] for c in said.change["status"]["conditions"]}
    assert conditions["Ready"] == "NetworkNotFound", "looked at as ever"
