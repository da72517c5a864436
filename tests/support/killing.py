"""Agents of a cluster that are killed, and replaced by the kubelet."""

from support.lab import Cluster


def kill(cluster: Cluster, node: str) -> None:
    """SIGKILL to the agent; another pod, since the kubelet would hold this one back longer after each kill."""
    # In brackets, or the shell that runs this would be meant too.
    killing = "until pkill -KILL -f '[/]orlop-agent'; do sleep 0.1; done"
    cluster.on_node(node, "timeout", "120", "bash", "-c", killing, timeout=130)
    cluster.kubectl(
        "delete", "pods", "--namespace=orlop-system", "-lapp.kubernetes.io/name=orlop-agent",
        f"--field-selector=spec.nodeName={node}", "--grace-period=0", "--force", "--wait=false",
    )  # fmt: skip


def works_again(cluster: Cluster, node: str) -> None:
    """Until an agent of the node answers whoever collects its numbers, and the operator gives it orders."""
    address = cluster.get("hv", node)["status"]["hostAddress"]
    asking = (
        f"until curl --silent --fail --output /dev/null http://{address}:9445/metrics; do sleep 0.1; done"
    )
    cluster.on_node(node, "timeout", "180", "bash", "-c", asking, timeout=190)
    cluster.wait(f"hv/{node}")
