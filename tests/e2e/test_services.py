"""A Kubernetes Service leads pods and nodes to real guests, by kube-proxy and floating addresses."""

import pytest

from orlop_cluster.lab import until
from support.lab import NAMESPACE
from support.outside import from_node, from_pod

pytestmark = pytest.mark.e2e
ADDRESSES = {"served-1": "198.18.1.211", "served-2": "198.18.1.212"}
"""Of the nodes' network, above what they take themselves."""
SYSTEM = "orlop-system"


def by_pod(cluster, address):
    """Who answers a pod on the Service's port."""
    return from_pod(cluster, SYSTEM, "deploy/orlop-operator", address, 80)


def test_a_service_leads_to_guests_and_forgets_those_that_go(cluster):
    subnet = {
        "name": "v4",
        "cidr": "198.18.1.0/24",
        "pools": [{"start": "198.18.1.210", "end": "198.18.1.220"}],
    }
    public = {"segment": {"type": "Flat", "physicalNetwork": "public"}, "subnets": [subnet]}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "hello",
            "namespace": NAMESPACE,
            "annotations": {"orlop.dev/instance-selector": "app=hello"},
        },
        "spec": {"ports": [{"port": 80, "targetPort": 7}]},
    }
    cluster.apply(cluster.object("Network", "served", public), service)
    for (name, address), node in zip(ADDRESSES.items(), cluster.workers, strict=True):
        leads = {"networkRef": {"name": "served"}, "address": address, "portRef": {"name": f"{name}-eth0"}}
        guest = cluster.placed(name, node, {"networkRef": {"name": "blue"}})
        guest["metadata"]["labels"] = {"app": "hello"}
        cluster.apply(cluster.object("FloatingIP", name, leads), guest)
    for name in ADDRESSES:
        cluster.wait(f"inst/{name}", namespace=NAMESPACE, seconds=120)
        cluster.booted(cluster.get("inst", name, NAMESPACE), seconds=240)
    at = cluster.get("service", "hello", NAMESPACE)["spec"]["clusterIP"]

    heard = set()
    nodes = (lambda n=n: from_node(cluster, n, at, 80) for n in cluster.workers)
    for ask in (lambda: by_pod(cluster, at), *nodes):
        # kube-proxy gives each connection to one of the two.
        heard.add(until(ask, lambda who: who in ADDRESSES, 60))
    until(lambda: heard.add(by_pod(cluster, at)) or heard - {None}, lambda seen: seen == set(ADDRESSES), 60)

    cluster.delete("served-1")
    until(lambda: {by_pod(cluster, at) for _ in range(4)}, lambda seen: seen == {"served-2"}, 60)
    cluster.delete("served-2")
    until(lambda: by_pod(cluster, at), lambda seen: seen is None, 60)
    for kind, name in (("ofip", "served-1"), ("ofip", "served-2"), ("onet", "served"), ("service", "hello")):
        cluster.delete(name, kind=kind)
    until(
        lambda: cluster.kubectl("get", "endpointslices", "-n", NAMESPACE, "-o", "name"),
        lambda seen: "hello" not in seen,
        60,
    )
