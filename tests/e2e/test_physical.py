"""Real guests on a physical network: a bridge of each node, and a machine on it that is nobody's guest."""

import pytest

from orlop_cluster.lab import CommandError, ready_reason, until
from support.lab import NAMESPACE

pytestmark = pytest.mark.e2e
SUBNET = {"name": "v4", "cidr": "10.77.0.0/24", "pools": [{"start": "10.77.0.50", "end": "10.77.0.60"}]}
MACHINE = "10.77.0.1"
"""The router of that network: a namespace of the first node, on its bridge."""
PING = """#!/bin/sh
until ping -c 1 -W 1 {to} >/dev/null 2>&1; do :; done
ping -c 3 {to} | grep -E 'bytes from|received'
ip route
echo PINGED
"""


@pytest.fixture
def bridges(cluster):
    """lab0 on both nodes, one wire; the nodes' own, which Orlop does not make."""
    addresses = {
        node: cluster.get("hv", node, "default")["status"]["hostAddress"] for node in cluster.workers
    }
    for node in cluster.workers:
        (other,) = (address for each, address in addresses.items() if each != node)
        wire = f"type vxlan id 77 dstport 4790 local {addresses[node]} remote {other} dev eth0"
        for command in (
            "ip link add lab0 type bridge",
            f"ip link add labwire {wire}",
            "ip link set labwire master lab0 up",
            "ip link set lab0 up",
        ):
            cluster.on_node(node, *command.split())
    first = cluster.workers[0]
    for command in (
        "ip netns add machine",
        "ip link add labport type veth peer name eth0 netns machine",
        "ip link set labport master lab0 up",
        f"ip -n machine address add {MACHINE}/24 dev eth0",
        "ip -n machine link set eth0 mtu 1450 up",
    ):
        cluster.on_node(first, *command.split())
    yield
    cluster.on_node(first, "ip", "netns", "delete", "machine")
    for node in cluster.workers:
        for name in ("labwire", "lab0"):
            cluster.on_node(node, "ip", "link", "delete", name)


def asked(cluster, address):
    """The host name that a guest says on TCP 7, asked by the machine; nothing where nobody does."""
    ask = f"exec 3<>/dev/tcp/{address}/7 && head -n1 <&3"
    into = ("ip", "netns", "exec", "machine", "timeout", "5", "bash", "-c", ask)
    try:
        return cluster.on_node(cluster.workers[0], *into).split()[:1]
    except CommandError:
        return []


def ports(cluster, node):
    """Of the node's bridge."""
    lines = cluster.on_node(node, "ip", "-br", "link", "show", "master", "lab0").splitlines()
    return sorted(line.split()[0].split("@")[0] for line in lines)


def test_guests_of_a_bridge_are_on_its_network(cluster, bridges):
    first, second = cluster.workers
    spec = {"segment": {"type": "Bridge", "physicalNetwork": "lab"}, "egress": "None", "subnets": [SUBNET]}
    before = {node: ports(cluster, node) for node in (first, second)}
    for node in (first, second):
        until(
            lambda at=node: cluster.get("hv", at, "default")["status"].get("physicalInterfaces", []),
            lambda found: {"name": "lab", "mtu": 1450, "type": "Bridge"} in found,
            60,
        )
    cluster.apply(cluster.object("Network", "lab", spec))
    cluster.wait("onet/lab", namespace=NAMESPACE, seconds=30)
    network = cluster.get("onet", "lab", NAMESPACE)
    assert network["status"]["mtu"] == 1450
    names = ", ".join(sorted(cluster.workers))
    assert (
        ready_reason(network)[2]
        == f"what is untagged of physical network lab, MTU 1450; its guests can be on {names}"
    )
    again = cluster.object("Network", "lab-again", spec)
    cluster.apply(again)
    until(
        lambda: ready_reason(cluster.get("onet", "lab-again", NAMESPACE)),
        lambda found: found[1] == "VLANInUse",
        30,
    )
    cluster.delete("lab-again", kind="onet")

    nic = {"networkRef": {"name": "lab"}}
    cluster.apply(cluster.placed("lab-far", second, {**nic, "address": "10.77.0.51"}))
    cluster.apply(
        cluster.placed("lab-near", first, {**nic, "address": "10.77.0.50"}, PING.format(to="10.77.0.51"))
    )
    for name in ("lab-far", "lab-near"):
        cluster.wait(f"inst/{name}", namespace=NAMESPACE, seconds=180)
    near = cluster.get("inst", "lab-near", NAMESPACE)
    console = until(lambda: cluster.console(near), lambda text: "PINGED" in text, 240)
    assert "64 bytes from 10.77.0.51" in console
    assert f"default via {MACHINE}" in console
    for name, address in (("lab-near", "10.77.0.50"), ("lab-far", "10.77.0.51")):
        until(lambda at=address: asked(cluster, at), lambda found, who=name: found == [who], 60)

    # Orlop's port, and nothing else, comes and goes.
    segment = network["status"]["segmentID"]
    assert ports(cluster, second) == sorted([*before[second], f"orlopb{segment}"])
    cluster.delete("lab-near", "lab-far")
    for node in (first, second):
        until(lambda at=node: ports(cluster, at), lambda found, at=node: found == before[at], 30)
    cluster.delete("lab", kind="onet")


def test_who_has_no_way_there_is_said(cluster):
    for node in cluster.workers:
        # Of another test's bridges too, which went a moment ago.
        until(
            lambda at=node: cluster.get("hv", at, "default")["status"].get("physicalInterfaces", []),
            lambda found: "lab" not in {each["name"] for each in found},
            60,
        )
    spec = {"segment": {"type": "Bridge", "physicalNetwork": "lab"}, "egress": "None", "subnets": [SUBNET]}
    cluster.apply(cluster.object("Network", "nowhere", spec))
    cluster.wait("onet/nowhere", namespace=NAMESPACE, seconds=30)
    cluster.apply(cluster.instance("lost", network="nowhere"))
    names = ", ".join(sorted(cluster.workers))
    words = f"have no interface on physical network lab ({names}; no node has one)"
    until(
        lambda: ready_reason(cluster.get("inst", "lost", NAMESPACE), "Scheduled")[2],
        lambda found: words in found,
        60,
    )
    cluster.delete("lost")
    cluster.delete("nowhere", kind="onet")
