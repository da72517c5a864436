"""Guests of a Network of IPv6 alone, on two nodes, find each other by name and address. DHCPv6: test_debian.py."""

from ipaddress import IPv6Network

import pytest

from orlop_api.address6 import eui64
from orlop_cluster.lab import until
from support.lab import NAMESPACE

pytestmark = pytest.mark.e2e

PREFIX, ROUTER, MAC = "fd00:10:23::/64", "fd00:10:23::1", "02:aa:00:00:00:60"
OWN = str(eui64(IPv6Network(PREFIX), MAC))
SEEK = """#!/bin/sh
# Before the first advertisement has come there is no way to anybody, and ping6 does not wait.
n=0; until ping6 -c 1 -W 1 {far} >/dev/null 2>&1; do n=$((n+1)); [ $n -lt 60 ] || break; sleep 1; done
named=$(nslookup far6.six.example {router} | sed -n 's/^Address.*: *\\(fd00[0-9a-f:]*\\)$/\\1/p' | tail -n 1)
echo "named $named"
ping6 -c 3 $named | grep -E 'bytes from|received'
ip -o address show dev eth0 scope global
echo PINGED
"""


def test_guests_of_ipv6_alone_reach_each_other(cluster):
    """By SLAAC: the addresses are those that the guests make, claimed before they run."""
    first, second = cluster.workers
    subnet = {
        "name": "v6", "cidr": PREFIX, "ipv6Mode": "SLAAC", "dns": [ROUTER], "domain": "six.example",
    }  # fmt: skip
    rule = {"protocol": "ICMP", "icmpType": "EchoRequest", "cidr": f"{OWN}/128"}
    nic = {"networkRef": {"name": "six"}}
    cluster.apply(
        cluster.object("Network", "six", {"subnets": [subnet]}),
        cluster.object("SecurityGroup", "lets-near6", {"ingress": [rule], "egress": [{"cidr": "::/0"}]}),
        cluster.placed("far6", second, {**nic, "securityGroupRefs": [{"name": "lets-near6"}]}),
    )
    cluster.wait("inst/far6", namespace=NAMESPACE, seconds=300)
    # Who has no wish gets a MAC address that Orlop derives, and the address that follows from it.
    segment = cluster.segment("six")
    derived = f"02:{segment >> 16:02x}:{segment >> 8 & 255:02x}:{segment & 255:02x}:00:01"
    far = str(eui64(IPv6Network(PREFIX), derived))
    told = {"network": "eth0", "ip": far, "ipv6": far, "mac": derived}
    assert cluster.get("inst", "far6", NAMESPACE)["status"]["addresses"] == [told]
    assert cluster.get("oport", "far6-eth0", NAMESPACE)["status"]["addresses"] == [far]

    script = SEEK.format(far=far, router=ROUTER)
    cluster.apply(cluster.placed("near6", first, {**nic, "macAddress": MAC}, script))
    cluster.wait("inst/near6", namespace=NAMESPACE, seconds=300)
    near = cluster.get("inst", "near6", NAMESPACE)
    assert near["status"]["nodeName"] == first
    assert OWN in cluster.kubectl("get", "inst", "near6", "--namespace", NAMESPACE)
    console = until(lambda: cluster.console(near), lambda text: "PINGED" in text, 240)
    assert f"named {far}" in console, console
    assert f"64 bytes from {far}" in console, console
    assert " inet " not in console
    assert f"inet6 {OWN}/64" in console, console

    cluster.delete("near6", "far6")
    cluster.delete("six", kind="onet")
    cluster.delete("lets-near6", kind="osg")
