"""A deleted Instance leaves nothing, on its node and in the cluster."""

import difflib
import json
from contextlib import suppress

import pytest

from orlop_cluster.lab import until
from support.lab import NAMESPACE, basics

pytestmark = pytest.mark.e2e

LOOK = r"""
virsh list --all --uuid
ls -1 /var/lib/orlop/instances /var/lib/orlop/journal /var/lib/orlop/volumes /var/log/orlop/console
ls -1 /run/netns; ip -o link show | cut -d: -f2 | cut -d@ -f1 | sort
for ns in $(ls /run/netns); do
  echo "== $ns"; ip -n $ns -o link show | cut -d: -f2 | cut -d@ -f1 | sort
  ip netns exec $ns nft -s list ruleset; ip netns exec $ns bridge fdb show | grep -E 'static|permanent' | sort
done
find /run/orlop -type f | sort | xargs grep -H . 2>/dev/null | grep -v '^/run/orlop/agent'
systemctl list-units --plain --no-legend 'orlop-*' | awk '{print $1}'
nft -s list ruleset | grep -c orlop
"""


def node_state(cluster):
    return {node: cluster.on_node(node, "bash", "-c", LOOK) for node in cluster.workers}


def cluster_state(cluster):
    found = cluster.kubectl(
        "get", "claims,ports.orlop.dev,assignments,secrets", "--all-namespaces", "-o", "json"
    )
    return sorted(
        (item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"])
        for item in json.loads(found)["items"]
        # An address that was freed is nobody's, and its Claim goes by itself.
        if "quarantinedUntil" not in item.get("spec", {})
    )


def test_delete_leaves_nothing(cluster):
    """With a guest that stays on each node, so that what is shared is there before and after."""
    for number, node in enumerate(cluster.workers):
        cluster.create(f"stays-{number}", placement={"nodeSelector": {"kubernetes.io/hostname": node}})
    nodes, objects = node_state(cluster), cluster_state(cluster)
    seen = cluster.create("goes", userData={"inline": "#!/bin/sh\necho hi\n"})
    cluster.booted(seen)
    uid = seen["metadata"]["uid"]
    assert node_state(cluster) != nodes
    assert any(name == uid for _, _, name in cluster_state(cluster))
    cluster.delete("goes")
    assert cluster_state(cluster) == objects
    assert left(cluster, nodes) == []


def left(cluster, before):
    """Lines that a node shows now and did not, or the other way round; the other node learns a moment later."""

    def differences():
        return "\n".join(
            f"{node}: {line}"
            for node, now in node_state(cluster).items()
            for line in difflib.ndiff(before[node].splitlines(), now.splitlines())
            if line[0] in "+-"
        )

    with suppress(TimeoutError):
        until(differences, lambda found: not found, 10)
    return differences().splitlines()


def test_the_last_guest_takes_the_network_with_it(cluster):
    seen = cluster.create("only")
    node, namespace = seen["status"]["nodeName"], f"orlop-{cluster.segment()}"
    assert namespace in cluster.on_node(node, "ls", "/run/netns")
    cluster.delete("only")
    assert namespace not in cluster.on_node(node, "ls", "/run/netns")
    assert namespace not in cluster.on_node(
        node, "bash", "-c", "systemctl list-units --plain --no-legend 'orlop-*'"
    )
    assert [name for kind, _, name in cluster_state(cluster) if kind in {"Port", "Assignment"}] == []


def test_deleting_a_namespace_deletes_everything_in_it(cluster, guests):
    cluster.apply(*basics(cluster, guests, "e2e-gone"))
    cluster.apply(cluster.object("Volume", "data", {"size": "16Mi", "className": "local"}, "e2e-gone"))
    cluster.create("inside", "e2e-gone", volumes=[{"name": "data", "volumeRef": {"name": "data"}}])
    before = [entry for entry in cluster_state(cluster) if NAMESPACE in entry]
    cluster.kubectl("delete", "namespace", "e2e-gone", "--timeout=180s", timeout=200)
    assert [entry for entry in cluster_state(cluster) if NAMESPACE in entry] == before
