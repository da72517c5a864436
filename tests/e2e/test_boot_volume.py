"""Machines whose disk is a Volume: what one wrote, the next one boots with, on another node too."""

import pytest

from orlop_cluster import existing
from orlop_cluster.kindconfig import SHARED_POOL
from orlop_cluster.lab import ready_reason, until
from support.lab import NAMESPACE

pytestmark = pytest.mark.e2e

# Behind the 64 MiB that the image has; nothing of the guest lives there.
WRITE = """#!/bin/sh
dd if=/dev/urandom of=/dev/vda bs=1M seek=80 count=16 conv=notrunc,fsync 2>/dev/null
"""
SUM = """echo SUM $(dd if=/dev/vda bs=1M skip=80 count=16 2>/dev/null | sha256sum) $(cat /sys/block/vda/serial)
"""


@pytest.fixture
def everywhere(cluster):
    """A class whose pool both nodes of the development cluster have mounted."""
    if existing.enabled():
        pytest.skip(f"the existing cluster has no shared pool {SHARED_POOL}")
    shared = {"driver": "shared", "shared": {"pool": SHARED_POOL}}
    cluster.apply(cluster.object("VolumeClass", "everywhere", shared, None))
    yield "everywhere"
    cluster.kubectl("delete", "ovc", "everywhere")


def on(node):
    return {"nodeSelector": {"kubernetes.io/hostname": node}}


def boots(cluster, name, script, **spec):
    user_data = {"inline": script}
    return cluster.create(name, boot={"volumeRef": {"name": "system"}}, userData=user_data, **spec)


def said(cluster, instance):
    """Checksum of what is on its disk, and the disk's serial."""
    console = until(lambda: cluster.console(instance), lambda text: "user-data: SUM" in text, 180)
    line = next(line for line in console.splitlines() if line.startswith("user-data: SUM"))
    return line.split()[2], line.split()[-1]


def test_another_node_boots_with_what_the_first_machine_wrote(cluster, everywhere):
    one, other = cluster.workers
    spec = {"size": "128Mi", "className": everywhere, "source": {"imageRef": {"name": "tiny"}}}
    cluster.apply(cluster.object("Volume", "system", spec))
    first = boots(cluster, "first", WRITE + SUM, placement=on(one))
    uid = cluster.get("ovol", "system", NAMESPACE)["metadata"]["uid"]
    wrote, serial = said(cluster, first)
    assert serial == uid[:20]
    own = f"/var/lib/orlop/instances/{first['metadata']['uid']}"
    assert cluster.on_node(one, "ls", own).split() == ["seed.iso"], "no root disk of the Instance's own"

    boot = {"volumeRef": {"name": "system"}}
    cluster.apply(
        cluster.instance("second", boot=boot, userData={"inline": "#!/bin/sh\n" + SUM}, placement=on(other))
    )
    until(
        lambda: ready_reason(cluster.get("inst", "second", NAMESPACE))[1],
        lambda seen: seen == "VolumeInUse",
        60,
    )
    assert ready_reason(cluster.get("inst", "second", NAMESPACE))[2] == (
        "Volume e2e/system is attached to Instance e2e/first"
    )
    cluster.delete("first")
    cluster.wait("inst/second", namespace=NAMESPACE)
    second = cluster.get("inst", "second", NAMESPACE)
    assert second["status"]["nodeName"] == other
    assert said(cluster, second) == (wrote, serial)
    assert cluster.booted(second).count("host=second") == 1, "the same disk, another machine"
    cluster.delete("second")
    cluster.delete("system", kind="ovol")


def test_a_kernel_comes_with_the_volume_also_when_its_image_is_gone(cluster, guests):
    def file(name):
        return {"http": {"url": guests.url(name)}, "checksum": guests.checksum(name)}

    kernel = {
        "kernel": file("tiny.vmlinuz"),
        "initrd": file("tiny.initrd"),
        "commandLine": "console=ttyS0 quiet orlop.test=from-volume",
    }
    image = {"source": {"http": {"url": guests.url("tiny.qcow2")}}, "checksum": guests.checksum("tiny.qcow2")}
    cluster.apply(cluster.object("Image", "leaves", image | {"kernelBoot": kernel}))
    source = {"imageRef": {"name": "leaves"}}
    cluster.apply(
        cluster.object("Volume", "system", {"size": "128Mi", "className": "local", "source": source})
    )
    line = "echo CMDLINE $(cat /proc/cmdline)\n"
    first = boots(cluster, "first", WRITE + line + SUM)
    wrote = said(cluster, first)
    assert "orlop.test=from-volume" in cluster.console(first)
    cluster.delete("first")
    cluster.delete("leaves", kind="img")
    second = boots(cluster, "second", "#!/bin/sh\n" + line + SUM)
    assert said(cluster, second) == wrote
    assert "orlop.test=from-volume" in cluster.console(second)
    assert second["status"]["nodeName"] == first["status"]["nodeName"], "where the data is"
    cluster.delete("second")
    cluster.delete("system", kind="ovol")
