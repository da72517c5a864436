"""Single nodes: commands in them, their logs, power cuts, a cut network."""

import json
import os
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from orlop_cluster.archive import without
from orlop_cluster.existing import NAMESPACE, OURS
from orlop_cluster.kindconfig import AUDIT_LOG_DIRECTORY
from orlop_cluster.lifecycle import kubectl, sealed
from orlop_cluster.process import StepError
from orlop_cluster.sealed import Sealed

STATIC = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")
DAEMONS = {"coredns": "k8s-app=kube-dns", "kube-proxy": "k8s-app=kube-proxy", "podnet": "app=podnet"}
DISABLED, FORWARDING = "0", "3"
"""States of a bridge port (bridge(8)): a disabled one passes nothing, and its peer's link stays up."""


def names(cluster: Sealed) -> list[str]:
    """All nodes, running or not."""
    return sealed(cluster, "kind", "get", "nodes", f"--name={cluster.name}").split()


def full_name(cluster: Sealed, node: str) -> str:
    """A node's full name; `worker2` is enough. Raises StepError, with the names, for one that is not there."""
    known = names(cluster)
    for candidate in (node, f"{cluster.name}-{node}"):
        if candidate in known:
            return candidate
    raise StepError(f"no node {node}; there are {', '.join(sorted(known))}")


def inspect(cluster: Sealed, node: str) -> dict[str, object]:
    told: list[dict[str, object]] = json.loads(sealed(cluster, "podman", "container", "inspect", node))
    return told[0]


def command(cluster: Sealed, node: str, argv: list[str], *, terminal: bool = False) -> list[str | Path]:
    """The command line that runs `argv` in the node."""
    options = ["--interactive", *(["--tty"] if terminal else [])]
    return cluster.inside(["podman", "exec", *options, full_name(cluster, node), *argv])


def kill(cluster: Sealed, node: str) -> None:
    """A power cut: every process of the node dies at once, and its disk stays as it is that moment.

    The kernel kills all of a pid namespace with its first process (pid_namespaces(7)).
    """
    name = full_name(cluster, node)
    address(cluster, name)
    sealed(cluster, "podman", "kill", "--signal=KILL", name)
    sealed(cluster, "podman", "wait", name)


def start(cluster: Sealed, node: str) -> None:
    """Power on. The node gets its old address, as a machine would."""
    name = full_name(cluster, node)
    remembered = _address_file(cluster, name)
    if remembered.exists():
        sealed(cluster, "podman", "network", "disconnect", cluster.network, name)
        sealed(
            cluster, "podman", "network", "connect", f"--ip={remembered.read_text()}", cluster.network, name
        )
    sealed(cluster, "podman", "start", name)


def _address_file(cluster: Sealed, name: str) -> Path:
    return cluster.state / f"address-{name}"


def address(cluster: Sealed, name: str) -> str:
    """A running node's address, remembered for its next start."""
    found = sealed(
        cluster,
        "podman",
        "container",
        "inspect",
        f"--format={{{{.NetworkSettings.Networks.{cluster.network}.IPAddress}}}}",
        name,
    ).strip()
    _address_file(cluster, name).write_text(found)
    return found


def partition(cluster: Sealed, node: str, state: str) -> None:
    """Set the bridge port of a node to DISABLED or FORWARDING: nothing passes either way, or all does."""
    name = full_name(cluster, node)
    peer = sealed(cluster, "podman", "exec", name, "cat", "/sys/class/net/eth0/iflink").strip()
    links = json.loads(sealed(cluster, "ip", "-json", "link", "show", "type", "veth"))
    [port] = [link["ifname"] for link in links if str(link["ifindex"]) == peer]
    sealed(cluster, "bridge", "link", "set", "dev", port, "state", state)


def load(cluster: Sealed, archives: Sequence[Path]) -> None:
    """Put the images of archives into every node: the operator likes to be beside the API server.

    Only layers that a node lacks travel: containerd hashes all that it is given.
    """
    for archive in archives:
        if not archive.is_file():
            raise StepError(f"no archive {archive}")
    with ThreadPoolExecutor() as pool:
        for result in [pool.submit(load_into, cluster, node, archives) for node in names(cluster)]:
            result.result()


def load_into(cluster: Sealed, node: str, archives: Sequence[Path]) -> None:
    """Import archives into one node's containerd."""
    ctr = ["ctr", "--namespace=k8s.io"]
    for archive in archives:
        listed = sealed(cluster, "podman", "exec", node, *ctr, "content", "ls", "--quiet")
        argv = cluster.inside(
            [
                "podman",
                "exec",
                "--interactive",
                node,
                *ctr,
                "images",
                "import",
                "--all-platforms",
                "--digests",
                "-",
            ]
        )
        with subprocess.Popen(
            argv, env={**os.environ, **cluster.environment()}, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        ) as importing:  # fmt: skip
            if importing.stdin is None or importing.stderr is None:
                raise AssertionError
            # An import that fails stops reading; its own words say why.
            with suppress(BrokenPipeError), importing.stdin as sink:
                without(archive, {digest.removeprefix("sha256:") for digest in listed.split()}, sink)
            words = importing.stderr.read().decode(errors="replace")
        if importing.returncode:
            raise StepError(f"{node} did not take {archive}:\n{words.strip()}")


def logs(cluster: Sealed, what: str, follow: bool) -> list[str | Path]:  # noqa: FBT001 - a switch of the command line
    """The command line that shows a node's journal, a component's log, or the API server's audit log."""
    if what == "audit":
        shown = ["tail", "-n", "+1", *(["-F"] if follow else []), f"{AUDIT_LOG_DIRECTORY}/audit.log"]
        return command(cluster, "control-plane", shown)
    if what in STATIC:
        place = ["--namespace=kube-system", f"--selector=component={what}"]
    elif what in DAEMONS:
        place = ["--namespace=kube-system", f"--selector={DAEMONS[what]}"]
    elif what in OURS:
        place = [f"--namespace={NAMESPACE}", f"--selector={OURS[what]}"]
    else:
        return command(cluster, what, ["journalctl", "--no-pager", *(["--follow"] if follow else [])])
    options = ["--tail=-1", "--prefix", "--all-containers", *(["--follow"] if follow else [])]
    kubectl(cluster, "get", "pods", *place)
    return ["kubectl", f"--kubeconfig={cluster.kubeconfig}", "logs", *place, *options]
