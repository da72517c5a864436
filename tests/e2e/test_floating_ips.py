"""A floating address of the nodes' own network leads to a real guest, and moves with its Port to another node."""

import pytest

from orlop_cluster.lab import until
from support.lab import NAMESPACE
from support.outside import from_node

pytestmark = pytest.mark.e2e
ADDRESS = "198.18.1.201"
"""Of the nodes' network, above what they take themselves."""
PORT = 8007


def test_an_address_leads_to_a_guest_and_moves_with_it(cluster):
    first, second = cluster.workers
    public = {
        "segment": {"type": "Flat", "physicalNetwork": "public"},
        "subnets": [
            {
                "name": "v4",
                "cidr": "198.18.1.0/24",
                "pools": [{"start": "198.18.1.200", "end": "198.18.1.220"}],
            }
        ],
    }
    leads = {
        "networkRef": {"name": "public"},
        "address": ADDRESS,
        "portRef": {"name": "floated"},
        "ports": [{"port": PORT, "targetPort": 7}],
    }
    cluster.apply(
        cluster.object("Network", "public", public),
        cluster.object("Port", "floated", {"networkRef": {"name": "blue"}}),
        cluster.object("FloatingIP", "web", leads),
    )
    cluster.wait("ofip/web", namespace=NAMESPACE, seconds=30)
    assert from_node(cluster, second, ADDRESS, PORT) is None
    for node, name in ((first, "float-1"), (second, "float-2")):
        cluster.apply(cluster.placed(name, node, {"portRef": {"name": "floated"}}))
        cluster.wait(f"inst/{name}", namespace=NAMESPACE, seconds=120)
        cluster.booted(cluster.get("inst", name, NAMESPACE), seconds=240)
        # From beside it by ARP, and from its own node.
        for where in (first, second):
            until(
                lambda at=where: from_node(cluster, at, ADDRESS, PORT),
                lambda found, who=name: found == who,
                30,
            )
        until(
            lambda: cluster.get("ofip", "web", NAMESPACE)["status"].get("nodeName"),
            lambda found, here=node: found == here,
            30,
        )
        cluster.delete(name)
        assert from_node(cluster, first, ADDRESS, PORT) is None
    for kind, name in (("ofip", "web"), ("oport", "floated"), ("onet", "public")):
        cluster.delete(name, kind=kind)
