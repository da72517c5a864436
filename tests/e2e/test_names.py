"""A guest finds another one on the other node by its name."""

import re

import pytest

from orlop_cluster.lab import until
from support.lab import NAMESPACE

pytestmark = pytest.mark.e2e
SUBNET = {"name": "v4", "cidr": "10.21.0.0/24", "dns": ["10.21.0.1"], "domain": "lab.example"}
SEEK = """#!/bin/sh
n=0
until nslookup far.lab.example >/dev/null 2>&1; do n=$((n+1)); [ $n -lt 60 ] || break; sleep 1; done
for name in far.lab.example far.{namespace}.lab.example 10.21.0.61 nobody.lab.example; do
    echo "ask $name"
    nslookup $name 2>&1
done
ping -c 2 $(nslookup far.lab.example | sed -n 's/^Address.*: *\\(10[.0-9]*\\)$/\\1/p' | tail -n 1)
echo ASKED
"""


@pytest.fixture
def network(cluster):
    cluster.apply(cluster.object("Network", "named", {"subnets": [SUBNET]}))
    cluster.wait("onet/named", namespace=NAMESPACE)
    yield "named"
    cluster.kubectl("delete", "inst", "--all", "--namespace", NAMESPACE, "--timeout=180s", timeout=200)
    cluster.delete("named", kind="onet")


def placed(cluster, name, network, node, address, **spec):
    nic = {"name": "eth0", "networkRef": {"name": network}, "address": address}
    where = {"nodeSelector": {"kubernetes.io/hostname": node}}
    cluster.apply(cluster.instance(name, networks=[nic], placement=where, **spec))


def test_a_guest_finds_another_by_its_name(cluster, network):
    first, second = cluster.workers
    placed(cluster, "far", network, second, "10.21.0.61")
    # It has its name from when it is bound, and answers once its guest is up.
    cluster.wait("inst/far", namespace=NAMESPACE, seconds=240)
    cluster.booted(cluster.get("inst", "far", NAMESPACE))
    script = {"inline": SEEK.format(namespace=NAMESPACE)}
    placed(cluster, "near", network, first, "10.21.0.60", userData=script)
    cluster.wait("inst --all", namespace=NAMESPACE, seconds=240)
    near = cluster.get("inst", "near", NAMESPACE)
    assert near["status"]["nodeName"] == first
    console = until(lambda: cluster.console(near), lambda text: "ASKED" in text, 180).replace("\r", "")
    said = dict(re.findall(r"user-data: ask (\S+)\n(.*?)(?=user-data: (?:ask|PING))", console, re.DOTALL))
    for name in ("far.lab.example", f"far.{NAMESPACE}.lab.example"):
        assert re.search(r"Server:\s+10\.21\.0\.1\n", said[name]), console
        assert re.search(r"Address.*10\.21\.0\.61\n", said[name]), console
    assert re.search(r"name = far\.lab\.example\n", said["10.21.0.61"]), console
    assert "NXDOMAIN" in said["nobody.lab.example"], console
    assert "64 bytes from 10.21.0.61" in console

    # Both servers go with their Network.
    segment = cluster.segment(network)
    units = ["systemctl", "list-units", "--all", "--plain", "--no-legend", f"orlop-*-{segment}.service"]
    assert f"orlop-dns-{segment}.service" in cluster.on_node(first, *units)
    cluster.delete("near", "far")
    for node in cluster.workers:
        assert cluster.on_node(node, *units).strip() == ""
