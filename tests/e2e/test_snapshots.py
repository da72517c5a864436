"""A guest's data, bit for bit: out of a machine that goes on writing, into new Volumes, after the first one is gone."""

import re

from support.lab import NAMESPACE, until

# Random bytes at the beginning, their sum on the console, and then changes behind them without end.
WRITER = """#!/bin/sh
dd if=/dev/urandom of=/dev/vdb bs=1M count=8 conv=fsync 2>/dev/null
echo SUM $(dd if=/dev/vdb bs=1M count=8 2>/dev/null | sha256sum)
while :; do dd if=/dev/urandom of=/dev/vdb bs=1M seek=16 count=4 conv=fsync 2>/dev/null; done
"""
READER = """#!/bin/sh
for disk in vdb vdc; do echo SUM $disk $(dd if=/dev/$disk bs=1M count=8 2>/dev/null | sha256sum); done
echo SIZE $(cat /sys/block/vdb/size)
"""


def mounts(*names):
    return [{"name": name, "volumeRef": {"name": name}} for name in names]


def volume(cluster, name, size="32Mi", **source):
    cluster.apply(cluster.object("Volume", name, {"size": size, "className": "local"} | source))


def test_what_a_running_guest_wrote_is_kept_and_comes_back(cluster):
    volume(cluster, "origin")
    writer = cluster.create("writer", volumes=mounts("origin"), userData={"inline": WRITER})
    node = writer["status"]["nodeName"]
    console = until(lambda: cluster.console(writer), lambda text: "user-data: SUM" in text, 120)
    wrote = re.search(r"SUM ([0-9a-f]{64})", console).group(1)

    cluster.apply(cluster.object("VolumeSnapshot", "moment", {"volumeRef": {"name": "origin"}}))
    cluster.wait("ovsnap/moment", namespace=NAMESPACE)
    taken = cluster.get("ovsnap", "moment", NAMESPACE)["status"]
    assert (taken["nodeName"], taken["sizeBytes"]) == (node, 32 << 20)
    assert taken["consistency"] == "Crash", "tiny has no guest agent that could freeze anything"

    volume(cluster, "restored", "48Mi", source={"snapshotRef": {"name": "moment"}})
    volume(cluster, "cloned", source={"volumeRef": {"name": "origin"}})
    reader = cluster.create("reader", volumes=mounts("restored", "cloned"), userData={"inline": READER})
    assert reader["status"]["nodeName"] == node
    console = until(lambda: cluster.console(reader), lambda text: "user-data: SIZE" in text, 120)
    assert re.findall(r"SUM vd[bc] ([0-9a-f]{64})", console) == [wrote, wrote]
    assert f"SIZE {48 << 11}" in console, "as large as the Volume asks, not as what it began as"

    cluster.delete("writer")
    cluster.delete("reader")
    for name in ("origin", "restored", "cloned"):
        cluster.delete(name, kind="ovol")
    files = cluster.on_node(node, "ls", "-A", "/var/lib/orlop/volumes").split()
    uid = cluster.get("ovsnap", "moment", NAMESPACE)["metadata"]["uid"]
    assert sorted(files) == [f"{uid}.note", f"{uid}.qcow2"], (
        "the snapshot stands alone, and no scratch file is left"
    )
    cluster.delete("moment", kind="ovsnap")
    assert cluster.on_node(node, "ls", "-A", "/var/lib/orlop/volumes").split() == []
