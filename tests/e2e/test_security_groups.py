"""SecurityGroups between real guests on two nodes, changed while they run."""

import json

import pytest

from orlop_cluster.lab import until
from support.lab import NAMESPACE
from support.pinging import PINGS, now

pytestmark = pytest.mark.e2e

ECHO = {"protocol": "ICMP", "icmpType": "EchoRequest"}
OUT = [{"cidr": "0.0.0.0/0"}]


def group(cluster, name, *ingress):
    return cluster.object("SecurityGroup", name, {"ingress": list(ingress), "egress": OUT})


def guest(cluster, name, node, address, *groups, to=None):
    nic = {"networkRef": {"name": "blue"}, "address": address}
    nic["securityGroupRefs"] = [{"name": listed} for listed in groups]
    return cluster.placed(name, node, nic, PINGS.format(to=to) if to else "")


def test_guests_reach_who_lets_them(cluster, guests):
    """`app` may ping `web` by its group; `near` and `far` may not, on the same node and on another."""
    first, second = cluster.workers
    cluster.apply(
        group(cluster, "web", ECHO | {"securityGroupRef": {"name": "app"}}),
        group(cluster, "app"),
        guest(cluster, "web", first, "10.20.0.70", "web"),
    )
    cluster.wait("inst/web", namespace=NAMESPACE, seconds=240)
    cluster.apply(
        guest(cluster, "app", second, "10.20.0.71", "app", to="10.20.0.70"),
        guest(cluster, "near", first, "10.20.0.72", to="10.20.0.70"),
        guest(cluster, "far", second, "10.20.0.73", to="10.20.0.70"),
    )
    cluster.wait("inst --all", namespace=NAMESPACE, seconds=240)
    cluster.wait("osg --all", namespace=NAMESPACE, seconds=30)
    cluster.booted(cluster.get("inst", "web", NAMESPACE), seconds=240)
    boots = cluster.answer(cluster.get("inst", "web", NAMESPACE))[1]
    now(cluster, "app", "SEEN")
    now(cluster, "near", "LOST")
    now(cluster, "far", "LOST")

    # Guests come and go in a group while they run.
    for name, groups in (("far", ["app"]), ("near", ["app"]), ("app", [])):
        spec = cluster.get("inst", name, NAMESPACE)["spec"]["networks"]
        spec[0]["securityGroupRefs"] = [{"name": each} for each in groups]
        cluster.patch(name, {"networks": spec})
    now(cluster, "far", "SEEN")
    now(cluster, "near", "SEEN")
    now(cluster, "app", "LOST")

    # Rules change.
    anybody = {"spec": {"ingress": [ECHO | {"cidr": "10.20.0.71/32"}]}}
    patch = ["patch", "osg", "web", "--namespace", NAMESPACE, "--type=merge", "-p", json.dumps(anybody)]
    cluster.kubectl(*patch)
    now(cluster, "app", "SEEN")
    now(cluster, "near", "LOST")
    now(cluster, "far", "LOST")

    # `default` is for who lists none: `app` pings on, and nobody pings it.
    cluster.apply(group(cluster, "default"))
    until(
        lambda: cluster.get("oport", "app-eth0", NAMESPACE)["status"]["securityGroups"],
        lambda uids: uids == [cluster.get("osg", "default", NAMESPACE)["metadata"]["uid"]],
        30,
    )
    now(cluster, "app", "SEEN")
    assert cluster.answer(cluster.get("inst", "web", NAMESPACE))[1] == boots

    cluster.kubectl("delete", "osg", "--all", "--namespace", NAMESPACE, "--wait=false")
    message = until(
        lambda: cluster.get("osg", "web", NAMESPACE)["status"]["conditions"],
        lambda found: any(c["reason"] == "InUse" for c in found),
        30,
    )
    assert "listed no more for Port web-eth0" in json.dumps(message)
    cluster.delete("web", "app", "near", "far")
    cluster.kubectl("wait", "--for=delete", "osg", "--all", "--namespace", NAMESPACE, "--timeout=60s")
