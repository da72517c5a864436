"""A floating address of the nodes' own network leads to a real guest, and moves with its Port to another node."""

import pytest

from orlop_cluster.lab import CommandError, until
from support.lab import NAMESPACE

pytestmark = pytest.mark.e2e
ADDRESS = "198.18.1.201"
"""Of the nodes' network, above what they take themselves."""
PORT = 8007


def asked(cluster, node):
    """The host name that the guest behind the address says on TCP 7, asked from a node; nothing where nobody does."""
    ask = f"exec 3<>/dev/tcp/{ADDRESS}/{PORT} && head -n1 <&3"
    try:
        return cluster.on_node(node, "timeout", "5", "bash", "-c", ask).split()[:1]
    except CommandError:
        return []


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
    assert not asked(cluster, second)
    for node, name in ((first, "float-1"), (second, "float-2")):
        cluster.apply(cluster.placed(name, node, {"portRef": {"name": "floated"}}))
        cluster.wait(f"inst/{name}", namespace=NAMESPACE, seconds=120)
        cluster.booted(cluster.get("inst", name, NAMESPACE), seconds=240)
        # From beside it by ARP, and from its own node.
        for where in (first, second):
            until(lambda at=where: asked(cluster, at), lambda found, who=name: found == [who], 30)
        until(
            lambda: cluster.get("ofip", "web", NAMESPACE)["status"].get("nodeName"),
            lambda found, here=node: found == here,
            30,
        )
        cluster.delete(name)
        assert not asked(cluster, first)
    for kind, name in (("ofip", "web"), ("oport", "floated"), ("onet", "public")):
        cluster.delete(name, kind=kind)
