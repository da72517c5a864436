"""Volumes that more than one node reaches, on real nodes with real guests."""

import pytest

from orlop_cluster.lab import until
from support.lab import NAMESPACE

pytestmark = pytest.mark.e2e
PASSWORD = "a-chap-secret"  # noqa: S105 - of this cluster alone
WRITE = (
    "#!/bin/sh\nmke2fs /dev/vdb >/dev/null && mount /dev/vdb /mnt"
    " && dd if=/dev/urandom of=/mnt/x bs=64k count=32 2>/dev/null && echo SUM $(sha256sum < /mnt/x) && umount /mnt\n"
)
READ = "#!/bin/sh\nmount /dev/vdb /mnt && echo SUM $(sha256sum < /mnt/x)\n"


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


def checksum(cluster, instance):
    def line():
        return next((text for text in cluster.console(instance).splitlines() if "SUM " in text), "")

    return until(line, bool, 120).rpartition("SUM ")[2].split()[0]


def test_an_iscsi_volume_goes_from_node_to_node(cluster, san):
    other = next(node for node in cluster.workers if node != san)
    cluster.apply(cluster.object("Volume", "far", {"size": "64Mi", "className": "san"}))
    cluster.wait("ovol/far", namespace=NAMESPACE)
    volumes = [{"name": "far", "volumeRef": {"name": "far"}}]
    sums = []
    for name, node, script in (("far-1", other, WRITE), ("far-2", san, READ)):
        place = {"nodeSelector": {"kubernetes.io/hostname": node}}
        made = cluster.create(name, volumes=volumes, userData={"inline": script}, placement=place)
        assert made["status"]["nodeName"] == node
        sums.append(checksum(cluster, made))
        cluster.delete(name)
    assert sums[0] == sums[1]
    cluster.delete("far", kind="ovol")


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
    until(pools, lambda found: found == "[]", 30)
