"""Many Instances created at once and deleted at once: no address twice, and nothing of them is left.

`make soak` makes a crowd of 500, 30 of them with guests that boot; `make test` a small one.
"""

import json
import os
from collections import Counter

import pytest

from orlop_cluster.lab import ready_reason, until
from support.lab import NAMESPACE
from support.leftovers import cluster_state, left, node_state

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(3600)]
MANY = int(os.environ.get("ORLOP_CROWD", "12"))
RUNNING = min(30, MANY // 3)
PATIENCE = 120 + 3 * MANY
"""Seconds for all to be created, and to be deleted."""


def test_a_crowd_comes_and_goes(cluster):
    subnet = {"name": "v4", "cidr": "10.30.0.0/23", "reuseAfter": "0s"}
    cluster.apply(
        cluster.object("Network", "crowd", {"subnets": [subnet]}),
    )
    cluster.wait("onet/crowd", namespace=NAMESPACE)
    nodes, objects = node_state(cluster), cluster_state(cluster)
    states = ["Running" if n < RUNNING else "Stopped" for n in range(MANY)]
    cluster.apply(
        *(cluster.instance(f"crowd-{n}", network="crowd", powerState=state) for n, state in enumerate(states))
    )

    def reasons():
        found = cluster.get("inst", namespace=NAMESPACE)["items"]
        return json.dumps(Counter(ready_reason(instance)[1] for instance in found))

    until(reasons, lambda found: json.loads(found) == Counter(states), PATIENCE)
    found = cluster.get("inst", namespace=NAMESPACE)["items"]
    nics = [nic for instance in found for nic in instance["status"].get("addresses", [])]
    assert len({nic["ip"] for nic in nics}) == len({nic["mac"] for nic in nics}) == len(nics) >= RUNNING
    for instance in found:
        if instance["spec"]["powerState"] == "Running":
            cluster.booted(instance, PATIENCE)
            assert cluster.answer(instance, "crowd")[0] == instance["metadata"]["name"]
    print(f"{MANY} Instances, {len(nics)} addresses")

    cluster.kubectl(
        "delete", "inst", "--all", "--namespace", NAMESPACE, f"--timeout={PATIENCE}s", timeout=PATIENCE + 30
    )
    assert cluster_state(cluster) == objects
    assert left(cluster, nodes) == []
    cluster.delete("crowd", kind="onet")
