"""Volumes of real guests: attached, grown, limited, detached and handed on while they run, bit for bit."""

import json
import textwrap

import pytest

from orlop_cluster.lab import ready_reason, until
from support.lab import NAMESPACE

pytestmark = pytest.mark.e2e

WORDS = r"""
sum() { dd if=$1 bs=64k count=64 2>/dev/null | sha256sum | cut -c1-16; }
size() { cat /sys/block/${1##*/}/size; }
come() { while ! disk-by-serial $1 2>/dev/null; do sleep 0.2; done; }
go() { while disk-by-serial $1 >/dev/null 2>&1; do sleep 0.2; done; }
now() { read -r up _ </proc/uptime; echo ${up%.*}; }
fill() { dd if=/dev/urandom of=$1 bs=64k seek=$2 count=$3 conv=notrunc,fsync 2>/dev/null; }
"""
MIB = 1 << 20


def script(text):
    return {"inline": "#!/bin/sh\n" + WORDS + textwrap.dedent(text)}


def mounts(*names, **more):
    return [{"name": name, "volumeRef": {"name": name}, **more} for name in names]


def volume(cluster, name, size="64Mi", **spec):
    """A new Volume; the serial that guests know it by."""
    cluster.apply(cluster.object("Volume", name, {"size": size, "className": "local", **spec}))
    return cluster.get("ovol", name, NAMESPACE)["metadata"]["uid"][:20]


def change(cluster, name, **spec):
    patch = json.dumps({"spec": spec})
    cluster.kubectl("patch", "ovol", name, "--namespace", NAMESPACE, "--type=merge", "-p", patch)


def capacity(cluster, name, wanted):
    until(
        lambda: str(cluster.get("ovol", name, NAMESPACE)["status"].get("capacityBytes")),
        lambda seen: seen == str(wanted),
        60,
    )


def says(cluster, instance, text, seconds=60):
    """The rest of the first line of user data that begins so."""
    start = f"user-data: {text}"
    console = until(lambda: cluster.console(instance), lambda seen: f"{start}" in seen, seconds)
    return next(line for line in console.splitlines() if line.startswith(start)).removeprefix(start).strip()


def wait_reason(cluster, name, wanted):
    """Until Ready gives this reason; the message it comes with."""
    path = f"jsonpath={{.status.conditions[?(@.type=='Ready')].reason}}={wanted}"
    cluster.wait(f"inst/{name}", path, NAMESPACE)
    return ready_reason(cluster.get("inst", name, NAMESPACE))[2]


def limits(cluster, instance):
    """What libvirt holds the guest's disks to."""
    xml = cluster.on_node(
        instance["status"]["nodeName"], "virsh", "dumpxml", f"orlop-{instance['metadata']['uid']}"
    )
    return [line.strip() for line in xml.splitlines() if "_sec" in line]


def test_data_stays_bit_for_bit_while_its_volume_comes_grows_and_goes(cluster):
    serial = volume(cluster, "bits")
    writer = cluster.create(
        "writer",
        userData=script(f"""
            d=$(come {serial}); echo "CAME $d"
            fill $d 0 64; echo "WROTE $(sum $d)"; old=$(size $d)
            while [ $(size $d) = $old ]; do sleep 0.2; done; echo "GREW $(size $d) $(sum $d)"
            began=$(now); fill $d 1024 64; echo "SLOW $(($(now) - began))"
            go {serial}; echo GONE
            d=$(come {serial}); echo "AGAIN $(size $d) $(sum $d)"
            began=$(now); fill $d 1024 64; echo "FAST $(($(now) - began))"
            fill $d 0 1 2>/dev/null; echo "READONLY $(cat /sys/block/${{d##*/}}/ro)"
        """),
    )
    cluster.patch("writer", {"volumes": mounts("bits")})
    assert says(cluster, writer, "CAME") == "/dev/vdc"
    written = says(cluster, writer, "WROTE")
    change(cluster, "bits", size="96Mi", qos={"bytesPerSecond": "1Mi"})
    assert says(cluster, writer, "GREW").split() == [str(96 * MIB // 512), written]
    capacity(cluster, "bits", 96 * MIB)
    assert int(says(cluster, writer, "SLOW")) >= 2, "4 MiB at 1 MiB a second"
    assert limits(cluster, writer) == [f"<total_bytes_sec>{MIB}</total_bytes_sec>"]
    change(cluster, "bits", qos=None)
    until(lambda: str(limits(cluster, writer)), lambda seen: seen == "[]", 30)

    cluster.patch("writer", {"volumes": []})
    says(cluster, writer, "GONE")
    change(cluster, "bits", size="128Mi")
    capacity(cluster, "bits", 128 * MIB)
    cluster.patch("writer", {"volumes": mounts("bits", access="ReadOnly")})
    assert says(cluster, writer, "AGAIN").split() == [str(128 * MIB // 512), written]
    assert says(cluster, writer, "READONLY") == "1"
    cluster.delete("writer")

    reader = cluster.create(
        "reader", volumes=mounts("bits"), userData=script(f'echo "READ $(sum $(come {serial}))"')
    )
    assert says(cluster, reader, "READ") == written
    cluster.delete("reader")
    cluster.delete("bits", kind="ovol")


def test_a_full_disk_halts_its_guest_alone_until_there_is_room(cluster):
    """The Volume's file is put on a small file system of its own, which somebody else has filled."""
    serial = volume(cluster, "tight", "32Mi")
    uid = cluster.get("ovol", "tight", NAMESPACE)["metadata"]["uid"]
    guest = cluster.create(
        "halted",
        userData=script(f"""
            d=$(come {serial}); fill $d 0 128; echo "FILLED $(sum $d)"
        """),
    )
    node = guest["status"]["nodeName"]
    file, small = f"/var/lib/orlop/volumes/{uid}.qcow2", "/run/small"
    cluster.on_node(
        node,
        "bash",
        "-ec",
        f"mkdir {small}; mount -t tmpfs -o size=6m tmpfs {small}; dd if=/dev/zero of={small}/filler bs=1M count=3;"
        f"qemu-img create -q -f qcow2 {small}/disk 32M; chmod 600 {small}/disk; touch {file};"
        f"mount --bind {small}/disk {file}",
    )
    try:
        cluster.patch("halted", {"volumes": mounts("tight")})
        message = wait_reason(cluster, "halted", "DiskFull")
        assert "no room left for what it writes to disk tight" in message
        other = cluster.create("unhurt")
        cluster.on_node(node, "rm", f"{small}/filler")
        cluster.on_node(node, "mount", "-o", "remount,size=64m", small)
        says(cluster, guest, "FILLED")
        cluster.wait("inst/halted", namespace=NAMESPACE)
        cluster.booted(other)
        cluster.patch("halted", {"volumes": []})
        cluster.wait("inst/halted", namespace=NAMESPACE)
        cluster.on_node(node, "virsh", "suspend", f"orlop-{guest['metadata']['uid']}")
        assert "by hand" in wait_reason(cluster, "halted", "Halted")
    finally:
        cluster.delete("halted")
        cluster.on_node(node, "bash", "-c", f"umount {file}; umount {small}; rmdir {small}")
    cluster.delete("tight", kind="ovol")
