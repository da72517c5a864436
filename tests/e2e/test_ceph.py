"""Volumes in a real Ceph, as small as one gets, on real nodes with real guests."""

from functools import partial

import pytest

from orlop_cluster import existing
from orlop_cluster.lab import CommandError, until
from orlop_cluster.sealed import SERVE_ADDRESS, Sealed
from support.ceph import KEY, POOL, USER, Ceph
from support.lab import NAMESPACE

pytestmark = pytest.mark.e2e
# What was written is checked on either node, also after the device has grown; the last words tell what came of it.
WRITE = (
    "#!/bin/sh\nmke2fs /dev/vdb >/dev/null && mount /dev/vdb /mnt"
    " && dd if=/dev/urandom of=/mnt/x bs=64k count=64 2>/dev/null && echo SUM $(sha256sum < /mnt/x) && sync\n"
    "while [ $(cat /sys/block/vdb/size) -lt 262144 ]; do sleep 1; done\n"
    "echo GROWN $(cat /sys/block/vdb/size); umount /mnt && echo UNMOUNTED\n"
)


def read(device):
    """A script: the device is there, or will be. What a guest gets when it runs comes after its seed."""
    wait = f"while [ ! -e /dev/{device} ]; do sleep 1; done"
    return f"#!/bin/sh\n{wait}\nmount /dev/{device} /mnt && echo SUM $(sha256sum < /mnt/x)\n"


@pytest.fixture(scope="module")
def ceph(cluster, tmp_path_factory):
    """Where the nodes reach it as they reach the server of the guests' files; it ends with the cluster."""
    if existing.enabled():
        pytest.skip("an existing cluster has no place of ours that its nodes reach a Ceph at")
    sealed = Sealed(cluster.name)

    def within(command):
        return sealed.inside(["setpriv", "--pdeathsig=KILL", "--", *command], namespaces=("net", "pid"))

    with Ceph(tmp_path_factory.mktemp("ceph"), SERVE_ADDRESS, 3300, within) as running:
        cluster.kubectl(
            *("-n", "orlop-system", "create", "secret", "generic", "ceph", f"--from-literal=key={KEY}")
        )
        pool = {"monitors": running.monitors, "pool": POOL, "user": USER}
        spec = {"driver": "rbd", "rbd": pool | {"credentialsSecretRef": {"name": "ceph"}}}
        cluster.apply(cluster.object("VolumeClass", "ceph", spec, None))
        yield running
        cluster.kubectl("delete", "ovc", "ceph")
        cluster.kubectl("-n", "orlop-system", "delete", "secret", "ceph")
        assert running.images() == []


def said(cluster, instance, word, seconds=120):
    """What the guest said after this word."""

    def line():
        return next((text for text in cluster.console(instance).splitlines() if f"{word} " in text), "")

    return until(line, bool, seconds).rpartition(f"{word} ")[2].split()[0]


def volume(cluster, name, **more):
    cluster.apply(cluster.object("Volume", name, {"size": "64Mi", "className": "ceph"} | more))


def booted(cluster, name, node, script, volumes):
    place = {"nodeSelector": {"kubernetes.io/hostname": node}}
    listed = [{"name": each, "volumeRef": {"name": each}} for each in volumes]
    made = cluster.create(name, volumes=listed, userData={"inline": script}, placement=place)
    assert made["status"]["nodeName"] == node
    return made


def test_a_ceph_volume_grows_under_its_guest_and_goes_from_node_to_node(cluster, ceph):
    first, second = cluster.workers
    volume(cluster, "far")
    writer = booted(cluster, "far-1", first, WRITE, ["far"])
    wrote = said(cluster, writer, "SUM")
    uid = cluster.get("ovol", "far", NAMESPACE)["metadata"]["uid"]
    assert ceph.images() == [f"orlop-{uid}"]
    # Grown while the guest has it mounted.
    cluster.kubectl(
        *("-n", NAMESPACE, "patch", "ovol", "far", "--type=merge", "-p", '{"spec":{"size":"128Mi"}}')
    )
    assert said(cluster, writer, "GROWN") == str(128 << 11)
    # A snapshot of the running guest's disk, and a Volume that begins as it.
    snapshot = cluster.object("VolumeSnapshot", "kept", {"volumeRef": {"name": "far"}})
    cluster.apply(snapshot)
    cluster.wait("ovsnap/kept", namespace=NAMESPACE)
    assert cluster.get("ovsnap", "kept", NAMESPACE)["status"]["consistency"] == "Crash"
    # Hot detach, hot attach on the other node.
    until(partial(cluster.console, writer), lambda text: "UNMOUNTED" in text, 60)
    reader = booted(cluster, "far-2", second, read("vdc"), [])
    cluster.patch("far-1", {"volumes": []})
    cluster.patch("far-2", {"volumes": [{"name": "far", "volumeRef": {"name": "far"}}]})
    assert said(cluster, reader, "SUM") == wrote
    volume(cluster, "clone", size="128Mi", source={"snapshotRef": {"name": "kept"}})
    copy = booted(cluster, "far-3", first, read("vdb"), ["clone"])
    assert said(cluster, copy, "SUM") == wrote
    cluster.delete("far-1", "far-2", "far-3")
    # What nobody has is copied by whichever node is at hand.
    cluster.apply(cluster.object("VolumeSnapshot", "later", {"volumeRef": {"name": "far"}}))
    cluster.wait("ovsnap/later", namespace=NAMESPACE)
    assert cluster.get("ovsnap", "later", NAMESPACE)["status"]["consistency"] == "Detached"
    cluster.delete("kept", "later", kind="ovsnap")
    assert len(ceph.images()) == 2
    cluster.delete("far", "clone", kind="ovol")
    assert ceph.images() == []


def test_a_ceph_volume_that_nobody_has_grows_and_a_cluster_that_is_away_is_told(cluster, ceph):
    volume(cluster, "lone")
    booted(cluster, "lone", cluster.workers[0], "#!/bin/sh\n", ["lone"])
    cluster.delete("lone")
    cluster.kubectl(
        *("-n", NAMESPACE, "patch", "ovol", "lone", "--type=merge", "-p", '{"spec":{"size":"96Mi"}}')
    )
    cluster.wait("ovol/lone", f"jsonpath={{.status.capacityBytes}}={96 << 20}", NAMESPACE)
    ceph.pause()
    try:
        with pytest.raises(CommandError):
            cluster.delete("lone", kind="ovol", seconds=20)
        seen = until(
            lambda: str(cluster.get("ovol", "lone", NAMESPACE)["status"]["conditions"]),
            lambda text: "no monitor of the Ceph cluster answers" in text,
            60,
        )
        assert "being deleted" in seen
    finally:
        ceph.go_on()
    # It was asked to go before: it may be gone by now.
    cluster.kubectl("wait", "--for=delete", "ovol/lone", "--namespace", NAMESPACE, "--timeout=120s")
    assert ceph.images() == []
