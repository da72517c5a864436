"""What a user does with Instances, on real nodes with real guests."""

import pytest

from orlop_cluster.lab import CommandError, ready_reason, until
from support.lab import NAMESPACE, image

pytestmark = pytest.mark.e2e


def reason(cluster, name, kind="Ready", inst="inst"):
    return ready_reason(cluster.get(inst, name, NAMESPACE), kind)


def wait_reason(cluster, name, wanted, kind="Ready", what="inst"):
    """Until the condition gives this reason; the message it comes with."""
    cluster.wait(
        f"{what}/{name}", f"jsonpath={{.status.conditions[?(@.type=='{kind}')].reason}}={wanted}", NAMESPACE
    )
    return reason(cluster, name, kind, what)[2]


def test_stop_start_and_restart(cluster):
    seen = cluster.create("switch")
    cluster.booted(seen)
    host, first_boot, _ = cluster.answer(seen)
    assert host == "switch"

    cluster.patch("switch", {"powerState": "Stopped"})
    wait_reason(cluster, "switch", "Stopped")
    stopped = cluster.get("inst", "switch", NAMESPACE)
    assert ready_reason(stopped)[0] == "True"
    assert stopped["status"]["powerState"] == "Stopped"
    assert stopped["status"]["nodeName"] == seen["status"]["nodeName"]
    assert f"orlop-{seen['metadata']['uid']}" not in cluster.all_domains()

    cluster.patch("switch", {"powerState": "Running"})
    cluster.wait("inst/switch", "jsonpath={.status.powerState}=Running", NAMESPACE)
    cluster.wait("inst/switch", namespace=NAMESPACE)
    cluster.booted(seen, marks=2)
    second_boot = cluster.answer(cluster.get("inst", "switch", NAMESPACE))[1]
    assert second_boot != first_boot

    cluster.patch("switch", {"restartedAt": "once"})
    cluster.wait("inst/switch", "jsonpath={.status.restartedAt}=once", NAMESPACE)
    cluster.booted(seen, marks=3)
    assert cluster.answer(cluster.get("inst", "switch", NAMESPACE))[1] not in {first_boot, second_boot}


def test_columns_are_filled(cluster):
    cluster.create("columns")
    header, row = cluster.kubectl(
        "get", "inst", "columns", "--namespace", NAMESPACE, "-o", "wide"
    ).splitlines()
    assert header.split() == [
        "NAME",
        "READY",
        "POWER",
        "REASON",
        "FLAVOR",
        "NODE",
        "IP",
        "AGE",
        "IMAGE",
        "BOOTVOLUME",
        "MESSAGE",
    ]
    cells = row.split()
    assert cells[1:5] == ["True", "Running", "Running", "tiny"]
    assert cells[5] in cluster.workers
    assert cells[6].startswith("10.20.0.")


def test_too_large_says_why_per_filter(cluster):
    cluster.apply(
        cluster.object("Flavor", "huge", {"vcpus": 1, "memory": "2Ti", "rootDisk": "1Gi"}, None),
        cluster.instance("huge", flavorName="huge"),
    )
    message = wait_reason(cluster, "huge", "Unschedulable", "Scheduled")
    assert message.startswith("0/2 hypervisors: 2 not enough memory (need 2Ti, most free ")
    assert reason(cluster, "huge")[:2] == ("False", "Unschedulable")
    cluster.delete("huge")
    cluster.kubectl("delete", "flavor", "huge")


def test_wrong_checksum_boots_nothing(cluster, guests):
    cluster.apply(
        cluster.object("Image", "wrong", image(guests, f"sha256:{'0' * 64}")),
        cluster.instance("wrong", boot={"imageRef": {"name": "wrong"}}),
    )
    message = wait_reason(cluster, "wrong", "ChecksumMismatch", what="img")
    assert guests.checksum("tiny.qcow2").removeprefix("sha256:") in message
    said = wait_reason(cluster, "wrong", "ChecksumMismatch", "ImageReady")
    assert "wrong" in said
    assert "sha256" in said
    assert reason(cluster, "wrong")[0] == "False"
    uid = cluster.get("inst", "wrong", NAMESPACE)["metadata"]["uid"]
    assert f"orlop-{uid}" not in cluster.all_domains()
    cluster.delete("wrong")
    cluster.kubectl("delete", "img", "wrong", "--namespace", NAMESPACE)


def test_a_missing_image_is_waited_for(cluster, guests):
    cluster.apply(cluster.instance("early", boot={"imageRef": {"name": "late"}}))
    message = wait_reason(cluster, "early", "ImageNotFound", "ImageReady")
    assert message == f"Image {NAMESPACE}/late does not exist"
    cluster.apply(cluster.object("Image", "late", image(guests)))
    cluster.wait("inst/early", namespace=NAMESPACE)
    cluster.kubectl("delete", "img", "late", "--namespace", NAMESPACE)


def test_a_volume_outlives_its_instance(cluster):
    cluster.apply(cluster.object("Volume", "keep", {"size": "64Mi", "className": "local"}))
    volumes = [{"name": "keep", "volumeRef": {"name": "keep"}}]
    write = (
        "#!/bin/sh\nmke2fs /dev/vdb >/dev/null && mount /dev/vdb /mnt"
        " && echo precious > /mnt/x && umount /mnt && echo WROTE\n"
    )
    read = "#!/bin/sh\nmount /dev/vdb /mnt && echo READ $(cat /mnt/x)\n"
    first = cluster.create("writer", volumes=volumes, userData={"inline": write})
    until(lambda: cluster.console(first), lambda text: "user-data: WROTE" in text, 120)
    cluster.delete("writer")
    assert ready_reason(cluster.get("ovol", "keep", NAMESPACE))[0] == "True"
    second = cluster.create("reader", volumes=volumes, userData={"inline": read})
    assert second["status"]["nodeName"] == first["status"]["nodeName"]
    until(lambda: cluster.console(second), lambda text: "user-data: READ precious" in text, 120)
    cluster.delete("reader")
    cluster.delete("keep", kind="ovol")
    uid_files = cluster.on_node(first["status"]["nodeName"], "ls", "/var/lib/orlop/volumes").split()
    assert uid_files == []


def test_kernel_boot(cluster, guests):
    spec = image(guests) | {
        "kernelBoot": {
            "kernel": {
                "http": {"url": guests.url("tiny.vmlinuz")},
                "checksum": guests.checksum("tiny.vmlinuz"),
            },
            "initrd": {
                "http": {"url": guests.url("tiny.initrd")},
                "checksum": guests.checksum("tiny.initrd"),
            },
            "commandLine": "console=ttyS0 quiet orlop.test=direct",
        }
    }
    cluster.apply(cluster.object("Image", "direct", spec))
    seen = cluster.create(
        "direct", boot={"imageRef": {"name": "direct"}}, userData={"inline": "#!/bin/sh\ncat /proc/cmdline\n"}
    )
    console = until(lambda: cluster.console(seen), lambda text: "user-data:" in text, 120)
    assert "orlop.test=direct" in console
    cluster.kubectl("delete", "img", "direct", "--namespace", NAMESPACE)


def test_a_port_keeps_its_identity(cluster):
    cluster.apply(
        cluster.object(
            "Port",
            "vip",
            {"networkRef": {"name": "blue"}, "address": "10.20.0.77", "macAddress": "02:00:00:00:00:77"},
        )
    )
    cluster.wait("oport/vip", namespace=NAMESPACE)
    networks = [{"name": "eth0", "portRef": {"name": "vip"}}]
    first = cluster.create("holder-1", networks=networks)
    assert first["status"]["addresses"] == [
        {"network": "eth0", "ip": "10.20.0.77", "mac": "02:00:00:00:00:77"}
    ]
    cluster.apply(cluster.instance("holder-2", networks=networks))
    assert "holder-1" in wait_reason(cluster, "holder-2", "PortInUse", "NetworkReady")
    cluster.delete("holder-1")
    cluster.wait("inst/holder-2", namespace=NAMESPACE)
    assert "ip=10.20.0.77" in cluster.booted(cluster.get("inst", "holder-2", NAMESPACE))
    cluster.delete("holder-2")
    cluster.delete("vip", kind="oport")


def test_bad_manifests_are_refused_with_one_sentence(cluster):
    with pytest.raises(CommandError, match="exactly one of networkRef and portRef"):
        cluster.apply(cluster.instance("bad", networks=[{"name": "eth0"}]))
