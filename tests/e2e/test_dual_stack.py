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


def test_guests_speak_as_the_ipv6_addresses_that_their_ports_ask_for(cluster):
    """tiny has no DHCPv6, so its script takes the address that the Port has."""
    subnets = [
        {"name": "v4", "cidr": "10.22.0.0/24"},
        {"name": "v6", "cidr": "fd00:10:22::/64", "ipv6Mode": "DHCPv6"},
    ]
    cluster.apply(cluster.object("Network", "told", {"subnets": subnets}))
    first, second = cluster.workers
    far, near = "fd00:10:22::77", "fd00:10:22::78"
    for name, asked, node, takes, to in (
        ("far-told", "FD00:10:22:0::77", second, far, None),
        ("near-told", near, first, near, far),
    ):
        cluster.apply(cluster.object("Port", name, {"networkRef": {"name": "told"}, "ipv6Address": asked}))
        script = f"#!/bin/sh\nip -6 address add {takes}/64 dev eth0\n"
        script += PING.format(to=to, tries=20) if to else ""
        cluster.apply(cluster.placed(name, node, {"portRef": {"name": name}}, script))
    cluster.wait("inst/far-told inst/near-told", namespace=NAMESPACE, seconds=300)
    asking, asked = (cluster.get("inst", name, NAMESPACE) for name in ("near-told", "far-told"))
    assert [each["status"]["addresses"][0]["ipv6"] for each in (asking, asked)] == [near, far]
    console = until(lambda: cluster.console(asking), lambda text: "PINGED" in text, 180)
    assert f"64 bytes from {far}" in console
    cluster.delete("far-told", "near-told")
    cluster.delete("far-told", "near-told", kind="ports.orlop.dev")
    cluster.delete("told", kind="onet")
