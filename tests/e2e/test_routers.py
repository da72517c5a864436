"""Routed Networks between real guests on two nodes, by both families; the Router comes and goes while they run."""

from ipaddress import IPv6Network

import pytest

from orlop_api.address6 import eui64
from support.lab import NAMESPACE
from support.pinging import PINGS_BOTH, now

pytestmark = pytest.mark.e2e


PREFIXES = {"10.71.0.": "fd00:71::/64", "10.72.0.": "fd00:72::/64"}


def network(cluster, name, start):
    second = {"name": "v6", "cidr": PREFIXES[start], "ipv6Mode": "SLAAC"}
    return cluster.object("Network", name, {"subnets": [{"name": "v4", "cidr": f"{start}0/24"}, second]})


def mac(address):
    return "02:aa:{:02x}:{:02x}:{:02x}:{:02x}".format(*map(int, address.split(".")))


def address6(address):
    start = address[: address.rindex(".") + 1]
    return eui64(IPv6Network(PREFIXES[start]), mac(address))


def guest(cluster, name, node, on, address, to):
    nic = {"networkRef": {"name": on}, "address": address, "macAddress": mac(address)}
    return cluster.placed(name, node, nic, PINGS_BOTH.format(to=to, to6=address6(to)))


def test_guests_of_two_networks_on_two_nodes(cluster, guests):
    first, second = cluster.workers
    cluster.apply(network(cluster, "left", "10.71.0."), network(cluster, "right", "10.72.0."))
    cluster.apply(
        guest(cluster, "left-1", first, "left", "10.71.0.10", "10.72.0.10"),
        guest(cluster, "right-2", second, "right", "10.72.0.10", "10.71.0.10"),
        guest(cluster, "right-1", first, "right", "10.72.0.11", "10.71.0.10"),
    )
    cluster.wait("inst --all", namespace=NAMESPACE, seconds=300)
    for name in ("left-1", "right-2", "right-1"):
        cluster.booted(cluster.get("inst", name, NAMESPACE), seconds=240)
        now(cluster, name, "LOST")

    networks = [{"name": "left"}, {"name": "right"}]
    cluster.apply(cluster.object("Router", "between", {"networks": networks}))
    cluster.wait("routers/between", namespace=NAMESPACE, seconds=30)
    for name in ("left-1", "right-2", "right-1"):
        now(cluster, name, "SEEN")

    cluster.kubectl("delete", "router", "between", "--namespace", NAMESPACE)
    for name in ("left-1", "right-2", "right-1"):
        now(cluster, name, "LOST")
    # A node keeps the Networks that it has guests on, and nothing of the Router.
    for node in (first, second):
        assert "orlop-router" not in cluster.on_node(node, "ip", "netns")
    cluster.delete("left-1", "right-2", "right-1")
    cluster.delete("left", "right", kind="onet")
