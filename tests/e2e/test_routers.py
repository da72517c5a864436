"""Routed Networks between real guests on two nodes; the Router comes and goes while they run."""

import re

import pytest

from orlop_cluster.lab import until
from support.lab import NAMESPACE

pytestmark = pytest.mark.e2e

PINGS = """#!/bin/sh
n=0; while [ $n -lt 900 ]; do
  n=$((n+1)); ping -c 1 -W 1 {to} >/dev/null 2>&1 && echo "SEEN $n" || echo "LOST $n"; sleep 0.3
done
"""


def network(cluster, name, cidr):
    return cluster.object("Network", name, {"subnets": [{"name": "v4", "cidr": cidr}]})


def guest(cluster, name, node, on, address, to):
    nic = {"name": "eth0", "networkRef": {"name": on}, "address": address}
    place = {"nodeSelector": {"kubernetes.io/hostname": node}}
    data = {"inline": PINGS.format(to=to)}
    return cluster.instance(name, networks=[nic], placement=place, userData=data)


def now(cluster, name, word):
    """Until the guest says so three times in a row, from now on."""
    instance = cluster.get("inst", name, NAMESPACE)
    begun = len(cluster.console(instance))

    def lately():
        return re.findall(r"user-data: (SEEN|LOST) \d+", cluster.console(instance)[begun:])

    return until(lately, lambda words: words[-3:] == [word] * 3, 60)


def test_guests_of_two_networks_on_two_nodes(cluster, guests):
    first, second = cluster.workers
    cluster.apply(network(cluster, "left", "10.71.0.0/24"), network(cluster, "right", "10.72.0.0/24"))
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
