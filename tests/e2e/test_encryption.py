"""Encrypted Volumes of real guests: bit for bit through everything, no plain byte kept, no passphrase anywhere."""

import base64
import json
import textwrap
import threading

import pytest

from orlop_cluster.lab import ready_reason, until
from support.lab import NAMESPACE

pytestmark = pytest.mark.e2e

MIB = 1 << 20
KEY = "a-canary-passphrase-0123456789"
MARKER = "MARKER-that-a-guest-wrote"
KINDS = ",".join(
    f"{kind}.orlop.dev" for kind in ("assignments", "hypervisors", "instances", "volumes", "volumesnapshots")
)
POOL = "/var/lib/orlop/volumes"
WORDS = rf"""
sum() {{ dd if=$1 bs=1M count=8 2>/dev/null | sha256sum | cut -c1-16; }}
size() {{ cat /sys/block/${{1##*/}}/size; }}
come() {{ while ! disk-by-serial $1 2>/dev/null; do sleep 0.2; done; }}
go() {{ while disk-by-serial $1 >/dev/null 2>&1; do sleep 0.2; done; }}
mark() {{ yes {MARKER} | dd of=$1 bs=1M seek=$2 count=4 iflag=fullblock conv=notrunc,fsync 2>/dev/null; }}
"""


def script(text):
    return {"inline": "#!/bin/sh\n" + WORDS + textwrap.dedent(text)}


def mounts(*names):
    return [{"name": name, "volumeRef": {"name": name}} for name in names]


def secret(cluster, value, name="disk-keys"):
    data = {"passphrase": base64.b64encode(value.encode()).decode()}
    metadata = {"name": name, "namespace": NAMESPACE}
    cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data})


def volume(cluster, name, size="32Mi", **spec):
    """A new encrypted Volume; the serial that guests know it by."""
    sealed = {"encryption": {"secretRef": {"name": "disk-keys", "key": "passphrase"}}}
    cluster.apply(cluster.object("Volume", name, {"size": size, "className": "local"} | sealed | spec))
    return cluster.get("ovol", name, NAMESPACE)["metadata"]["uid"][:20]


def grow(cluster, name, size):
    cluster.kubectl(
        *("patch", "ovol", name, "--namespace", NAMESPACE, "--type=merge"),
        *("-p", json.dumps({"spec": {"size": f"{size}Mi"}})),
    )


def capacity(cluster, name, size):
    until(
        lambda: str(cluster.get("ovol", name, NAMESPACE)["status"].get("capacityBytes")),
        lambda seen: seen == str(size * MIB),
        90,
    )


def says(cluster, instance, text, seconds=150):
    """The rest of the first line of user data that begins so."""
    start = f"user-data: {text}"
    console = until(lambda: cluster.console(instance), lambda seen: f"{start}" in seen, seconds)
    return next(line for line in console.splitlines() if line.startswith(start)).removeprefix(start).strip()


def reason(cluster, name, wanted):
    """Until Ready gives this reason; the message that it comes with."""
    path = f"jsonpath={{.status.conditions[?(@.type=='Ready')].reason}}={wanted}"
    cluster.wait(f"inst/{name}", path, NAMESPACE)
    return ready_reason(cluster.get("inst", name, NAMESPACE))[2]


def found(cluster, node, text, *places):
    """Files that hold it."""
    listed = cluster.on_node(node, "sh", "-c", f"grep -rlsaF -e '{text}' {' '.join(places)} || true")
    return listed.split()


def nothing_tells_the_passphrase(cluster, instance):
    node, uid = instance["status"]["nodeName"], instance["metadata"]["uid"]
    assert "<encryption format='luks'" in cluster.on_node(node, "virsh", "dumpxml", f"orlop-{uid}")
    for told in (
        cluster.on_node(node, "virsh", "dumpxml", "--security-info", f"orlop-{uid}"),
        cluster.on_node(
            node, "sh", "-c", "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' ' '"
        ),
        cluster.kubectl(
            "logs", "-n", "orlop-system", "-l", "app.kubernetes.io/name=orlop-agent", "--tail=-1"
        ),
        cluster.kubectl(
            "logs", "-n", "orlop-system", "-l", "app.kubernetes.io/name=orlop-operator", "--tail=-1"
        ),
        cluster.kubectl("get", KINDS, "-A", "-o", "yaml"),
    ):
        assert len(told) > 100
        assert KEY not in told
        assert base64.b64encode(KEY.encode()).decode() not in told
    places = (
        "/var/lib/orlop",
        "/run/orlop",
        "/var/log",
        "/run/libvirt",
        "/var/lib/libvirt",
        "/etc/libvirt",
        "/tmp",
    )
    assert found(cluster, node, KEY, *places) == []
    assert "orlop-luks" not in cluster.on_node(node, "virsh", "secret-list"), (
        "QEMU has it, so libvirt does not"
    )


def scratch_seen(cluster, node):
    """What qemu-img says of the scratch file that is there while a guest is read."""
    look = (
        f"for i in $(seq 900); do s=$(ls -A {POOL} | grep scratch) && qemu-img info -U {POOL}/$s 2>/dev/null"
        " | grep encrypted && exit; sleep 0.1; done; echo none"
    )
    said = []
    thread = threading.Thread(
        target=lambda: said.append(cluster.on_node(node, "sh", "-c", look, timeout=150)), daemon=True
    )
    thread.start()
    return thread, said


def test_encrypted_data_stays_bit_for_bit_and_plain_nowhere(cluster):
    secret(cluster, KEY)
    serial = volume(cluster, "sealed")
    writer = cluster.create(
        "writer",
        userData=script(f"""
            d=$(come {serial}); mark $d 0; dd if=/dev/urandom of=$d bs=1M seek=4 count=4 conv=notrunc,fsync 2>/dev/null
            echo "WROTE $(sum $d)"
            go {serial}; echo GONE
            d=$(come {serial}); echo "AGAIN $(sum $d)"; old=$(size $d)
            while [ $(size $d) = $old ]; do sleep 0.2; done; echo "GREW $(size $d) $(sum $d)"
            while :; do mark $d 16; dd if=/dev/urandom of=$d bs=1M seek=20 count=4 conv=notrunc,fsync 2>/dev/null; done
        """),
    )
    cluster.patch("writer", {"volumes": mounts("sealed")})
    wrote, node = says(cluster, writer, "WROTE"), writer["status"]["nodeName"]
    nothing_tells_the_passphrase(cluster, writer)
    assert found(cluster, node, MARKER, POOL) == []
    cluster.patch("writer", {"volumes": []})
    says(cluster, writer, "GONE")
    grow(cluster, "sealed", 40)
    capacity(cluster, "sealed", 40)
    cluster.patch("writer", {"volumes": mounts("sealed")})
    assert says(cluster, writer, "AGAIN") == wrote
    grow(cluster, "sealed", 48)
    assert says(cluster, writer, "GREW").split() == [str(48 * MIB // 512), wrote]

    watching, scratch = scratch_seen(cluster, node)
    cluster.apply(cluster.object("VolumeSnapshot", "sealed-then", {"volumeRef": {"name": "sealed"}}))
    cluster.wait("ovsnap/sealed-then", namespace=NAMESPACE)
    watching.join()
    assert scratch == ["encrypted: yes\n"], "what the guest overwrote meanwhile"
    snapshot = cluster.get("ovsnap", "sealed-then", NAMESPACE)
    assert snapshot["status"]["location"]["encryption"] == "LUKS"
    secrets = cluster.kubectl("get", "secrets", "-A", "-o", "name")
    assert f"volume-{snapshot['metadata']['uid']}" not in secrets, "it has served"

    first = volume(cluster, "restored", "48Mi", source={"snapshotRef": {"name": "sealed-then"}})
    second = volume(cluster, "cloned", "48Mi", source={"volumeRef": {"name": "sealed"}})
    reader = cluster.create(
        "reader",
        volumes=mounts("restored", "cloned"),
        userData=script(f'echo "READ $(sum $(come {first})) $(sum $(come {second}))"'),
    )
    assert says(cluster, reader, "READ").split() == [wrote, wrote]
    nothing_tells_the_passphrase(cluster, reader)
    assert found(cluster, node, MARKER, POOL) == []
    assert len(cluster.on_node(node, "sh", "-c", f"ls -A {POOL} | grep -v note").split()) == 4

    plain = cluster.object(
        "Volume",
        "plain",
        {"size": "48Mi", "className": "local", "source": {"snapshotRef": {"name": "sealed-then"}}},
    )
    cluster.apply(plain, cluster.instance("refused", volumes=mounts("plain")))
    assert "is encrypted, and Volume e2e/plain, which begins as it, is not" in reason(
        cluster, "refused", "NotEncrypted"
    )
    cluster.delete("refused", "writer", "reader")
    cluster.delete("sealed", "restored", "cloned", "plain", kind="ovol")
    cluster.delete("sealed-then", kind="ovsnap")
    assert cluster.on_node(node, "ls", "-A", POOL).split() == []


def test_another_passphrase_is_told_and_the_right_one_helps(cluster):
    secret(cluster, KEY)
    serial = volume(cluster, "locked")
    does = script(f'd=$(come {serial}); mark $d 0; echo "SUM $(sum $d)"')
    writer = cluster.create("first", volumes=mounts("locked"), userData=does)
    wrote = says(cluster, writer, "SUM")
    secret(cluster, "another")
    cluster.kubectl("rollout", "restart", "ds/orlop-agent", "-n", "orlop-system")
    assert says(cluster, writer, "SUM") == wrote, "a guest that has it open goes on"
    cluster.delete("first")

    reading = script(f'echo "SUM $(sum $(come {serial}))"')
    cluster.apply(cluster.instance("second", volumes=mounts("locked"), userData=reading))
    message = reason(cluster, "second", "KeyWrong")
    assert "its Secret must hold what it held when that was made" in message
    secret(cluster, KEY)
    cluster.wait("inst/second", namespace=NAMESPACE)
    second = cluster.get("inst", "second", NAMESPACE)
    assert says(cluster, second, "SUM") == wrote
    cluster.delete("second")

    cluster.kubectl("delete", "secret", "disk-keys", "-n", NAMESPACE)
    third = cluster.create("third", userData=script(f'echo "SUM $(sum $(come {serial}))"'))
    cluster.patch("third", {"volumes": mounts("locked")})
    assert reason(cluster, "third", "SecretNotFound") == "Secret e2e/disk-keys does not exist"
    secret(cluster, KEY)
    assert says(cluster, third, "SUM") == wrote
    cluster.delete("third")
    cluster.delete("locked", kind="ovol")


def test_what_a_guest_discards_is_given_back(cluster):
    """Of encrypted data as of other: the file in the pool gets smaller."""
    secret(cluster, KEY)
    sealed = volume(cluster, "sealed")
    cluster.apply(cluster.object("Volume", "open", {"size": "32Mi", "className": "local"}))
    plain = cluster.get("ovol", "open", NAMESPACE)["metadata"]["uid"]
    guest = cluster.create(
        "trimmer",
        volumes=mounts("open", "sealed"),
        userData=script(f"""
            a=$(come {plain[:20]}); b=$(come {sealed})
            for d in $a $b; do dd if=/dev/urandom of=$d bs=1M count=16 conv=fsync 2>/dev/null; done; echo WROTE
            while [ $(size $a) = 65536 ]; do sleep 0.2; done  # told to go on by its size
            for d in $a $b; do blkdiscard -o 0 -l 12582912 $d || echo BROKEN; done
            echo DISCARDED
        """),
    )
    node = guest["status"]["nodeName"]
    says(cluster, guest, "WROTE")

    def used():
        said = cluster.on_node(node, "sh", "-c", f"stat -c '%b %B' {POOL}/*.qcow2")
        return [int(blocks) * int(size) for blocks, size in map(str.split, said.splitlines())]

    assert all(taken >= 16 * MIB for taken in used())
    grow(cluster, "open", 33)
    says(cluster, guest, "DISCARDED")
    assert "BROKEN" not in cluster.console(guest)
    until(lambda: str(max(used())), lambda most: int(most) < 8 * MIB, 30)
    cluster.delete("trimmer")
    cluster.delete("open", "sealed", kind="ovol")
