"""Bring a sealed cluster up, take it down, say how it is."""

import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from orlop_cluster import apt, cgroups, gobuild, nodeimage
from orlop_cluster.kindconfig import AUDIT_POLICY, kind_config
from orlop_cluster.limits import raise_inotify
from orlop_cluster.opened import Open
from orlop_cluster.places import locked, state_root
from orlop_cluster.process import StepError, run, say, step
from orlop_cluster.prune import prune
from orlop_cluster.sealed import Sealed
from orlop_cluster.supervisor import clean


def up(cluster: Sealed, workers: int, owner: int | None = None) -> None:
    """Make the cluster and wait for its nodes; a cluster that runs already is left as it is.

    With `owner`, the cluster ends when that process does. Raises StepError; what was half made is removed.
    """
    if cluster.alive() and (have := made(cluster)) is not None:
        if have != workers:
            raise StepError(
                f"the cluster {cluster.name} runs with {have} workers; "
                f"`cluster/dev down --name {cluster.name}` first to make it with {workers}"
            )
        say(f"the cluster {cluster.name} runs already")
        return
    if not cluster.state.exists() and cgroups.occupied(cluster.cgroup):
        raise StepError(
            f"another checkout runs a cluster {cluster.name} on this machine: take another --name"
        )
    down(cluster)
    build()
    raise_inotify()
    with locked(f"cluster-{cluster.name}"):
        try:
            if isinstance(cluster, Open):
                cluster.prepare()
            else:
                start(cluster, owner)
            create(cluster, workers)
            join_outside(cluster)
            kubectl(cluster, "scale", "deployment/coredns", "--namespace=kube-system", "--replicas=1")
            with step("nodes ready"):
                nodes = [f"node/{cluster.name}-{role}" for role in roles(workers)]
                # kind ends when a kubelet may register its Node, which is a moment before it has.
                kubectl(cluster, "wait", "--for=create", *nodes, "--timeout=180s")
                kubectl(cluster, "wait", "--for=condition=Ready", *nodes, "--timeout=180s")
            (cluster.state / "made.json").write_text(json.dumps({"workers": workers}))
        except BaseException:
            down(cluster)
            raise


def roles(workers: int) -> list[str]:
    """What kind names the nodes by, after the cluster."""
    return ["control-plane", *("worker" if n == 1 else f"worker{n}" for n in range(1, workers + 1))]


def build() -> None:
    """Everything that is built once per machine."""
    apt.ensure(apt.BUILD, apt.RUN)
    fresh = not nodeimage.store().exists()
    nodeimage.ensure()
    if fresh:
        prune()


def made(cluster: Sealed) -> int | None:
    """How many workers the cluster was made with; None while it is half made."""
    with suppress(FileNotFoundError):
        workers: int = json.loads((cluster.state / "made.json").read_text())["workers"]
        return workers
    return None


def start(cluster: Sealed, owner: int | None) -> None:
    """Start the supervisor, detached from this process and from its terminal."""
    cluster.state.mkdir(parents=True)
    cluster.write_configuration()
    owned = [] if owner is None else [str(owner)]
    with step("sealed namespaces"), (cluster.state / "supervisor.log").open("w") as log:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "orlop_cluster.supervisor", cluster.name, *owned],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True,
        )  # fmt: skip
        if supervisor.stdout is None:
            raise AssertionError
        with supervisor.stdout as told:
            answer = told.readline().strip()
        if answer != "ready":
            raise StepError(f"the sealed namespaces did not start: {answer or 'no word of why'}")


def create(cluster: Sealed, workers: int) -> None:
    """Let kind do its work inside."""
    policy, configuration = cluster.state / "audit-policy.json", cluster.state / "kind.json"
    policy.write_text(json.dumps(AUDIT_POLICY))
    capabilities = cluster.shared_cache("libvirt-capabilities")
    shared = cluster.state / "shared"
    shared.mkdir(mode=0o755)
    (shared / "pool-id").write_text(f"{uuid4()}\n")
    outside: dict[str, Any] = {"image": cluster.image, "api_port": 0} if isinstance(cluster, Open) else {}
    wanted = kind_config(
        cluster.name,
        workers,
        audit_policy=str(policy),
        capabilities=str(capabilities),
        shared=str(shared),
        **outside,
    )
    configuration.write_text(json.dumps(wanted, indent=1))
    with step(f"kind: a control plane and {workers} workers"):
        sealed(cluster, "kind", "create", "cluster", f"--config={configuration}", "--retain",
               f"--kubeconfig={cluster.inner_kubeconfig}")  # fmt: skip


def join_outside(cluster: Sealed) -> None:
    """Write the kubeconfig for the machine's side of the relay, and see that there is a kubectl."""
    told = run([gobuild.directory() / "kubectl", "config", "view", "--raw", "--output=json",
                f"--kubeconfig={cluster.inner_kubeconfig}"])  # fmt: skip
    configuration = json.loads(told)
    if not isinstance(cluster, Open):
        configuration["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{cluster.record['port']}"
    cluster.kubeconfig.touch(mode=0o600)
    cluster.kubeconfig.write_text(json.dumps(configuration, indent=1))
    link = state_root() / "bin" / "kubectl"
    link.parent.mkdir(exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(gobuild.directory() / "kubectl")


def kubectl(cluster: Sealed, *arguments: str) -> str:
    """Run kubectl as the cluster's administrator, through the relay."""
    return run(
        [gobuild.directory() / "kubectl", f"--kubeconfig={cluster.kubeconfig}", *arguments],
        env={"KUBECACHEDIR": str(cluster.kubectl_cache)},
    )


def sealed(cluster: Sealed, *argv: str | Path, stdin: str | None = None) -> str:
    """Run a program inside and return what it printed."""
    return run(cluster.inside(argv), env=cluster.environment(), stdin=stdin)


def down(cluster: Sealed) -> None:
    """End the cluster, running, half made or broken, and remove all that belongs to it."""
    if isinstance(cluster, Open) and cluster.alive():
        with step(f"ending the cluster {cluster.name}"):
            cluster.remove()
        return
    record = cluster.record
    if record:
        with suppress(ProcessLookupError):
            handle = os.pidfd_open(record["supervisor"])
            if cluster.supervised():
                with step(f"ending the cluster {cluster.name}"):
                    signal.pidfd_send_signal(handle, signal.SIGTERM)
                    if not select.select([handle], [], [], 180.0)[0]:
                        raise StepError(f"the supervisor (process {record['supervisor']}) does not end")
            os.close(handle)
    # The supervisor has cleaned up; if it was killed, its processes died with it, and this does the rest.
    clean(cluster)


def status(cluster: Sealed) -> str:
    """What runs, in a few lines; raises StepError if nothing does."""
    if not cluster.alive():
        raise StepError(f"the cluster {cluster.name} does not run")
    nodes = kubectl(cluster, "get", "nodes", "--output=wide")
    return f"cluster {cluster.name}; kubeconfig {cluster.kubeconfig}\n{nodes}"
