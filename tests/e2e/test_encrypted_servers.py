"""Encrypted Volumes on an iSCSI target and in Ceph: a server keeps no plain byte, and every node reads them."""

import pytest

from e2e.test_ceph import ceph
from e2e.test_encryption import (
    KEY,
    MARKER,
    MIB,
    capacity,
    found,
    grow,
    mounts,
    nothing_tells_the_passphrase,
    reason,
    says,
    script,
    secret,
    volume,
)
from e2e.test_storage import san
from support.ceph import POOL
from support.lab import NAMESPACE

__all__ = ["ceph", "san"]
"""Fixtures of those modules."""

pytestmark = pytest.mark.e2e
TARGETS = "/var/lib/orlop/targets"


def guest(cluster, name, node, text, *volumes):
    """A guest on this node, which may have to wait for its disks."""
    place = {"nodeSelector": {"kubernetes.io/hostname": node}}
    cluster.apply(cluster.instance(name, volumes=mounts(*volumes), userData=script(text), placement=place))


def runs(cluster, name):
    cluster.wait(f"inst/{name}", namespace=NAMESPACE)
    return cluster.get("inst", name, NAMESPACE)


def sum_and_size(mebibytes, wrote):
    """What a guest says of a disk of this size that begins so."""
    return [str(mebibytes * MIB // 512), wrote]


def test_a_target_that_orlop_makes_holds_no_plain_byte(cluster, san):
    other = next(node for node in cluster.workers if node != san)
    secret(cluster, KEY)
    serial = volume(cluster, "far", className="san")
    cluster.wait("ovol/far", namespace=NAMESPACE)
    secret(cluster, "another")
    guest(
        cluster, "writer", other, f'd=$(come {serial}); mark $d 0; echo "WROTE $(size $d) $(sum $d)"', "far"
    )
    assert "its Secret must hold what it held" in reason(cluster, "writer", "KeyWrong")
    secret(cluster, KEY)
    writer = runs(cluster, "writer")
    size, wrote = says(cluster, writer, "WROTE").split()
    assert int(size) * 512 == 32 * MIB, "the guest does not see what is around its bytes"
    nothing_tells_the_passphrase(cluster, writer)
    uid = cluster.get("ovol", "far", NAMESPACE)["metadata"]["uid"]
    file = f"{TARGETS}/{uid}.raw"
    assert cluster.on_node(san, "head", "-c", "4", file) == "LUKS"
    assert int(cluster.on_node(san, "stat", "-c", "%b", file)) * 512 > 4 * MIB, (
        "it is there that is written to"
    )
    assert found(cluster, san, MARKER, TARGETS) == []
    assert found(cluster, san, KEY, TARGETS, "/run/orlop") == []

    cluster.delete("writer")
    grow(cluster, "far", 48)
    capacity(cluster, "far", 48)
    guest(cluster, "reader", san, f'd=$(come {serial}); echo "READ $(size $d) $(sum $d)"', "far")
    assert says(cluster, runs(cluster, "reader"), "READ").split() == sum_and_size(48, wrote)
    secrets = cluster.kubectl("get", "secrets", "-A", "-o", "name")
    assert f"volume-{uid}" not in secrets, "making it and its growth are over"
    cluster.delete("reader")
    cluster.delete("far", kind="ovol")


def test_a_ceph_pool_holds_no_plain_byte(cluster, ceph, tmp_path):
    first, second = cluster.workers
    secret(cluster, KEY)
    serial = volume(cluster, "deep", className="ceph")
    guest(
        cluster,
        "writer",
        first,
        f"""
            d=$(come {serial}); mark $d 0; old=$(size $d); echo "WROTE $old $(sum $d)"
            while [ $(size $d) = $old ]; do sleep 0.2; done; echo "GREW $(size $d) $(sum $d)"
            while :; do mark $d 24; dd if=/dev/urandom of=$d bs=1M seek=20 count=4 conv=notrunc,fsync 2>/dev/null; done
        """,
        "deep",
    )
    writer = runs(cluster, "writer")
    size, wrote = says(cluster, writer, "WROTE").split()
    assert int(size) * 512 == 32 * MIB, "the guest does not see what is around its bytes"
    nothing_tells_the_passphrase(cluster, writer)
    grow(cluster, "deep", 40)
    assert says(cluster, writer, "GREW").split() == sum_and_size(40, wrote)
    capacity(cluster, "deep", 40)
    cluster.apply(cluster.object("VolumeSnapshot", "deep-then", {"volumeRef": {"name": "deep"}}))
    cluster.wait("ovsnap/deep-then", namespace=NAMESPACE)
    kept = cluster.get("ovsnap", "deep-then", NAMESPACE)
    assert kept["status"]["location"]["encryption"] == "LUKS"
    images = ceph.images()
    assert len(images) == 2
    for image in images:
        ceph.run("rbd", "--pool", POOL, "export", "--no-progress", image, str(tmp_path / image))
        exported = (tmp_path / image).read_bytes()
        assert exported.startswith(b"LUKS")
        assert exported.count(MARKER.encode()) == exported.count(KEY.encode()) == 0

    copy = volume(cluster, "copy", "48Mi", className="ceph", source={"snapshotRef": {"name": "deep-then"}})
    guest(cluster, "reader", second, f'd=$(come {copy}); echo "READ $(size $d) $(sum $d)"', "copy")
    assert says(cluster, runs(cluster, "reader"), "READ").split() == sum_and_size(48, wrote)
    cluster.delete("reader", "writer")
    grow(cluster, "deep", 48)
    capacity(cluster, "deep", 48)
    guest(cluster, "second", second, f'd=$(come {serial}); echo "READ $(size $d) $(sum $d)"', "deep")
    assert says(cluster, runs(cluster, "second"), "READ").split() == sum_and_size(48, wrote)
    cluster.delete("second")
    cluster.delete("deep", "copy", kind="ovol")
    cluster.delete("deep-then", kind="ovsnap")
