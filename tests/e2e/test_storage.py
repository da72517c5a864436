"""Volumes that more than one node reaches, on real nodes with real guests."""

import json

import pytest

from orlop_cluster import existing
from orlop_cluster.kindconfig import SHARED_POOL
from orlop_cluster.lab import until
from support import bits
from support.lab import NAMESPACE

pytestmark = pytest.mark.e2e
PASSWORD = "a-chap-secret"  # noqa: S105 - of this cluster alone
LOCAL = "/var/lib/orlop/volumes"


@pytest.fixture
def lab(cluster):
    """A class whose pool both nodes of the development cluster have mounted."""
    if existing.enabled():
        pytest.skip(f"the existing cluster has no shared pool {SHARED_POOL}")
    shared = {"driver": "shared", "shared": {"pool": SHARED_POOL}}
    cluster.apply(cluster.object("VolumeClass", "lab", shared, None))
    yield "lab"
    cluster.kubectl("delete", "ovc", "lab")


@pytest.fixture
def san(cluster):
    """A class of iSCSI targets that the first node serves; the second one's guests reach them too."""
    server = cluster.workers[0]
    address = cluster.get("hv", server)["status"]["hostAddress"]
    cluster.on_node(server, "systemctl", "start", "tgt")
    account = f"tgtadm --lld iscsi --op new --mode account --user orlop --password {PASSWORD}"
    cluster.on_node(server, *account.split())
    cluster.kubectl(
        "-n", "orlop-system", "create", "secret", "generic", "san", f"--from-literal=password={PASSWORD}"
    )
    unit = {"host": address, "account": "orlop", "credentialsSecretRef": {"name": "san"}}
    spec = {"driver": "iscsi", "iscsi": unit | {"tgt": {"hypervisorName": server}}}
    cluster.apply(cluster.object("VolumeClass", "san", spec, None))
    yield server
    cluster.kubectl("delete", "ovc", "san")
    cluster.kubectl("-n", "orlop-system", "delete", "secret", "san")
    assert cluster.on_node(server, "ls", "/var/lib/orlop/targets").split() == []
    cluster.on_node(server, "tgtadm", "--op", "delete", "--mode", "system")


def attach(cluster, instance, *names):
    """The Instance has these Volumes now, and no other."""
    bits.attach(cluster, instance, *names)
    cluster.wait(f"inst/{instance}", namespace=NAMESPACE)


def grow(cluster, name, size):
    bits.grow(cluster, name, size)
    bits.has_grown(cluster, name, size)


def pair(cluster, serial, first, second):
    """A guest on each of two nodes: one that writes to the disk with this serial, one that only reads."""
    made = []
    for name, node, script in (
        ("writer", first, bits.writer(serial)),
        ("reader", second, bits.READER),
    ):
        place = {"nodeSelector": {"kubernetes.io/hostname": node}}
        cluster.apply(cluster.instance(name, userData={"inline": script}, placement=place))
    for name, node in (("writer", first), ("reader", second)):
        cluster.wait(f"inst/{name}", namespace=NAMESPACE)
        made.append(cluster.get("inst", name, NAMESPACE))
        assert made[-1]["status"]["nodeName"] == node
    return made


def test_an_iscsi_volume_goes_from_node_to_node_bit_for_bit(cluster, san):
    """Kept and copied out of a guest of another node than the one that serves it, grown, and read on both."""
    other = next(node for node in cluster.workers if node != san)
    serial = bits.volume(cluster, "far", 32, "san")
    cluster.wait("ovol/far", namespace=NAMESPACE)
    writer, reader = pair(cluster, serial, other, san)
    attach(cluster, "writer", "far")
    wrote = bits.written(cluster, writer)

    bits.snapshot(cluster, "moment", "far")
    cluster.wait("ovsnap/moment", namespace=NAMESPACE)
    taken = cluster.get("ovsnap", "moment", NAMESPACE)["status"]
    assert (taken["nodeName"], taken["consistency"]) == (san, "Crash"), "tiny has no guest agent to freeze it"
    kept = cluster.get("ovsnap", "moment", NAMESPACE)["metadata"]["uid"]
    began = {
        "restored": bits.volume(cluster, "restored", 40, "san", snapshotRef={"name": "moment"}),
        "cloned": bits.volume(cluster, "cloned", 56, "san", volumeRef={"name": "far"}),
        "near": bits.volume(cluster, "near", 48, "local", snapshotRef={"name": "moment"}),
    }
    for name in ("restored", "cloned"):
        cluster.wait(f"ovol/{name}", namespace=NAMESPACE)
    attach(cluster, "reader", *began)
    sizes = {"restored": 40, "cloned": 56, "near": 48}
    bits.sees(cluster, reader, *((began[name], size, wrote) for name, size in sizes.items()))

    attach(cluster, "writer")
    grow(cluster, "far", 48)
    attach(cluster, "reader", "far")
    bits.sees(cluster, reader, (serial, 48, wrote))
    attach(cluster, "reader")
    attach(cluster, "writer", "far", "cloned")
    bits.sees(cluster, writer, (serial, 48, wrote), (began["cloned"], 56, wrote))

    cluster.delete("writer", "reader")
    cluster.delete("far", *began, kind="ovol")
    left = cluster.on_node(san, "ls", "-A", "/var/lib/orlop/targets").split()
    assert left == [f"{kept}.note", f"{kept}.raw"], "the snapshot stands alone"
    cluster.delete("moment", kind="ovsnap")


def test_an_iscsi_volume_begins_as_an_image_and_goes_back_to_what_it_was(cluster, san):
    """A machine boots from it on another node; and what a guest wrote over is there again after a restore."""
    other = next(node for node in cluster.workers if node != san)
    serial = bits.volume(cluster, "far", 32, "san")
    bits.volume(cluster, "system", 128, "san", imageRef={"name": "tiny"})
    for name in ("far", "system"):
        cluster.wait(f"ovol/{name}", namespace=NAMESPACE)
    place = {"nodeSelector": {"kubernetes.io/hostname": other}}
    boot = {"volumeRef": {"name": "system"}}
    writes = {"inline": bits.writer(serial)}
    first = cluster.create("first", boot=boot, userData=writes, placement=place)
    attach(cluster, "first", "far")
    wrote = bits.written(cluster, first)
    attach(cluster, "first")
    bits.snapshot(cluster, "moment", "far")
    cluster.wait("ovsnap/moment", namespace=NAMESPACE)
    assert cluster.get("ovsnap", "moment", NAMESPACE)["status"]["consistency"] == "Detached"

    attach(cluster, "first", "far")
    second = cluster.create(
        "second", userData=writes, placement={"nodeSelector": {"kubernetes.io/hostname": san}}
    )
    attach(cluster, "first")
    attach(cluster, "second", "far")
    assert bits.written(cluster, second) != wrote
    attach(cluster, "second")
    patch = json.dumps({"spec": {"restore": {"snapshotRef": {"name": "moment"}, "requestedAt": "1"}}})
    cluster.kubectl("patch", "ovol", "far", "--namespace", NAMESPACE, "--type=merge", "-p", patch)
    cluster.wait("ovol/far", "jsonpath={.status.restored.requestedAt}=1", NAMESPACE)
    grow(cluster, "far", 40)
    attach(cluster, "first", "far")
    bits.sees(cluster, first, (serial, 40, wrote))
    uid = cluster.get("ovol", "far", NAMESPACE)["metadata"]["uid"]
    files = until(
        lambda: cluster.on_node(san, "ls", "-A", "/var/lib/orlop/targets"),
        lambda seen: f"{uid}.raw" not in seen.split(),
        60,
    )
    assert {name for name in files.split() if name.startswith(uid)} == {f"{uid}.1.json", f"{uid}.1.raw"}

    cluster.delete("first", "second")
    cluster.delete("far", "system", kind="ovol")
    cluster.delete("moment", kind="ovsnap")
    assert "Target" not in cluster.on_node(
        san, "tgtadm", "--lld", "iscsi", "--op", "show", "--mode", "target"
    )


def test_a_shared_volume_goes_from_node_to_node_bit_for_bit(cluster, lab):
    """Kept, copied and grown on one node while its guest writes, and all of it read on the other."""
    # The second one takes the snapshot, and the first one is the one to delete it.
    second, first = cluster.workers
    serial = bits.volume(cluster, "near", 32, lab)
    writer, reader = pair(cluster, serial, first, second)
    attach(cluster, "writer", "near")
    wrote = bits.written(cluster, writer)

    bits.snapshot(cluster, "moment", "near")
    cluster.wait("ovsnap/moment", namespace=NAMESPACE)
    assert "nodeName" not in cluster.get("ovsnap", "moment", NAMESPACE)["status"], "every node reaches it"
    grow(cluster, "near", 48)
    bits.sees(cluster, writer, (serial, 48, wrote))

    restored = bits.volume(cluster, "restored", 40, lab, snapshotRef={"name": "moment"})
    attach(cluster, "reader", "restored")
    attach(cluster, "writer")
    attach(cluster, "reader", "restored", "near")
    bits.sees(cluster, reader, (restored, 40, wrote), (serial, 48, wrote))
    attach(cluster, "reader", "restored")
    cloned = bits.volume(cluster, "cloned", 56, lab, volumeRef={"name": "near"})
    attach(cluster, "reader", "restored", "cloned")
    bits.sees(cluster, reader, (cloned, 56, wrote))
    attach(cluster, "reader", "restored")
    attach(cluster, "writer", "near", "cloned")
    bits.sees(cluster, writer, (cloned, 56, wrote))

    cluster.delete("writer", "reader")
    cluster.delete("near", "restored", "cloned", kind="ovol")
    pool = f"/var/lib/orlop/shared/{SHARED_POOL}/volumes"
    kept = cluster.get("ovsnap", "moment", NAMESPACE)["metadata"]["uid"]
    assert cluster.on_node(first, "ls", "-A", pool).split() == [f"{kept}.note", f"{kept}.qcow2"]
    cluster.delete("moment", kind="ovsnap")
    for node in cluster.workers:
        assert cluster.on_node(node, "ls", "-A", pool, LOCAL).split() == [f"{pool}:", f"{LOCAL}:"]


def test_a_shared_pool_is_where_it_is_mounted(cluster):
    """A mount that is made on the node while the agent runs is seen in its pod, and its end too."""
    node = cluster.workers[0]
    pool, server = "/var/lib/orlop/shared/nfs-a", "/var/lib/nfs-a"
    mount = f"mkdir -p {server} {pool} && echo p-1 > {server}/pool-id && mount --bind {server} {pool}"

    def pools():
        return str(cluster.get("hv", node)["status"].get("sharedPools", []))

    cluster.apply(
        cluster.object("VolumeClass", "nfs-a", {"driver": "shared", "shared": {"pool": "nfs-a"}}, None)
    )
    cluster.apply(cluster.object("Volume", "near", {"size": "16Mi", "className": "nfs-a"}))
    cluster.on_node(node, "sh", "-c", mount)
    try:
        until(pools, lambda found: "p-1" in found, 30)
        made = cluster.create("near", volumes=[{"name": "near", "volumeRef": {"name": "near"}}])
        assert made["status"]["nodeName"] == node
        uid = cluster.get("ovol", "near", NAMESPACE)["metadata"]["uid"]
        assert cluster.on_node(node, "ls", f"{server}/volumes").split() == [f"{uid}.qcow2"]
        cluster.delete("near")
        cluster.delete("near", kind="ovol")
        assert cluster.on_node(node, "ls", f"{server}/volumes").split() == []
    finally:
        cluster.on_node(node, "umount", pool)
        cluster.on_node(node, "rm", "-r", server, pool)
        cluster.kubectl("delete", "ovc", "nfs-a")
    until(pools, lambda found: "nfs-a" not in found, 30)
