"""ORLOP_CLUSTER=existing: work with the cluster of the current kubeconfig instead of making one.

What needs the machine below the nodes (power, cables, image stores) is refused in a sentence.
"""

import argparse
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from orlop_cluster.kindconfig import HYPERVISOR_LABEL
from orlop_cluster.places import state_root
from orlop_cluster.process import StepError, run, say

VARIABLE = "ORLOP_CLUSTER"
NAMESPACE = "orlop-system"
OURS = {name: f"app.kubernetes.io/name=orlop-{name}" for name in ("operator", "agent")}
REFUSED = {
    "load": "load the images with what the cluster has for that (a registry, `kind load`), then deploy",
    "kill": "only the machine below a node can cut its power",
    "start": "only the machine below a node can power it on",
    "cut": "only the machine below a node can cut its network",
    "heal": "only the machine below a node can mend its network",
    "run": "there is no sealed network to run a command in",
    "serve": "any HTTP server that the nodes reach will do: name it in ORLOP_FILE_SERVER for the demo",
}


def enabled(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether the existing cluster is meant. Raises StepError for a word that means nothing."""
    asked = environment.get(VARIABLE, "")
    if asked not in {"", "sealed", "existing"}:
        raise StepError(f"{VARIABLE} is {asked!r}; it may be `existing`, or `sealed`, which is the default")
    return asked == "existing"


def kubeconfig(environment: Mapping[str, str] = os.environ) -> str:
    """What kubectl would use: the files in $KUBECONFIG, or the one in the home directory."""
    return environment.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")


def kubectl() -> Path:
    """The machine's kubectl, or the one that a sealed cluster left here. Raises StepError if there is none."""
    ours = state_root() / "bin" / "kubectl"
    if found := shutil.which("kubectl") or (str(ours) if ours.exists() else None):
        return Path(found)
    raise StepError(f"{VARIABLE}=existing needs a kubectl on PATH")


def ask(*arguments: str) -> str:
    """What kubectl answers, as whoever the kubeconfig names."""
    return run([kubectl(), f"--kubeconfig={kubeconfig()}", *arguments])


def check() -> str:
    """See that the API server answers, and say what is there; raises StepError if it does not."""
    try:
        told = json.loads(ask("version", "--output=json", "--request-timeout=10s"))
        version = told["serverVersion"]["gitVersion"]
    except (StepError, KeyError) as silent:
        raise StepError(f"the cluster of {kubeconfig()} does not answer:\n{silent}") from silent
    nodes = ask("get", "nodes", f"--selector={HYPERVISOR_LABEL}=true", "--output=name").split()
    if not nodes:
        say(f"no node is a hypervisor yet: kubectl label node NAME {HYPERVISOR_LABEL}=true")
    return f"Kubernetes {version} answers; hypervisors: {', '.join(n.split('/')[1] for n in nodes) or 'none'}"


def on_node(node: str, argv: list[str], *, terminal: bool) -> list[str | Path]:
    """The command line that runs `argv` in a node: by way of its agent, which sees the node's processes.

    Raises StepError where no agent runs.
    """
    pods = ask("get", "pods", f"--namespace={NAMESPACE}", f"--selector={OURS['agent']}",
               f"--field-selector=spec.nodeName={node},status.phase=Running", "--output=name").split()  # fmt: skip
    if not pods:
        raise StepError(f"exec goes by way of Orlop's agent, and none runs on a node named {node}")
    enter = ["nsenter", "--target=1", "--mount", "--uts", "--ipc", "--net", "--pid", "--"]
    return [kubectl(), f"--kubeconfig={kubeconfig()}", "exec", f"--namespace={NAMESPACE}", "--stdin",
            *(["--tty"] if terminal else []), pods[0], "--", *enter, *argv]  # fmt: skip


def logs(what: str, *, follow: bool) -> list[str | Path]:
    """The command line that shows a part's log, or a node's journal."""
    if what == "audit":
        raise StepError("the audit log is where the cluster's API server keeps it")
    if what not in OURS:
        journal = ["journalctl", "--no-pager", *(["--follow"] if follow else [])]
        return on_node(what, journal, terminal=False)
    options = ["--tail=-1", "--prefix", *(["--follow"] if follow else [])]
    return [kubectl(), f"--kubeconfig={kubeconfig()}", "logs", f"--namespace={NAMESPACE}",
            f"--selector={OURS[what]}", *options]  # fmt: skip


def dispatch(asked: argparse.Namespace, *, terminal: bool) -> int | None:
    """Do what was asked with the existing cluster; None for what has nothing to do with a cluster."""
    match asked.command:
        case "up":
            print(check())
        case "status":
            print(check() + "\n" + ask("get", "nodes", "--output=wide"))
        case "down":
            say("this cluster was not made here, and stays")
        case "kubeconfig":
            print(kubeconfig())
        case "exec":
            return subprocess.run(on_node(asked.node, asked.argv, terminal=terminal), check=False).returncode
        case "logs":
            return subprocess.run(logs(asked.what, follow=asked.follow), check=False).returncode
        case command if command in REFUSED:
            raise StepError(f"{command} is not possible with {VARIABLE}=existing: {REFUSED[command]}")
        case _:
            return None
    return 0
