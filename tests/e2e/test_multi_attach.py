"""One Volume, two guests at once: what one writes the other reads, on one node and on two."""

import json
import textwrap

import pytest

from e2e.test_storage import san
from orlop_cluster.lab import until
from support.lab import NAMESPACE

__all__ = ["san"]
pytestmark = pytest.mark.e2e

# Without either guest's page cache, as whoever shares a disk must do it; marks are a MiB apart from each other.
WORDS = r"""
come() { while ! disk-by-serial $1 2>/dev/null; do sleep 0.2; done; }
put() { dd if=/x of=$d bs=64k seek=$1 count=64 oflag=direct conv=notrunc 2>/dev/null || echo PUT-FAILED; }
sum() { dd if=$d bs=64k skip=$1 count=64 iflag=direct 2>/dev/null | sha256sum | cut -c1-16; }
mark() { printf %-4096s $1 >/m; dd if=/m of=$d bs=4k seek=$2 oflag=direct conv=notrunc 2>/dev/null; }
seen() { dd if=$d bs=4k skip=$2 count=1 iflag=direct 2>/dev/null | grep -q $1; }
until_seen() { while ! seen $1 $2; do sleep 0.3; done; }
fresh() { dd if=/dev/urandom of=/x bs=64k count=64 2>/dev/null; }
grows() { while [ $(cat /sys/block/${d##*/}/size) != $1 ]; do sleep 0.3; done; }
"""
# 4 MiB of data at 0 and at 8 MiB, marks at 32 and 33 MiB.
FIRST = """
    d=$(come {serial}); fresh; put 0; echo "WROTE $(sha256sum </x | cut -c1-16)"; mark FIRST-DONE 8192
    until_seen SECOND-DONE 8448; echo "READ $(sum 128)"
    grows 196608; echo GREW
"""
SECOND = """
    d=$(come {serial}); until_seen FIRST-DONE 8192; echo "READ $(sum 0)"
    fresh; put 128; echo "WROTE $(sha256sum </x | cut -c1-16)"; mark SECOND-DONE 8448
    grows 196608; echo GREW
"""


def script(text, serial):
    return {"inline": "#!/bin/sh\n" + WORDS + textwrap.dedent(text).format(serial=serial)}


def says(cluster, instance, text, seconds=120):
    start = f"user-data: {text}"
    console = until(lambda: cluster.console(instance), lambda seen: f"{start}" in seen, seconds)
    return next(line for line in console.splitlines() if line.startswith(start)).removeprefix(start).strip()


def holders(cluster, name):
    found = cluster.get("ovol", name, NAMESPACE)["status"].get("attachments", [])
    return sorted(held["instanceName"] for held in found)


def both_write_and_read(cluster, name, nodes, grow):
    """Two Instances on these nodes, and the sums of what they write and read; they are left as they are."""
    serial = cluster.get("ovol", name, NAMESPACE)["metadata"]["uid"][:20]
    mounts = [{"name": "both", "volumeRef": {"name": name}}]
    one, two = (
        cluster.create(
            f"{name}-{number}",
            volumes=mounts,
            userData=script(text, serial),
            placement={"nodeSelector": {"kubernetes.io/hostname": node}},
        )
        for number, (text, node) in enumerate(zip((FIRST, SECOND), nodes, strict=True), 1)
    )
    assert holders(cluster, name) == [f"{name}-1", f"{name}-2"]
    assert says(cluster, one, "WROTE") == says(cluster, two, "READ")
    assert says(cluster, two, "WROTE") == says(cluster, one, "READ")
    for guest in (one, two):
        domain = f"orlop-{guest['metadata']['uid']}"
        xml = cluster.on_node(guest["status"]["nodeName"], "virsh", "dumpxml", domain)
        assert xml.count("<shareable/>") == 1
        assert "PUT-FAILED" not in cluster.console(guest)
    if grow:
        patch = json.dumps({"spec": {"size": "96Mi"}})
        cluster.kubectl("patch", "ovol", name, "--namespace", NAMESPACE, "--type=merge", "-p", patch)
        for guest in (one, two):
            says(cluster, guest, "GREW")
        bytes_now = f"jsonpath={{.status.capacityBytes}}={96 << 20}"
        cluster.wait(f"ovol/{name}", bytes_now, NAMESPACE)


def test_two_guests_of_one_node_share_a_volume(cluster):
    spec = {"driver": "local", "multiAttach": "Enabled", "local": {"format": "raw"}}
    cluster.apply(cluster.object("VolumeClass", "both", spec, None))
    cluster.apply(cluster.object("Volume", "near", {"size": "64Mi", "className": "both"}))
    here, there = cluster.workers
    both_write_and_read(cluster, "near", (here, here), grow=True)
    # A third one cannot run where the data is not.
    mounts = [{"name": "both", "volumeRef": {"name": "near"}}]
    place = {"nodeSelector": {"kubernetes.io/hostname": there}}
    cluster.apply(cluster.instance("near-3", volumes=mounts, placement=place))
    path = "jsonpath={.status.conditions[?(@.type=='Ready')].reason}=Unschedulable"
    cluster.wait("inst/near-3", path, NAMESPACE)
    assert (
        f"Volume {NAMESPACE}/near is on {here}"
        in cluster.get("inst", "near-3", NAMESPACE)["status"]["message"]
    )
    cluster.delete("near-3")
    # One that goes takes nothing from the other: it is stopped, and the other one's disk is as it was.
    cluster.delete("near-1")
    assert holders(cluster, "near") == ["near-2"]
    rest = cluster.get("inst", "near-2", NAMESPACE)
    domain = f"orlop-{rest['metadata']['uid']}"
    assert "running" in cluster.on_node(here, "virsh", "domstate", domain)
    again = cluster.create(
        "near-4",
        volumes=mounts,
        userData=script(
            'd=$(come {serial}); echo "READ $(sum 0) $(sum 128)"',
            cluster.get("ovol", "near", NAMESPACE)["metadata"]["uid"][:20],
        ),
    )
    assert says(cluster, again, "READ").split()[1] == says(cluster, rest, "WROTE")
    cluster.delete("near-2", "near-4")
    cluster.delete("near", kind="ovol")
    cluster.kubectl("delete", "ovc", "both")


def test_guests_of_two_nodes_share_an_iscsi_volume(cluster, san):
    spec = cluster.get("ovc", "san")["spec"] | {"multiAttach": "Enabled"}
    cluster.apply(cluster.object("VolumeClass", "san-both", spec, None))
    cluster.apply(cluster.object("Volume", "wide", {"size": "64Mi", "className": "san-both"}))
    cluster.wait("ovol/wide", namespace=NAMESPACE)
    both_write_and_read(cluster, "wide", cluster.workers, grow=False)
    cluster.delete("wide-1", "wide-2")
    cluster.delete("wide", kind="ovol")
    cluster.kubectl("delete", "ovc", "san-both")
