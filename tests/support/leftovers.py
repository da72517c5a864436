"""What a cluster holds for Instances, in its API and on its nodes: to be compared before and after."""

import difflib
import json
from contextlib import suppress

from orlop_cluster.lab import until

LOOK = r"""
virsh list --all --uuid
ls -1 /var/lib/orlop/instances /var/lib/orlop/journal /var/lib/orlop/volumes /var/log/orlop/console
ls -1 /run/netns; ip -o link show | cut -d: -f2 | cut -d@ -f1 | sort
for ns in $(ls /run/netns); do
  echo "== $ns"; ip -n $ns -o link show | cut -d: -f2 | cut -d@ -f1 | sort
  # A guest that stays may try what is dropped at any time; counts of one that is gone are what would be left.
  ip netns exec $ns nft -s list ruleset | grep -vE '"tap[0-9a-f]+" [.] 0x[0-9a-f]+ counter'
  for tap in $(ip netns exec $ns nft list set bridge orlop dropped 2>/dev/null | grep -oE 'tap[0-9a-f]+' | sort -u); do
    ip -n $ns link show $tap >/dev/null 2>&1 || echo "counts of $tap, which is gone"
  done
  ip netns exec $ns bridge fdb show | grep -E 'static|permanent' | sort
done
find /run/orlop -type f | sort | xargs grep -H . 2>/dev/null | grep -v '^/run/orlop/agent'
systemctl list-units --plain --no-legend 'orlop-*' | awk '{print $1}'
nft -s list ruleset | grep -c orlop || true
"""


def node_state(cluster):
    """What each node shows of guests, their files, links, rules and units."""
    return {node: cluster.on_node(node, "bash", "-c", LOOK) for node in cluster.workers}


def cluster_state(cluster):
    """(kind, namespace, name) of all that is made for Instances."""
    found = cluster.kubectl(
        "get", "claims,ports.orlop.dev,assignments,secrets", "--all-namespaces", "-o", "json"
    )
    return sorted(
        (item["kind"], item["metadata"].get("namespace"), item["metadata"]["name"])
        for item in json.loads(found)["items"]
        # An address that was freed is nobody's, and its Claim goes by itself.
        if "quarantinedUntil" not in item.get("spec", {})
    )


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
        until(differences, lambda found: not found, 60)
    return differences().splitlines()
