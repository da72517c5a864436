"""A real distribution boots: Debian 12 with cloud-init reads its seed, and ends when it is asked to."""

import pytest

from orlop_cluster import demo
from orlop_cluster.lab import until
from support.lab import NAMESPACE

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

CLOUD_CONFIG = """#cloud-config
hostname: trixie-no-bookworm
runcmd:
- [sh, -c, "echo CLOUD-INIT-RAN on $(hostname) with $(ip -4 -o addr show scope global | wc -l) address > /dev/console"]
"""


def test_debian_boots_with_cloud_init(cluster, guests):
    demo.serve(cluster, "debian")
    spec = {
        "source": {"http": {"url": guests.url("debian.qcow2")}},
        "checksum": guests.checksum("debian.qcow2"),
    }
    cluster.apply(
        cluster.object("Flavor", "debian", {"vcpus": 1, "memory": "512Mi", "rootDisk": "4Gi"}, None),
        cluster.object("Image", "debian", spec),
    )
    cluster.wait("img/debian", namespace=NAMESPACE, seconds=300)
    seen = cluster.create(
        "debian",
        flavorName="debian",
        boot={"imageRef": {"name": "debian"}},
        userData={"inline": CLOUD_CONFIG},
    )
    console = until(lambda: cluster.console(seen), lambda text: "CLOUD-INIT-RAN" in text, 600)
    assert "CLOUD-INIT-RAN on trixie-no-bookworm with 1 address" in console
    cluster.delete("debian", seconds=180)
    cluster.kubectl("delete", "flavor", "debian")
    cluster.kubectl("delete", "img", "debian", "--namespace", NAMESPACE)
