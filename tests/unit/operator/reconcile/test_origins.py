"""What a Volume may begin as, and where that can be copied."""

import pytest

from orlop_api.image import Image
from orlop_api.instance import VolumeMount
from orlop_api.snapshot import VolumeSnapshot
from orlop_api.volume import Volume
from orlop_api.volume_class import VolumeClass
from orlop_operator.reconcile.instance.facts import Blocker, DiskFacts
from orlop_operator.reconcile.instance.origins import Origin, resolve

READY = [{"type": "Ready", "status": "True", "reason": "Created"}]
LOCAL = {"local": {"format": "qcow2"}}
SHARED = {"shared": {"pool": "nfs", "poolID": "p"}}
NBD = {"nbd": {"host": "h", "port": 1, "export": "e"}}


def named(name: str) -> dict:
    return {"name": name, "namespace": "demo", "uid": f"u-{name}"}


def facts(source: dict, driver: str = "local", size: str = "2Gi", **origin: object) -> DiskFacts:
    parameters = {"shared": {"pool": "nfs"}, "nbd": {"host": "h"}}
    spec = {"driver": driver} | ({driver: parameters[driver]} if driver in parameters else {})
    volume = {"metadata": named("new"), "spec": {"size": size, "className": "c", "source": source}}
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
        (
            facts(
                FROM_VOLUME,
                origin=volume(SHARED, attachment={"instanceName": "w", "instanceUID": "w", "nodeName": "n2"}),
            ),
            "n2",
            "nfs",
        ),
    ],
)
def test_where_it_can_be_copied(disk: DiskFacts, node: str | None, pool: str | None):
    found = resolve(disk)
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
        (facts(FROM_VOLUME, driver="nbd", origin=volume(LOCAL, nodeName="n1")), "NotSupported"),
    ],
)
def test_what_it_waits_for(disk: DiskFacts, reason: str):
    found = resolve(disk)
    assert isinstance(found, Blocker)
    assert found.reason == reason
    assert found.message
