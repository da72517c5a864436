"""What demo, e2e tests, soak and bench all do with a development cluster, in the words of kubectl.

Only the standard library, as everything that `cluster/dev` needs.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from orlop_cluster import existing
from orlop_cluster.entering import entered
from orlop_cluster.process import StepError
from orlop_cluster.sealed import Sealed

ROOT = Path(__file__).resolve().parents[2]
DEV = ROOT / "cluster/dev"
CONSOLES = "/var/log/orlop/console"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Lab:
    """One cluster by name, from the outside: kubectl, and commands on its nodes."""

    name: str = "orlop"

    @property
    def kubeconfig(self) -> Path:
        """The kubeconfig that `cluster/dev up` writes, or that of the existing cluster."""
        if existing.enabled():
            return Path(existing.kubeconfig())
        return ROOT / ".orlop" / ("kubeconfig" if self.name == "orlop" else f"kubeconfig-{self.name}")

    @property
    def state(self) -> Path:
        """What goes when the cluster does; of an existing cluster, what belongs to this checkout."""
        state = ROOT / ".orlop"
        return state if existing.enabled() else state / "clusters" / self.name

    @property
    def guests(self) -> Path:
        """Where the files that its file server hands out are."""
        return self.state / "guests"

    def dev(self, *arguments: str, timeout: float = 1800) -> str:
        """Output of a `cluster/dev` command; CommandError with what it said when it fails."""
        command, *rest = arguments
        return _run([str(DEV), command, "--name", self.name, *rest], timeout=timeout)

    def kubectl(self, *arguments: str, stdin: str | None = None, timeout: float = 300) -> str:
        """Output of kubectl; CommandError with what it said when it fails."""
        kubectl = ROOT / ".orlop/bin/kubectl"
        program = str(kubectl) if kubectl.exists() else "kubectl"
        cache = self.state / "kubectl-cache"
        environment = os.environ | {"KUBECONFIG": str(self.kubeconfig), "KUBECACHEDIR": str(cache)}
        return _run([program, *arguments], stdin=stdin, timeout=timeout, environment=environment)

    def apply(self, *objects: dict[str, Any], namespace: str | None = None) -> str:
        """`kubectl apply` of these objects, unknown fields refused."""
        scope = ("--namespace", namespace) if namespace else ()
        document = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        return self.kubectl("apply", "--validate=strict", *scope, "-f", "-", stdin=document)

    def get(self, kind: str, name: str = "", namespace: str = "demo") -> dict[str, Any]:
        """One object, or a list when no name is given."""
        found = self.kubectl("get", kind, *([name] if name else []), "--namespace", namespace, "-o", "json")
        return dict(json.loads(found))

    def wait(
        self, what: str, condition: str = "condition=Ready", namespace: str = "demo", seconds: int = 180
    ) -> None:
        """Block until `kubectl wait` is content; CommandError after `seconds`."""
        self.kubectl(
            "wait", *what.split(), f"--for={condition}", "--namespace", namespace, f"--timeout={seconds}s",
            timeout=seconds + 30,
        )  # fmt: skip

    def on_node(self, node: str, *command: str, timeout: float = 120) -> str:
        """Output of a command on a node."""
        return _run([*map(str, self.into(node)), *command], timeout=timeout)

    def into(self, node: str) -> list[str | Path]:
        """What stands before a command to run it on a node."""
        cluster = Sealed(self.name)
        if not existing.enabled() and cluster.alive():
            # Where the node is off, the command below says so, as to any user.
            with suppress(StepError):
                return entered(cluster, node)
        return [DEV, "exec", "--name", self.name, node, "--"]

    def console(self, instance: dict[str, Any]) -> str:
        """What the guest wrote on its serial console, as far as it is kept."""
        node, uid = instance["status"]["nodeName"], instance["metadata"]["uid"]
        return self.on_node(node, "sh", "-c", f"cat {CONSOLES}/{uid}.log 2>/dev/null || true").replace(
            "\r", ""
        )

    def domains(self, node: str) -> list[str]:
        """Names of the libvirt domains that a node has."""
        return self.on_node(node, "virsh", "list", "--all", "--name").split()


def ready_reason(instance: dict[str, Any], kind: str = "Ready") -> tuple[str, str, str]:
    """Status, reason and message of a condition; empty strings while it is not there."""
    for condition in instance.get("status", {}).get("conditions", []):
        if condition["type"] == kind:
            return condition["status"], condition["reason"], condition.get("message", "")
    return "", "", ""


def until(look: Callable[[], T], good: Callable[[T], bool], seconds: float) -> T:
    """Look again until it is good; what was seen last is the error's text.

    A console is a file on another machine that nobody announces changes of: here looking again is the way.
    """
    deadline = time.monotonic() + seconds
    while not good(seen := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not seen within {seconds:.0f} s; last:\n{str(seen)[-3000:]}")
        time.sleep(0.5)
    return seen


def _run(
    command: list[str], *, timeout: float, stdin: str | None = None, environment: dict[str, str] | None = None
) -> str:
    done = subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment,
        cwd=ROOT,
        check=False,
    )
    if done.returncode:
        raise CommandError(command, done.returncode, done.stdout, done.stderr)
    return done.stdout


class CommandError(RuntimeError):
    """A command that failed, with what it said."""

    def __init__(self, command: list[str], status: int, stdout: str, stderr: str) -> None:
        said = "\n".join(part.strip() for part in (stdout, stderr) if part.strip())
        super().__init__(f"{' '.join(command)} ended with {status}\n{said}")
        self.status = status
        self.stderr = stderr
