"""A deleted Instance leaves nothing, on its node and in the cluster."""

import pytest

from support.lab import NAMESPACE, basics
from support.leftovers import cluster_state, left, node_state

pytestmark = pytest.mark.e2e


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
