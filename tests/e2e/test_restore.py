"""A machine's disk is put back to what it was, bit for bit, with nobody's help but the next machine's."""

import json

import pytest

from orlop_cluster.lab import ready_reason, until
from support.lab import NAMESPACE

pytestmark = pytest.mark.e2e

# Behind the 64 MiB that the image has. The second half is written only once the snapshot was taken.
STORY = """#!/bin/sh
say() { echo $1 $(dd if=/dev/vda bs=1M skip=80 count=8 2>/dev/null | sha256sum); }
fill() { dd if=/dev/urandom of=/dev/vda bs=1M seek=80 count=8 conv=notrunc,fsync 2>/dev/null; }
"""
FIRST = (
    STORY + "fill; say GOOD; while ! disk-by-serial %s >/dev/null 2>&1; do sleep 0.2; done; fill; say BAD\n"
)
NEXT = STORY + "say NOW\n"


def says(cluster, instance, word):
    """The checksum that the guest prints after this word."""
    start = f"user-data: {word} "
    console = until(lambda: cluster.console(instance), lambda text: start in text, 180)
    return next(line for line in console.splitlines() if line.startswith(start)).split()[2]


def restore(cluster, requested_at):
    spec = {"restore": {"snapshotRef": {"name": "good"}, "requestedAt": requested_at}}
    patch = json.dumps({"spec": spec})
    cluster.kubectl("patch", "ovol", "pet", "--namespace", NAMESPACE, "--type=merge", "-p", patch)


def test_a_disk_goes_back_to_its_snapshot_and_its_machine_boots_from_it(cluster):
    source = {"imageRef": {"name": "tiny"}}
    cluster.apply(cluster.object("Volume", "pet", {"size": "128Mi", "className": "local", "source": source}))
    # A second disk is the sign that the snapshot was taken: it comes while the guest runs.
    cluster.apply(cluster.object("Volume", "sign", {"size": "8Mi", "className": "local"}))
    serial = cluster.get("ovol", "sign", NAMESPACE)["metadata"]["uid"][:20]
    boot = {"volumeRef": {"name": "pet"}}
    first = cluster.create("first", boot=boot, userData={"inline": FIRST % serial})
    node = first["status"]["nodeName"]
    good = says(cluster, first, "GOOD")
    cluster.apply(cluster.object("VolumeSnapshot", "good", {"volumeRef": {"name": "pet"}}))
    cluster.wait("ovsnap/good", namespace=NAMESPACE)
    cluster.patch("first", {"volumes": [{"name": "sign", "volumeRef": {"name": "sign"}}]})
    assert says(cluster, first, "BAD") != good

    restore(cluster, "1")
    until(
        lambda: ready_reason(cluster.get("ovol", "pet", NAMESPACE), "Restoring")[1],
        lambda seen: seen == "WaitsForInstance",
        60,
    )
    cluster.delete("first")
    cluster.wait("ovol/pet", "jsonpath={.status.restored.requestedAt}=1", NAMESPACE)
    second = cluster.create("second", boot=boot, userData={"inline": NEXT})
    assert says(cluster, second, "NOW") == good
    assert second["status"]["nodeName"] == node
    uid = cluster.get("ovol", "pet", NAMESPACE)["metadata"]["uid"]
    kept = cluster.get("ovsnap", "good", NAMESPACE)["metadata"]["uid"]
    files = until(
        lambda: cluster.on_node(node, "ls", "-A", "/var/lib/orlop/volumes"),
        lambda seen: f"{uid}.qcow2" not in seen.split(),
        60,
    )
    assert {name for name in files.split() if uid in name or kept in name} == {
        f"{uid}.1.qcow2",
        f"{kept}.qcow2",
        f"{kept}.note",
    }
    cluster.delete("second")
    for kind, name in (("ovol", "pet"), ("ovol", "sign"), ("ovsnap", "good")):
        cluster.delete(name, kind=kind)
    left = cluster.on_node(node, "ls", "-A", "/var/lib/orlop/volumes").split()
    assert [name for name in left if uid in name or kept in name] == []
