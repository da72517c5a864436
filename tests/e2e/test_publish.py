"""A guest's data as an Image: on one node out of its root disk or a Volume, on the other one into new guests."""

import re

import pytest

from orlop_cluster.lab import ready_reason, until
from support.lab import NAMESPACE

pytestmark = pytest.mark.e2e
# The image has 64 MiB of the 128 that the disk has; nothing of tiny's is behind them.
ON_ROOT = """#!/bin/sh
dd if=/dev/urandom of=/dev/vda bs=1M seek=100 count=8 conv=fsync 2>/dev/null
echo SUM $(dd if=/dev/vda bs=1M skip=100 count=8 2>/dev/null | sha256sum)
"""
FROM_ROOT = "#!/bin/sh\necho SUM $(dd if=/dev/vda bs=1M skip=100 count=8 2>/dev/null | sha256sum)\n"
# Random bytes at the beginning, their sum on the console, and then changes behind them without end.
ON_VOLUME = """#!/bin/sh
dd if=/dev/urandom of=/dev/vdb bs=1M count=8 conv=fsync 2>/dev/null
echo SUM $(dd if=/dev/vdb bs=1M count=8 2>/dev/null | sha256sum)
while :; do dd if=/dev/urandom of=/dev/vdb bs=1M seek=16 count=4 conv=fsync 2>/dev/null; done
"""
FROM_VOLUME = "#!/bin/sh\necho SUM $(dd if=/dev/vdb bs=1M count=8 2>/dev/null | sha256sum)\n"


def summed(cluster, instance):
    console = until(lambda: cluster.console(instance), lambda text: "user-data: SUM" in text, 180)
    return re.search(r"SUM ([0-9a-f]{64})", console).group(1)


def on(node, script, **spec):
    return {
        "placement": {"nodeSelector": {"kubernetes.io/hostname": node}},
        "userData": {"inline": script},
        **spec,
    }


def kept(cluster, node, image):
    """Whether the node's cache has the file that the Image is."""
    name = image["status"]["digest"].removeprefix("sha256:")
    return name in cluster.on_node(node, "ls", "/var/lib/orlop/images").split()


@pytest.fixture
def nodes(cluster):
    """Both, once either can give images to the other."""

    def takes_part(hypervisor):
        offer = hypervisor["status"].get("imagePeer", {})
        return "certificate" in hypervisor["spec"] and "port" in offer

    for node in cluster.workers:
        until(lambda node=node: cluster.get("hv", node), takes_part, 60)
    return cluster.workers


def test_a_root_disk_goes_to_the_other_node(cluster, nodes):
    here, there = nodes
    origin = cluster.create("origin", **on(here, ON_ROOT))
    wrote = summed(cluster, origin)

    cluster.apply(cluster.object("Image", "golden", {"source": {"instanceRef": {"name": "origin"}}}))
    waits = until(
        lambda: ready_reason(cluster.get("img", "golden", NAMESPACE)), lambda said: said[1] != "", 60
    )
    assert waits[1:] == (
        "InstanceRunning",
        f"Instance {NAMESPACE}/origin is not stopped: set its spec.powerState to Stopped",
    )
    cluster.patch("origin", {"powerState": "Stopped"})
    cluster.wait("img/golden", namespace=NAMESPACE, seconds=180)
    image = cluster.get("img", "golden", NAMESPACE)
    assert image["status"]["nodeName"] == here
    assert ready_reason(image)[1:] == ("Published", f"made of Instance {NAMESPACE}/origin, and pinned")
    assert ready_reason(image, "Kept")[0] == "True"
    assert (image["status"]["format"], image["status"]["virtualSizeBytes"]) == ("qcow2", 128 << 20)

    cluster.delete("origin")  # the Image stands alone
    cluster.kubectl("-n", "orlop-system", "rollout", "restart", "daemonset/orlop-agent")
    cluster.kubectl(
        "-n", "orlop-system", "rollout", "status", "daemonset/orlop-agent", "--timeout=180s", timeout=200
    )
    assert kept(cluster, here, image)
    copy = cluster.create("copy", **on(there, FROM_ROOT, boot={"imageRef": {"name": "golden"}}))
    assert copy["status"]["nodeName"] == there
    assert summed(cluster, copy) == wrote
    assert kept(cluster, there, image)
    cluster.delete("copy")
    cluster.delete("golden", kind="img")
    until(lambda: cluster.get("hv", here)["spec"].get("prePulls", []), lambda orders: not orders, 60)


def test_a_volume_that_a_guest_writes_to_goes_to_the_other_node(cluster, nodes):
    here, there = nodes
    cluster.apply(cluster.object("Volume", "written", {"size": "32Mi", "className": "local"}))
    listed = [{"name": "data", "volumeRef": {"name": "written"}}]
    writer = cluster.create("writer", **on(here, ON_VOLUME, volumes=listed))
    wrote = summed(cluster, writer)

    cluster.apply(cluster.object("Image", "moment", {"source": {"volumeRef": {"name": "written"}}}))
    cluster.wait("img/moment", namespace=NAMESPACE, seconds=180)
    image = cluster.get("img", "moment", NAMESPACE)
    assert (image["status"]["nodeName"], image["status"]["virtualSizeBytes"]) == (here, 32 << 20)
    assert cluster.on_node(here, "ls", "-A", "/run/orlop/exports").split() == [], (
        "nothing is offered any more"
    )

    source = {"imageRef": {"name": "moment"}}
    cluster.apply(
        cluster.object("Volume", "cloned", {"size": "32Mi", "className": "local", "source": source})
    )
    listed = [{"name": "data", "volumeRef": {"name": "cloned"}}]
    reader = cluster.create("reader", **on(there, FROM_VOLUME, volumes=listed))
    assert reader["status"]["nodeName"] == there
    assert summed(cluster, reader) == wrote
    cluster.delete("reader", "writer")
    cluster.delete("written", "cloned", kind="ovol")
    cluster.delete("moment", kind="img")
