"""IPv6 between real guests on two nodes, in a Network with two subnets; another tenant has the same ranges, apart."""

from ipaddress import IPv6Network

import pytest

from orlop_api.address6 import eui64
from orlop_cluster.lab import until
from support.lab import NAMESPACE, basics

pytestmark = pytest.mark.e2e

OTHER = "e2e-six"
PREFIX = "fd00:10:20::/64"
PING = """#!/bin/sh
# Before the first advertisement has come there is no way to anybody, and ping6 does not wait.
n=0; until ping6 -c 1 -W 1 {to} >/dev/null 2>&1; do n=$((n+1)); [ $n -lt {tries} ] || break; sleep 1; done
ping6 -c 3 {to} | grep -E 'bytes from|received'
echo PINGED
"""


def mac(last):
    return f"02:aa:00:00:00:{last:02x}"


def address(last):
    return str(eui64(IPv6Network(PREFIX), mac(last)))


def guest(cluster, name, node, last, namespace=NAMESPACE, to=None, tries=60):
    nic = {"networkRef": {"name": "dual"}, "macAddress": mac(last)}
    return cluster.placed(name, node, nic, PING.format(to=to, tries=tries) if to else "", namespace)


def test_guests_reach_each_other_by_ipv6(cluster, guests):
    """The addresses are those that the guests make of their MAC addresses, claimed before they run."""
    first, second = cluster.workers
    cluster.apply(*basics(cluster, guests, OTHER))
    cluster.wait("img/tiny", namespace=OTHER)
    subnets = [
        {"name": "v4", "cidr": "10.21.0.0/24"},
        {"name": "v6", "cidr": PREFIX, "ipv6Mode": "SLAAC"},
    ]
    for namespace in (NAMESPACE, OTHER):
        cluster.apply(cluster.object("Network", "dual", {"subnets": subnets}, namespace))
    cluster.apply(
        guest(cluster, "far6", second, 0x61),
        guest(cluster, "near6", first, 0x60, to=address(0x61)),
        # Only the other tenant has this address: nobody may answer here.
        guest(cluster, "lonely6", second, 0x62, OTHER),
        guest(cluster, "seeker6", first, 0x63, to=address(0x62), tries=20),
    )
    for name in ("far6", "near6", "seeker6"):
        cluster.wait(f"inst/{name}", namespace=NAMESPACE, seconds=300)
    cluster.wait("inst/lonely6", namespace=OTHER, seconds=300)
    near = cluster.get("inst", "near6", NAMESPACE)
    assert near["status"]["nodeName"] == first
    assert near["status"]["addresses"][0]["ipv6"] == address(0x60)
    port = cluster.get("oport", "far6-eth0", NAMESPACE)
    assert port["status"]["addresses"][1] == address(0x61)
    console = until(lambda: cluster.console(near), lambda text: "PINGED" in text, 180)
    assert f"64 bytes from {address(0x61)}" in console
    seeker = cluster.get("inst", "seeker6", NAMESPACE)
    console = until(lambda: cluster.console(seeker), lambda text: "PINGED" in text, 180)
    assert "bytes from" not in console
    cluster.delete("near6", "far6", "seeker6")
    cluster.delete("lonely6", namespace=OTHER)
    cluster.kubectl(
        "delete", "network.orlop.dev", "dual", "--namespace", NAMESPACE, "--timeout=120s", timeout=150
    )
    cluster.kubectl("delete", "namespace", OTHER, "--timeout=120s", timeout=150)
