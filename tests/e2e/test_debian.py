"""A real distribution boots: Debian 12 with cloud-init reads its seed, and ends when it is asked to."""

import pytest

from orlop_cluster import demo
from orlop_cluster.lab import until
from support.lab import NAMESPACE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

PREFIX, ROUTER, TINY = "fd00:10:24::/64", "fd00:10:24::1", "fd00:10:24::77"
CLOUD_CONFIG = f"""#cloud-config
hostname: trixie-no-bookworm
runcmd:
- [sh, -c, "for n in $(seq 60); do ping -6 -c 1 -W 1 {TINY} && break; sleep 1; done"]
- [sh, -c, "(getent ahosts tiny6.six.example; ip -6 -o address show scope global; ping -6 -c 3 {TINY}) > /dev/console"]
- [sh, -c, "echo CLOUD-INIT-RAN on $(hostname) with $(ip -4 -o addr show scope global | wc -l) address > /dev/console"]
"""


def test_debian_boots_with_cloud_init(cluster, guests):
    """Its second NIC, in a Network of IPv6 alone, is told the address that is claimed, and names."""
    demo.serve(cluster, "debian")
    spec = {
        "source": {"http": {"url": guests.url("debian.qcow2")}},
        "checksum": guests.checksum("debian.qcow2"),
    }
    subnet = {"name": "v6", "cidr": PREFIX, "dns": [ROUTER], "domain": "six.example"}
    cluster.apply(
        cluster.object("Flavor", "debian", {"vcpus": 1, "memory": "512Mi", "rootDisk": "4Gi"}, None),
        cluster.object("Image", "debian", spec),
        cluster.object("Network", "told6", {"subnets": [subnet]}),
        cluster.object("Port", "tiny6", {"networkRef": {"name": "told6"}, "ipv6Address": TINY}),
        # tiny has no DHCPv6, so its script takes the address that the Port asked for.
        cluster.placed(
            "tiny6", cluster.workers[1], {"portRef": {"name": "tiny6"}},
            f"#!/bin/sh\nip -6 address add {TINY}/64 dev eth0\n",
        ),
    )  # fmt: skip
    cluster.wait("img/debian", namespace=NAMESPACE, seconds=300)
    seen = cluster.create(
        "debian",
        flavorName="debian",
        boot={"imageRef": {"name": "debian"}},
        networks=[
            {"name": "eth0", "networkRef": {"name": "blue"}},
            {"name": "eth1", "networkRef": {"name": "told6"}},
        ],
        userData={"inline": CLOUD_CONFIG},
    )
    assert seen["status"]["addresses"][1]["ip"] == "fd00:10:24::2"
    console = until(lambda: cluster.console(seen), lambda text: "CLOUD-INIT-RAN" in text, 600)
    assert "CLOUD-INIT-RAN on trixie-no-bookworm with 1 address" in console
    assert "inet6 fd00:10:24::2/128" in console, console
    assert f"64 bytes from {TINY}" in console, console
    assert f"{TINY}  STREAM" in console, console
    cluster.delete("debian", "tiny6", seconds=180)
    cluster.delete("tiny6", kind="ports.orlop.dev")
    cluster.delete("told6", kind="onet")
    cluster.kubectl("delete", "flavor", "debian")
    cluster.kubectl("delete", "img", "debian", "--namespace", NAMESPACE)
