"""A real guest that says what it may not: nobody hears it, and each try is counted."""

import base64
import gzip
import re
import subprocess
from collections import Counter
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from orlop_agent.network import names
from orlop_cluster.lab import until
from support import frames
from support.attacks import ATTACKS, SECRET, SILENT, Scene, Who
from support.lab import NAMESPACE

pytestmark = pytest.mark.e2e

SOURCE = Path(__file__).parents[1] / "support/frames.c"
MINE, NEAR, FAR, GATEWAY, NOBODY = (f"10.20.0.{last}" for last in (80, 81, 82, 1, 99))
SCRIPT = """#!/bin/sh
base64 -d >/run/program.gz <<END
{program}END
gzip -dc /run/program.gz >/run/frames
chmod +x /run/frames
base64 -d >/run/sent <<END
{sent}END
n=0; until ip address show eth0 | grep -q inet; do n=$((n+1)); [ $n -lt 60 ] || break; sleep 0.5; done
echo BEGUN
{then}
"""
HEAR = "/run/frames hear $(cat /sys/class/net/eth0/ifindex)"
SEND = "/run/frames send $(cat /sys/class/net/eth0/ifindex) </run/sent; echo SENT"
TOO_LARGE_FOR_A_GUEST = "larger than the MTU"
"""Its own kernel refuses to send it."""


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    made = tmp_path_factory.mktemp("frames") / "frames"
    options = (
        "-Os -static -nostdlib -ffreestanding -fno-stack-protector -fno-pie -no-pie -s -Wl,--build-id=none"
    )
    subprocess.run(["gcc", *options.split(), "-o", made, SOURCE], check=True)
    return gzip.compress(made.read_bytes(), mtime=0)


def script(program, then, sent=b""):
    text = SCRIPT.format(
        program=base64.encodebytes(program).decode(), sent=base64.encodebytes(sent).decode(), then=then
    )
    return {"inline": text}


def guest(cluster, name, node, address, user_data):
    nic = {"name": "eth0", "networkRef": {"name": "blue"}, "address": address}
    placement = {"nodeSelector": {"kubernetes.io/hostname": node}}
    return cluster.instance(name, networks=[nic], placement=placement, userData=user_data)


def counted(cluster, node, port):
    """What the node's agent says of the Port: drops by reason, and all other counts by name."""
    address = cluster.get("hv", node)["status"]["hostAddress"]
    found = cluster.on_node(node, "curl", "--silent", "--fail", f"http://{address}:9445/metrics")
    line = rf'^orlop_port_(\w+)_total{{namespace="{NAMESPACE}",port="{port}"(?:,reason="(\w+)")?}} (\S+)$'
    values = re.findall(line, found, re.MULTILINE)
    drops = {reason: int(float(value)) for name, reason, value in values if name == "dropped_packets"}
    return drops, {name: int(float(value)) for name, reason, value in values if not reason}


def test_an_attacker_reaches_nobody_and_each_try_is_counted(cluster, guests, program):
    first, second = cluster.workers
    cluster.apply(
        guest(cluster, "near", first, NEAR, script(program, HEAR)),
        guest(cluster, "far", second, FAR, script(program, HEAR)),
    )
    cluster.wait("inst --all", namespace=NAMESPACE, seconds=240)
    listening = {name: cluster.get("inst", name, NAMESPACE) for name in ("near", "far")}
    for instance in listening.values():
        until(
            lambda instance=instance: cluster.console(instance), lambda text: "user-data: BEGUN" in text, 240
        )

    segment = cluster.segment()
    who = {a: Who(names.derived_mac(segment, IPv4Address(a)), a) for a in (MINE, NEAR, FAR, GATEWAY)}
    for name, instance in listening.items():
        assert instance["status"]["addresses"][0]["mac"] == who[NEAR if name == "near" else FAR].mac
    expected: Counter[str] = Counter()
    sent = []
    for victim in (NEAR, FAR):
        scene = Scene(who[MINE], who[victim], who[GATEWAY], NOBODY)
        sent += [forge(scene) for forge in SILENT.values()]
        for what, (cause, forge) in ATTACKS.items():
            if what != TOO_LARGE_FOR_A_GUEST:
                expected[cause] += 1
                sent += [forge(scene), scene.ip(frames.udp(9, 9, b"honest"))]
        sent.append(scene.ip(frames.udp(9, 9, b"the last")))
    data = b"".join(len(frame).to_bytes(2, "little") + frame for frame in sent)
    cluster.apply(guest(cluster, "attacker", first, MINE, script(program, SEND, data)))
    cluster.wait("inst/attacker", namespace=NAMESPACE, seconds=240)
    attacker = cluster.get("inst", "attacker", NAMESPACE)
    console = until(lambda: cluster.console(attacker), lambda text: "user-data: SENT" in text, 240)
    assert "REFUSED" not in console, "each frame left the guest"

    attempts = len(ATTACKS) - 1
    assert attempts >= 50
    for name, instance in listening.items():
        console = until(
            lambda instance=instance: cluster.console(instance),
            lambda text: b"the last".hex() in text.replace("\r", ""),
            60,
        )
        heard = [bytes.fromhex(line) for line in re.findall(r"user-data: ([0-9a-f]{28,})\s", console)]
        mac = frames.raw_mac(who[MINE].mac)
        honest = [frame for frame in heard if frame[6:12] == mac and b"honest" in frame]
        assert len(honest) == attempts, name
        assert not [frame.hex() for frame in heard if SECRET in frame], name
        # All else of the attacker's is what every guest asks when it starts.
        strange = [
            frame.hex()
            for frame in heard
            if frame[6:12] == mac
            and frame not in honest
            and b"the last" not in frame
            and frame[12:14] != b"\x08\x06"
            and frame[34:38] != b"\0\x44\0\x43"
        ]
        assert strange == [], name

    def drops():
        return counted(cluster, first, "attacker-eth0")[0]

    # The guest's own kernel tries IPv6, too.
    found = until(drops, lambda found: all(found.get(cause, 0) >= n for cause, n in expected.items()), 30)
    assert found.pop("ipv6") >= expected.pop("ipv6")
    assert found == dict(expected)
    others, passed = counted(cluster, first, "near-eth0")
    assert others.keys() <= {"ipv6"}
    assert passed["receive_packets"] >= attempts
    assert passed["receive_bytes"] > 60 * attempts
    assert passed["transmit_packets"] > 0
    cluster.delete("near", "far", "attacker")
    assert counted(cluster, first, "attacker-eth0") == ({}, {})
