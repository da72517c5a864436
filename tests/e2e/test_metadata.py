"""Guests ask for their metadata at 169.254.169.254 and fd00:ec2::254: each gets its own."""

import re

import pytest

from orlop_cluster.lab import until
from support.bad_keys import ED25519
from support.lab import NAMESPACE, basics

pytestmark = pytest.mark.e2e
OTHER = "e2e-metadata"
SUBNETS = [
    {"name": "v4", "cidr": "10.23.0.0/24"},
    {"name": "v6", "cidr": "fd00:10:23::/64", "ipv6Mode": "SLAAC"},
]
NETWORK = {"subnets": SUBNETS, "metadata": "Enabled"}
# The guest's wget looks for a port's name, which a program without libraries cannot.
GET = """#!/bin/sh
get() {
    { printf 'GET /%s HTTP/1.0\\r\\nHost: metadata\\r\\n\\r\\n' $1; sleep 5; } |
        nc -w 10 ${2:-169.254.169.254} 80 2>/dev/null
}
"""
ASK = (
    GET
    + """
for path in latest/meta-data/instance-id latest/meta-data/public-keys/0/openssh-key openstack/latest/meta_data.json; do
    n=0; until get $path >/tmp/said && grep -q '200 OK' /tmp/said; do n=$((n+1)); [ $n -lt 30 ] || break; sleep 1; done
    echo "SAID $path $(tail -n 1 /tmp/said)"
done
echo "USERDATA $(get latest/user-data | grep -c SAID)"
echo "BY6 $(get latest/meta-data/instance-id fd00:ec2::254 | tail -n 1)"
echo ASKED
"""
)
NONE = GET + "get latest/meta-data/instance-id | grep -q HTTP && echo REACHED\necho ASKED\n"


def guest(cluster, name, namespace, network, address, node=None, script=ASK):
    nic = {"name": "eth0", "networkRef": {"name": network}, "address": address}
    where = {"placement": {"nodeSelector": {"kubernetes.io/hostname": node}}} if node else {}
    keys = {"keyPairRefs": [{"name": "me"}]} if network != "blue" else {}
    cluster.apply(
        cluster.instance(name, namespace, networks=[nic], userData={"inline": script}, **where, **keys)
    )


def console(cluster, name, namespace=NAMESPACE):
    instance = cluster.get("inst", name, namespace)
    text = until(lambda: cluster.console(instance), lambda text: "ASKED" in text, 180).replace("\r", "")
    return instance, text


def test_each_guest_is_told_of_itself_and_nothing_of_others(cluster, guests):
    """Two guests of one Network on one node, and another tenant's with the same CIDR and address."""
    first, _ = cluster.workers
    cluster.apply(*basics(cluster, guests, OTHER))
    cluster.wait("img/tiny", namespace=OTHER)
    for namespace in (NAMESPACE, OTHER):
        cluster.apply(
            cluster.object("Network", "told", NETWORK, namespace),
            cluster.object(
                "KeyPair", "me", {"publicKey": f"ssh-ed25519 {ED25519} me@{namespace}"}, namespace
            ),
        )
        cluster.wait("onet/told", namespace=namespace)
        guest(cluster, "one", namespace, "told", "10.23.0.60", first)
    guest(cluster, "two", NAMESPACE, "told", "10.23.0.61", first)
    guest(cluster, "none", NAMESPACE, "blue", "10.20.0.66", first, NONE)
    for name, namespace in (("one", NAMESPACE), ("two", NAMESPACE), ("none", NAMESPACE), ("one", OTHER)):
        cluster.wait(f"inst/{name}", namespace=namespace, seconds=240)
    for name, namespace in (("one", NAMESPACE), ("two", NAMESPACE), ("one", OTHER)):
        instance, text = console(cluster, name, namespace)
        said = dict(re.findall(r"SAID (\S+) (.*)", text))
        uid = instance["metadata"]["uid"]
        assert said["latest/meta-data/instance-id"] == uid, text
        assert (
            said["latest/meta-data/public-keys/0/openssh-key"] == f"ssh-ed25519 {ED25519} me@{namespace}"
        ), text
        assert f'"uuid": "{uid}"' in said["openstack/latest/meta_data.json"], text
        assert f'"project_id": "{namespace}"' in said["openstack/latest/meta_data.json"], text
        assert re.search(r"USERDATA [1-9]", text), text
        assert f"BY6 {uid}" in text, text
    _, text = console(cluster, "none")
    assert "REACHED" not in text
    cluster.delete("one", "two", "none")
    cluster.delete("told", kind="onet")
    cluster.delete("me", kind="keypair")
    cluster.delete("one", namespace=OTHER)
    cluster.kubectl("delete", "namespace", OTHER, "--timeout=120s", timeout=150)
