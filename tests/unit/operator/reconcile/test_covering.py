"""Few networks hold all of a cluster's public addresses, however many nodes there are."""

import random
from ipaddress import ip_address, ip_network

from orlop_api.inside import MOST_NETWORKS
from orlop_operator.kinds import NODE
from orlop_operator.reconcile.covering import addresses_of, covering


def held(networks: list[str], address: str) -> bool:
    return any(ip_address(address) in ip_network(network) for network in networks)


def test_of_a_node_it_is_where_it_and_its_pods_are() -> None:
    addresses = [
        {"type": "Hostname", "address": "n1"},
        {"type": "InternalIP", "address": "10.0.0.1"},
        {"type": "ExternalIP", "address": "8.8.8.8"},
        {"type": "ExternalIP", "address": "2001:4860::1"},
    ]
    node = {
        "metadata": {"name": "n1"},
        "spec": {"podCIDRs": ["9.9.9.0/24"]},
        "status": {"addresses": addresses},
    }
    found = [*addresses_of(NODE.parse(node))]
    assert found == ["10.0.0.1", "8.8.8.8", "2001:4860::1", "9.9.9.0/24"]
    assert covering(found) == ["8.8.8.8/32", "9.9.9.0/24", "2001:4860::1/128"], (
        "private ones are refused anyway"
    )


def test_a_cluster_at_private_addresses_says_nothing() -> None:
    assert covering(["10.0.0.1", "fd00::1", "192.168.0.0/16", "100.64.0.1"]) == []


def test_neighbours_are_one_and_what_is_no_address_is_none() -> None:
    assert covering(["8.8.8.1", "8.8.8.0", "8.8.8.0", "", "node-1", "8.8.8"]) == ["8.8.8.0/31"]


def test_thousands_of_nodes_are_covered_by_few_networks_and_none_is_left_out() -> None:
    chance = random.Random(7)
    near = [f"8.{chance.randrange(4)}.{chance.randrange(256)}.{chance.randrange(256)}" for _ in range(5000)]
    far = [
        f"{chance.randrange(11, 99)}.{chance.randrange(256)}.3.{chance.randrange(256)}" for _ in range(5000)
    ]
    for nodes in (near, near + far, [*near, *(f"2600:{n:x}::{n:x}" for n in range(5000))]):
        networks = covering(nodes)
        assert len(networks) <= MOST_NETWORKS
        public = [node for node in nodes if ip_address(node).is_global]
        assert all(held(networks, node) for node in public)
    assert not held(covering(near), "9.0.0.1")
