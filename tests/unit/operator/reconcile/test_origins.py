"""What a Volume may begin as, and where that can be copied."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from orlop_api.image import Image
from orlop_api.instance import VolumeMount
from orlop_api.requester import Requester
from orlop_api.snapshot import VolumeSnapshot
from orlop_api.volume import Volume, VolumeStatus
from orlop_api.volume_class import VolumeClass
from orlop_operator.reconcile.effects import Ask
from orlop_operator.reconcile.instance.facts import Blocker, DiskFacts
from orlop_operator.reconcile.instance.origins import Origin, resolve
from orlop_operator.reconcile.rights import Answers, may_begin, of_volume
from orlop_operator.reconcile.volume import VolumeFacts, plan_volume

NOW = datetime(2026, 5, 1, tzinfo=UTC)
READY = [{"type": "Ready", "status": "True", "reason": "Created"}]
LOCAL = {"local": {"format": "qcow2"}}
SHARED = {"shared": {"pool": "nfs", "poolID": "p"}}
SEALED = LOCAL | {"encryption": "LUKS"}
ENCRYPTION = {"secretRef": {"name": "keys", "key": "k"}}
NBD = {"nbd": {"host": "h", "port": 1, "export": "e"}}
UNIT = {"host": "h", "port": 1, "target": "iqn.2026-01.example:v", "lun": 1}
TGT = {"iscsi": UNIT | {"tgt": {"hypervisorName": "n3"}}}


def named(name: str) -> dict:
    return {"name": name, "namespace": "demo", "uid": f"u-{name}"}


def facts(
    source: dict, driver: str = "local", size: str = "2Gi", encryption: dict | None = None, **origin: object
) -> DiskFacts:
    parameters = {"shared": {"pool": "nfs"}, "nbd": {"host": "h"}, "iscsi": {"host": "h"}}
    spec = {"driver": driver} | ({driver: parameters[driver]} if driver in parameters else {})
    metadata = named("new") | {"annotations": Requester("erin").annotations()}
    wanted = {"size": size, "className": "c", "source": source, "encryption": encryption}
    volume = {"metadata": metadata, "spec": wanted}
    return DiskFacts(
        VolumeMount.model_validate({"name": "d", "volumeRef": {"name": "new"}}),
        Volume.model_validate(volume),
        VolumeClass.model_validate({"metadata": {"name": "c"}, "spec": spec}),
        **origin,
    )


def volume(location: dict, **status: object) -> Volume:
    body = {"location": location, "conditions": READY, **status}
    spec = {"size": "1Gi", "className": "c"}
    return Volume.model_validate({"metadata": named("old"), "spec": spec, "status": body})


def held(node: str) -> dict:
    return {"instanceName": "w", "instanceUID": "w", "nodeName": node}


def snapshot(location: dict, **status: object) -> VolumeSnapshot:
    body = {"location": location, "sizeBytes": 1 << 30, "conditions": READY, **status}
    spec = {"volumeRef": {"name": "old"}}
    return VolumeSnapshot.model_validate({"metadata": named("s"), "spec": spec, "status": body})


def image(**http: object) -> Image:
    http = {"url": "https://images.example/a", **http}
    status = {
        "digest": "sha256:" + "ab" * 32,
        "format": "qcow2",
        "sizeBytes": 1,
        "virtualSizeBytes": 1 << 20,
        "conditions": READY,
    }
    return Image.model_validate(
        {"metadata": named("i"), "spec": {"source": {"http": http}}, "status": status}
    )


def allowed(disk: DiskFacts, said: bool = True) -> Answers:
    """What the authorizer says of whoever made the Volume."""
    return dict.fromkeys(of_volume(disk.volume), said)


FROM_IMAGE, FROM_SNAPSHOT = {"imageRef": {"name": "i"}}, {"snapshotRef": {"name": "s"}}
FROM_VOLUME = {"volumeRef": {"name": "old"}}


@pytest.mark.parametrize(
    ("disk", "node", "pool"),
    [
        (facts(FROM_IMAGE, image=image()), None, None),
        (facts(FROM_SNAPSHOT, snapshot=snapshot(LOCAL, nodeName="n1", poolID="p1")), "n1", None),
        (facts(FROM_SNAPSHOT, snapshot=snapshot(SHARED)), None, "nfs"),
        (facts(FROM_VOLUME, origin=volume(LOCAL, nodeName="n1", poolID="p1")), "n1", None),
        (facts(FROM_VOLUME, driver="shared", origin=volume(SHARED)), None, "nfs"),
        (facts(FROM_IMAGE, encryption=ENCRYPTION, image=image()), None, None),
        (facts(FROM_VOLUME, encryption=ENCRYPTION, origin=volume(LOCAL, nodeName="n1")), "n1", None),
        (facts(FROM_VOLUME, encryption=ENCRYPTION, origin=volume(SEALED, nodeName="n1")), "n1", None),
        (
            facts(
                FROM_VOLUME,
                origin=volume(SHARED, attachments=[held("n2")]),
            ),
            "n2",
            "nfs",
        ),
        (facts(FROM_SNAPSHOT, snapshot=snapshot(TGT, nodeName="n3", poolID="p3")), "n3", None),
        (facts(FROM_VOLUME, driver="shared", origin=volume(TGT)), "n3", None),
        (facts(FROM_VOLUME, origin=volume(TGT, attachments=[held("n2")])), "n3", None),
    ],
)
def test_where_it_can_be_copied(disk: DiskFacts, node: str | None, pool: str | None):
    found = resolve(disk, allowed(disk))
    assert isinstance(found, Origin)
    assert (found.pin.node if found.pin else None, found.pool.name if found.pool else None) == (node, pool)


@pytest.mark.parametrize(
    ("disk", "reason"),
    [
        (facts(FROM_IMAGE), "ImageNotFound"),
        (facts(FROM_IMAGE, image=image(credentialsSecretRef={"name": "login"})), "NotSupported"),
        (facts(FROM_SNAPSHOT), "VolumeSnapshotNotFound"),
        (facts(FROM_SNAPSHOT, size="1Mi", snapshot=snapshot(LOCAL, nodeName="n1")), "VolumeTooSmall"),
        (facts(FROM_VOLUME), "VolumeNotFound"),
        (facts(FROM_VOLUME, origin=volume(LOCAL, conditions=[])), "VolumeNotReady"),
        (facts(FROM_VOLUME, origin=volume(NBD)), "NotSupported"),
        (facts(FROM_VOLUME, origin=volume({"iscsi": UNIT})), "NotSupported"),
        (facts(FROM_VOLUME, driver="nbd", origin=volume(LOCAL, nodeName="n1")), "NotSupported"),
        (facts(FROM_VOLUME, driver="iscsi", origin=volume(LOCAL, nodeName="n1")), "NotSupported"),
        (facts(FROM_VOLUME, origin=volume(SEALED, nodeName="n1")), "NotEncrypted"),
        (facts(FROM_SNAPSHOT, snapshot=snapshot(SEALED, nodeName="n1")), "NotEncrypted"),
    ],
)
def test_what_it_waits_for(disk: DiskFacts, reason: str):
    found = resolve(disk, allowed(disk))
    assert isinstance(found, Blocker)
    assert found.reason == reason
    assert found.message


@pytest.mark.parametrize(("holder", "asked"), [("n2", "n2"), ("n3", None), (None, None)])
def test_who_serves_a_volume_is_told_whose_guest_has_it(holder: str | None, asked: str | None):
    disk = facts(FROM_VOLUME, origin=volume(TGT, attachments=[held(holder)] if holder else []))
    found = resolve(disk, allowed(disk))
    assert isinstance(found, Origin)
    assert found.assigned.held_by == asked


@pytest.mark.parametrize(
    ("source", "asked"),
    [
        (FROM_IMAGE, ("images", "demo", "i")),
        ({"imageRef": {"name": "i", "namespace": "golden"}}, ("images", "golden", "i")),
        (FROM_SNAPSHOT, ("volumesnapshots", "demo", "s")),
        (FROM_VOLUME, ("volumes", "demo", "old")),
    ],
)
def test_whoever_made_the_volume_is_asked_for_again(source: dict, asked: tuple):
    disk = facts(source)
    ask = may_begin(disk.volume, {})
    assert isinstance(ask, Ask)
    question = ask.question
    assert (question.requester.username, question.verb, question.group) == ("erin", "use", "orlop.dev")
    assert (question.resource, question.namespace, question.name) == asked
    assert may_begin(disk.volume, {question: True}) is None


def test_who_lost_the_right_gets_no_copy():
    disk = facts(FROM_IMAGE, image=image())
    found = resolve(disk, allowed(disk, said=False))
    assert found == Blocker("Forbidden", "erin may not use images demo/i, and made Volume demo/new")


def test_a_volume_of_nobody_begins_as_nothing():
    disk = facts(FROM_IMAGE, image=image())
    nobody = disk.volume.metadata.model_copy(update={"annotations": {}})
    bare = replace(disk, volume=disk.volume.model_copy(update={"metadata": nobody}))
    found = resolve(bare, {})
    assert isinstance(found, Blocker)
    assert found.reason == "NoRequester"
    empty = facts(FROM_IMAGE).volume
    assert (
        may_begin(empty.model_copy(update={"spec": empty.spec.model_copy(update={"source": None})}), {})
        is None
    )


def test_another_object_of_the_same_name_is_not_what_was_meant():
    """The first look at the Volume says which one it is."""
    disk = facts(FROM_IMAGE, image=image())
    known = VolumeStatus(origin_uid="u-i")
    disk = replace(disk, volume=disk.volume.model_copy(update={"status": known}))
    assert isinstance(resolve(disk, allowed(disk)), Origin)
    other = image().metadata.model_copy(update={"uid": "another"})
    disk = replace(disk, image=image().model_copy(update={"metadata": other}))
    found = resolve(disk, allowed(disk))
    assert isinstance(found, Blocker)
    assert found.reason == "SourceReplaced"


def test_a_volume_writes_down_what_it_begins_as_once():
    volume = facts(FROM_IMAGE).volume
    kind = VolumeClass.model_validate({"metadata": {"name": "c"}, "spec": {"driver": "local"}})

    def written(volume: Volume, uid: str | None) -> dict:
        [patch] = plan_volume(VolumeFacts(volume, NOW, kind, origin_uid=uid)).effects
        return patch.change["status"]

    assert "originUID" not in written(volume, None), "there is none yet"
    status = written(volume, "u-i")
    assert status["originUID"] == "u-i"
    volume = volume.model_copy(update={"status": VolumeStatus.model_validate(status)})
    assert plan_volume(VolumeFacts(volume, NOW, kind, origin_uid="u-i")).effects == ()
    assert plan_volume(VolumeFacts(volume, NOW, kind, origin_uid=None)).effects == (), (
        "it may be on its way back"
    )
    [ready, _] = written(volume, "another")["conditions"]
    assert (ready["status"], ready["reason"]) == ("False", "SourceReplaced")
