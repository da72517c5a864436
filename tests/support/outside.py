"""Who says what on a TCP port, asked from a node as a host of the physical network, or from a pod."""

from orlop_cluster.lab import CommandError
from support.lab import Cluster

SECONDS = 5
"""For one question."""


def from_node(cluster: Cluster, node: str, address: str, port: int) -> str | None:
    """The first word that is said there, of the tiny guest its host name; None where nobody answers."""
    ask = f"exec 3<>/dev/tcp/{address}/{port} && head -n1 <&3"
    try:
        said = cluster.on_node(node, "timeout", str(SECONDS), "bash", "-c", ask)
    except CommandError:
        return None
    return _first(said)


def from_pod(cluster: Cluster, namespace: str, pod: str, address: str, port: int) -> str | None:
    """The same from a pod that has Python."""
    ask = f"import socket; s = socket.create_connection(({address!r}, {port}), {SECONDS}); print(s.recv(200).decode())"
    try:
        said = cluster.kubectl("exec", "-n", namespace, pod, "--", "python3", "-c", ask)
    except CommandError:
        return None
    return _first(said)


def _first(said: str) -> str | None:
    return next(iter(said.split()), None)
