"""What an Instance boots from: what of a Volume counts, and what holds the machine on a node."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from orlop_api.assigned_image import AssignedImage
from orlop_api.assignment import Assignment
from orlop_api.flavor import Flavor
from orlop_api.hardware import Firmware, Hardware
from orlop_api.instance import Instance, disks_of
from orlop_api.volume import Volume
from orlop_api.volume_class import VolumeClass
from orlop_operator.protocol import AskScheduler, ReadInstanceThenBind
from orlop_operator.reconcile.instance import attachments, boot
from orlop_operator.reconcile.instance.assign import binding, unbound
from orlop_operator.reconcile.instance.facts import Blocker, DiskFacts, Facts
from orlop_operator.reconcile.instance.schedule import request
from orlop_operator.reconcile.instance.volumes import resolve
from support.attaching import merged
from support.wishes import asked_for

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
READY = [{"type": "Ready", "status": "True", "reason": "Created"}]
LOCAL, SHARED = {"local": {}}, {"shared": {"pool": "nfs", "poolID": "p"}}
DIGEST = "sha256:" + "ab" * 32
KERNEL = {"source": {"http": {"url": "https://images.example/k"}}, "digest": DIGEST}
IMAGE = {
    "source": {"http": {"url": "https://images.example/a"}},
    "digest": DIGEST,
    "format": "qcow2",
    "virtualSizeBytes": 1 << 20,
    "kernel": KERNEL,
    "commandLine": "quiet",
    "requirements": {"architecture": "x86_64", "minDisk": "1Gi", "minMemory": "128Mi"},
}
HELD = {"instanceName": "pet", "instanceUID": "i", "nodeName": "node-1"}
FLAVOR = Flavor.model_validate(
    {"metadata": {"name": "small"}, "spec": {"vcpus": 1, "memory": "256Mi", "rootDisk": "5Gi"}}
)


def volume(name: str, location: dict, size: str = "2Gi", **status: object) -> Volume:
    return Volume.model_validate(
        {
            "metadata": {"name": name, "namespace": "demo", "uid": f"u-{name}"},
            "spec": {"size": size, "className": "c"},
            "status": {"location": location, **status},
        }
    )


def facts(*volumes: Volume | None, assignment: Assignment | None = None, flavor: Flavor = FLAVOR) -> Facts:
    """An Instance that boots from the first of them and lists the others."""
    names = [each.metadata.name if each is not None else "none" for each in volumes]
    spec = {
        "flavorName": "small",
        "boot": {"volumeRef": {"name": names[0]}},
        "volumes": [{"name": name, "volumeRef": {"name": name}} for name in names[1:]],
    }
    meta = {"name": "pet", "namespace": "demo", "uid": "i", "generation": 1}
    instance = Instance.model_validate({"metadata": meta, "spec": spec})
    local = VolumeClass.model_validate({"metadata": {"name": "c"}, "spec": {"driver": "local"}})
    disks = (
        DiskFacts(mount, each, local) for mount, each in zip(disks_of(instance.spec), volumes, strict=True)
    )
    return Facts(instance, NOW, assignment=assignment, flavor=flavor, disks=tuple(disks))


def test_its_volumes_kernel_and_needs_count_and_the_flavors_disk_does_not():
    known = facts(volume("system", SHARED, image=IMAGE, conditions=READY))
    found, disks = boot.resolve(known), resolve(known)
    assert isinstance(found, AssignedImage)
    assert (found.kernel is not None, found.command_line) == (True, "quiet")
    assert not isinstance(disks, Blocker)
    wanted = request(known, AskScheduler(), found, disks)
    assert (wanted.disk, wanted.architecture) == (0, "x86_64")
    assert unbound(known.instance, FLAVOR).body["spec"]["rootDiskBytes"] == 0


def test_room_for_a_volume_that_is_made_with_it_counts():
    known = facts(volume("system", LOCAL, attachments=[HELD]))
    disks = resolve(known)
    assert not isinstance(disks, Blocker)
    assert request(known, AskScheduler(), None, disks).disk == 2 << 30


@pytest.mark.parametrize(
    ("known", "reason"),
    [
        (facts(volume("system", LOCAL, size="512Mi", image=IMAGE, conditions=READY)), "VolumeTooSmall"),
        (
            facts(
                volume("system", LOCAL, image=IMAGE, conditions=READY),
                flavor=FLAVOR.model_copy(update={"spec": FLAVOR.spec.model_copy(update={"memory": "64Mi"})}),
            ),
            "FlavorTooSmall",
        ),
    ],
)
def test_what_the_image_needs_is_asked_of_volume_and_flavor(known: Facts, reason: str):
    found = boot.resolve(known)
    assert isinstance(found, Blocker)
    assert found.reason == reason


def test_the_missing_volume_is_told_by_volumes_ready():
    known = facts(None)
    assert boot.resolve(known) is None
    disks = resolve(known)
    assert isinstance(disks, Blocker)
    assert (disks.reason, disks.message) == ("VolumeNotFound", "Volume demo/none does not exist")


@pytest.mark.parametrize(
    ("volumes", "free"),
    [
        ((volume("system", SHARED),), True),
        ((volume("system", SHARED), volume("data", SHARED)), True),
        ((volume("system", LOCAL),), False),
        ((volume("system", SHARED), volume("data", LOCAL)), False),
        ((volume("system", SHARED), None), False),
    ],
)
def test_only_a_machine_whose_every_disk_all_nodes_reach_is_held_by_none(
    volumes: tuple[Volume | None, ...], free: bool
):
    assert boot.data_follows(facts(*volumes)) is free


def test_what_a_tpm_holds_is_on_its_node():
    shared = facts(volume("system", SHARED))
    sealed = shared.instance.spec.model_copy(update={"hardware": Hardware(tpm="2.0")})
    held = replace(shared, instance=shared.instance.model_copy(update={"spec": sealed}))
    assert (boot.data_follows(shared), boot.data_follows(held)) == (True, False)
    needs = IMAGE | {"requirements": {"tpm": "2.0"}}
    assert not boot.data_follows(facts(volume("system", SHARED, image=needs)))


def test_what_a_volume_will_begin_as_is_not_asked_for_where_the_machine_may_go():
    """Before the requester's rights are known nothing of it may be; a look that did so broke each time."""
    new = volume("system", SHARED)
    source = {"spec": {"size": "2Gi", "className": "c", "source": {"imageRef": {"name": "tiny"}}}}
    body = new.model_dump(by_alias=True, exclude_none=True) | source
    known = facts(Volume.model_validate(asked_for(body)))
    assert known.boot_disk is not None
    assert known.answers == {}
    assert boot.data_follows(known)


def test_what_the_image_requires_of_hardware_goes_with_the_volume():
    image = IMAGE | {"requirements": {"firmware": "UEFI", "cpuFeatures": ["aes"]}}
    seen = facts(volume("system", LOCAL, image=image))
    made = boot.hardware(seen)
    assert made is not None
    assert made.wire() == {"machineType": "q35", "firmware": "UEFI", "cpu": {"features": ["aes"]}}
    bios = seen.instance.spec.model_copy(update={"hardware": Hardware(firmware=Firmware.BIOS)})
    clash = replace(seen, instance=seen.instance.model_copy(update={"spec": bios}))
    assert boot.resolve(clash) == Blocker(
        "HardwareMismatch",
        "the image that Volume demo/system began as requires firmware UEFI, and spec.hardware says BIOS",
    )


def bound(**spec: object) -> Assignment:
    whole = {
        "instance": {"namespace": "demo", "name": "pet", "uid": "i"},
        "vcpus": 1,
        "memoryBytes": 1,
        "rootDiskBytes": 0,
        "bootVolumeUID": "u-system",
        "nodeName": "node-1",
        "poolID": "p",
        "volumes": [{"name": "root", "volumeUID": "u-system", "location": SHARED, "sizeBytes": 1}],
        **spec,
    }
    return Assignment.model_validate({"metadata": {"name": "i", "uid": "a"}, "spec": whole})


def test_the_order_names_the_volume_and_lists_it_first():
    known = facts(
        volume("system", SHARED, conditions=READY),
        volume("data", SHARED, conditions=READY),
        assignment=bound(),
    )
    disks = resolve(known)
    assert not isinstance(disks, Blocker)
    step = ReadInstanceThenBind("node-1", "p", 1, "a", "1")
    spec = binding(known, step, None, (), disks.assigned)["spec"]
    assert (spec["bootVolumeUID"], [v["name"] for v in spec["volumes"]]) == ("u-system", ["root", "data"])
    assert spec["image"] is None


def test_a_node_is_told_of_the_new_image_alone():
    """What an earlier binding said within the image does not stay: a kernel, another kind of source."""
    fields = {name: value for name, value in IMAGE.items() if name != "requirements"}
    old = {**fields, "checksum": DIGEST, "contentDigest": DIGEST}
    registry = {"reference": f"registry.example/a@{DIGEST}"}
    new = AssignedImage.model_validate(
        {"source": {"oci": registry}, "digest": DIGEST, "format": "qcow2", "virtualSizeBytes": 1}
    )
    before = bound(image=old, secret={"namespace": "n", "name": "s", "keys": ["user-data"]})
    step = ReadInstanceThenBind("node-1", "p", 1, "a", "1")
    known = facts(volume("system", SHARED, conditions=READY), assignment=before)
    change = binding(known, step, new, (), ())
    spec = Assignment.model_validate(merged({"spec": before.spec.wire()}, change)).spec
    assert spec.image == new
    assert spec.secret is None


def test_the_disk_of_a_machine_is_never_another_one():
    """Somebody tore the finalizer off the Volume and made another of the same name."""
    other = volume("system", SHARED, conditions=READY)
    other = other.model_copy(update={"metadata": other.metadata.model_copy(update={"uid": "u-other"})})
    change = attachments.follow(facts(other), bound(), allowed=True)
    assert [v.volume_uid for v in change.listed] == ["u-system"]
    assert change.claims == ()
