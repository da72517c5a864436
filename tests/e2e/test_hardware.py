"""Boards, processors, firmware and TPMs of real guests, and what of them outlives a stop."""

import textwrap

import pytest

from orlop_cluster.lab import until
from support.lab import NAMESPACE
from support.leftovers import left, node_state

pytestmark = pytest.mark.e2e
LOOK = """
    echo "FLAGS $(grep -m1 ^flags /proc/cpuinfo)"
    echo "EFI $(ls /sys/firmware/efi/runtime 2>/dev/null || ls -d /sys/firmware/efi 2>/dev/null || echo none)"
    echo "TPM $(ls -d /sys/bus/acpi/devices/MSFT0101:00 2>/dev/null || echo none)"
    echo "BRIDGE $(cat /sys/bus/pci/devices/0000:00:00.0/device)"
    echo "DONE"
"""
Q35, I440FX = "0x29c0", "0x1237"
"""PCI device ids of the host bridges."""


def script(text):
    return {"inline": "#!/bin/sh\n" + textwrap.dedent(text)}


def says(cluster, instance, text, seconds=150):
    """The rest of the first line of user data that begins so."""
    start = f"user-data: {text}"
    console = until(lambda: cluster.console(instance), lambda seen: start in seen, seconds)
    return next(line for line in console.splitlines() if line.startswith(start)).removeprefix(start).strip()


def test_a_board_a_processor_and_hot_plug_on_it(cluster):
    cluster.apply(cluster.object("Volume", "plugged", {"size": "32Mi", "className": "local"}))
    serial = cluster.get("ovol", "plugged", NAMESPACE)["metadata"]["uid"][:20]
    come = f"while ! disk-by-serial {serial} 2>/dev/null; do sleep 0.2; done"
    seen = cluster.create(
        "board",
        hardware={"machineType": "q35", "cpu": {"model": "Westmere", "features": ["avx2"]}},
        userData=script(LOOK + f'    echo "CAME $({come})"\n'),
    )
    flags = says(cluster, seen, "FLAGS").split()
    assert {"avx2", "aes"} <= set(flags)
    assert "smap" not in flags, "which a later model has, and this one not"
    assert says(cluster, seen, "BRIDGE") == Q35
    assert says(cluster, seen, "EFI") == "none"
    assert says(cluster, seen, "TPM") == "none"
    cluster.patch("board", {"volumes": [{"name": "plugged", "volumeRef": {"name": "plugged"}}]})
    assert says(cluster, seen, "CAME").startswith("/dev/vd")
    cluster.patch("board", {"volumes": []})
    node, uid = seen["status"]["nodeName"], seen["metadata"]["uid"]
    until(
        lambda: cluster.on_node(node, "virsh", "dumpxml", f"orlop-{uid}"),
        lambda xml: serial not in xml,
        60,
    )
    cluster.delete("board")
    cluster.delete("plugged", kind="ovol")


def test_what_no_node_has_is_said(cluster):
    said = {
        "model": {"cpu": {"model": "Skylake-Server"}},
        "feature": {"cpu": {"features": ["avx2", "avx512f"]}},
        "version": {"machineType": "pc-q35-99.1"},
    }
    for name, hardware in said.items():
        cluster.apply(cluster.instance(f"no-{name}", hardware=hardware))
    for name, text in (
        ("model", "CPU model Skylake-Server is not usable"),
        ("feature", "CPU lacks avx512f"),
        ("version", "offer no machine type pc-q35-99.1"),
    ):
        until(
            lambda name=name: str(cluster.get("inst", f"no-{name}", NAMESPACE).get("status")),
            lambda status, text=text: f"0/2 hypervisors: 2 {text}" in status,
            60,
        )
    cluster.delete(*(f"no-{name}" for name in said))


def test_uefi_and_a_tpm_outlive_a_stop_and_go_with_their_instance(cluster, guests):
    before = node_state(cluster)
    files = {
        part: {"http": {"url": guests.url(f"tiny.{name}")}, "checksum": guests.checksum(f"tiny.{name}")}
        for part, name in (("kernel", "vmlinuz"), ("initrd", "initrd"))
    }
    image = {
        "source": {"http": {"url": guests.url("tiny.qcow2")}},
        "checksum": guests.checksum("tiny.qcow2"),
        "kernelBoot": files | {"commandLine": "console=ttyS0 quiet panic=1 cryptomgr.notests"},
        "requirements": {"firmware": "UEFI"},
    }
    cluster.apply(cluster.object("Image", "by-uefi", image))
    cluster.apply(
        cluster.object("Flavor", "roomy", {"vcpus": 1, "memory": "256Mi", "rootDisk": "128Mi"}, None)
    )
    cluster.wait("img/by-uefi", namespace=NAMESPACE)
    seen = cluster.create(
        "uefi",
        flavorName="roomy",
        boot={"imageRef": {"name": "by-uefi"}},
        hardware={"tpm": "2.0"},
        userData=script(LOOK),
    )
    assert says(cluster, seen, "EFI") != "none"
    assert says(cluster, seen, "TPM") != "none"
    assert says(cluster, seen, "BRIDGE") == Q35
    node, uid = seen["status"]["nodeName"], seen["metadata"]["uid"]
    own = f"/var/lib/orlop/instances/{uid}"
    kept = (f"{own}/nvram.fd", f"{own}/tpm/tpm2/tpm2-00.permall")

    log = f"/var/log/swtpm/libvirt/qemu/orlop-{uid}-swtpm.log"

    def identity():
        """Of the variables' file, and of the TPM: only who makes one writes to that log."""
        return cluster.on_node(node, "stat", "--format=%i %s", kept[0]), cluster.on_node(node, "cat", log)

    cluster.patch("uefi", {"powerState": "Stopped"})
    cluster.wait("inst/uefi", "jsonpath={.status.powerState}=Stopped", NAMESPACE)
    stopped = identity()
    cluster.on_node(node, "test", "-s", kept[1])
    template = cluster.on_node(node, "sha256sum", "/usr/share/OVMF/OVMF_VARS_4M.fd").split()[0]
    variables = cluster.on_node(node, "sha256sum", kept[0]).split()[0]
    assert variables != template, "the firmware wrote its variables"
    cluster.patch("uefi", {"powerState": "Running"})
    cluster.wait("inst/uefi", "jsonpath={.status.powerState}=Running", NAMESPACE)
    cluster.booted(cluster.get("inst", "uefi", NAMESPACE), marks=2)
    assert identity() == stopped, "neither was made anew"
    cluster.delete("uefi")
    assert (
        cluster.on_node(node, "sh", "-c", f"ls -d {own} /var/lib/libvirt/swtpm/{uid} 2>/dev/null || true")
        == ""
    )
    cluster.delete("by-uefi", kind="img")
    cluster.kubectl("delete", "flavor", "roomy")
    assert [line for line in left(cluster, before) if "images/" not in line] == []
