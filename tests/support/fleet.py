"""An API server, one operator and many simulated nodes, each a process: what the end-to-end figures are measured on."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from orlop_cluster import apiserver, gobuild
from orlop_cluster.apiserver import running
from support.apiserver import ApiServer
from support.policies import install

_TICKS = os.sysconf("SC_CLK_TCK")


AUDIT_POLICY = {
    **apiserver.AUDIT_POLICY,
    "rules": [
        {
            "level": "RequestResponse",
            "verbs": ["create", "patch", "delete"],
            "resources": [{"group": "orlop.dev", "resources": ["assignments", "assignments/status"]}],
        },
        *apiserver.AUDIT_POLICY["rules"],
    ],
}
"""With the bodies of Assignments, so that a ledger can be made of the log."""


@dataclass
class Fleet:
    """What runs, by name: operator one, nodes, kube-apiserver, etcd."""

    server: ApiServer
    directory: Path
    access: Path
    """The operator's kubeconfig."""
    stack: ExitStack
    processes: dict[str, int] = field(default_factory=dict)
    """Process ids."""
    operators: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    nodes: subprocess.Popen[str] | None = None

    @property
    def audit(self) -> Path:
        """The API server's log of all requests."""
        return self.server.directory / "audit.log"

    def works(self) -> bool:
        """Whether an operator and the nodes are there to do what is asked for."""
        return (self.nodes is None or self.nodes.poll() is None) and any(
            each.poll() is None for each in self.operators.values()
        )

    def start(self, name: str) -> None:
        """Another replica, or the same again."""
        self.operators[name] = self.stack.enter_context(operator(self.access, name))
        self.processes[f"operator {name}"] = self.operators[name].pid

    def leader(self) -> str:
        """Name of the replica that has the Lease; empty while none has."""
        asked = ["-n", "orlop-system", "get", "lease", "orlop-operator", "--ignore-not-found"]
        return self.server.kubectl(*asked, "--output=jsonpath={.spec.holderIdentity}")

    def kill(self, name: str) -> None:
        """SIGKILL, whatever it is at."""
        self.operators[name].kill()
        self.operators[name].wait()

    def usage(self) -> dict[str, Usage]:
        """Of each process, so far."""
        return {name: usage(pid) for name, pid in self.processes.items()}


@dataclass(frozen=True)
class Usage:
    """Seconds of processor time so far, and resident MiB now."""

    cpu: float
    memory: float


def usage(pid: int) -> Usage:
    """As this machine's /proc gives it."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    resident = next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))
    return Usage(sum(int(each) for each in fields[11:13]) / _TICKS, resident / 1024)


def operators_kubeconfig(server: ApiServer, directory: Path) -> Path:
    """As the operator's own account, so that its roles are at work."""
    server.kubectl("-n", "orlop-system", "create", "serviceaccount", "orlop-operator")
    token = server.kubectl(
        "-n", "orlop-system", "create", "token", "orlop-operator", "--duration=48h"
    ).strip()
    config = yaml.safe_load(server.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    path = directory / "operator.kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


@contextmanager
def operator(kubeconfig: Path, name: str = "one", port: int = 0) -> Iterator[subprocess.Popen[bytes]]:
    """A replica; its log is beside the kubeconfig, and its metrics at the port, if one is named."""
    environment = {
        **os.environ,
        "KUBECONFIG": str(kubeconfig),
        "POD_NAME": name,
        "ORLOP_WEBHOOK": "Disabled",
        "ORLOP_HEALTH_PORT": str(port),
        "ORLOP_LOG_LEVEL": "WARNING",
    }
    with kubeconfig.with_name(f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "orlop_operator"], env=environment, stdout=log, stderr=log
        )
    with ended(process):
        yield process


@contextmanager
def nodes(server: ApiServer, directory: Path, count: int, *options: str) -> Iterator[subprocess.Popen[str]]:
    """So many simulated nodes, once all agents run."""
    argv = [sys.executable, "-m", "orlop_agent.simulation", f"--kubeconfig={server.kubeconfig}"]
    with (directory / "nodes.log").open("ab") as log:
        process = subprocess.Popen(
            [*argv, f"--nodes={count}", *options], stdout=subprocess.PIPE, stderr=log, text=True
        )
    with ended(process):
        assert process.stdout is not None
        there, _, _ = select.select([process.stdout], [], [], 60 + count)
        word = process.stdout.readline() if there else ""
        assert word == "working\n", (directory / "nodes.log").read_text()[-3000:]
        yield process


@contextmanager
def ended(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> Iterator[None]:
    """Have the process ended, in an orderly way if it can, when the block ends."""
    try:
        yield
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(20)
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@contextmanager
def fleet(directory: Path, count: int, *options: str, operators: Sequence[str] = ("one",)) -> Iterator[Fleet]:
    """Everything for a measurement; returns once all nodes are Ready."""
    gobuild.ensure()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    policy = directory / "audit-policy.json"
    policy.write_text(json.dumps(AUDIT_POLICY))
    with ExitStack() as stack:
        # All of the log in one file: it is read as a whole.
        audit = [f"--audit-policy-file={policy}", "--audit-log-maxsize=20000"]
        server = stack.enter_context(running(audit))
        install(server)
        made = Fleet(server, directory, operators_kubeconfig(server, directory), stack)
        for name in operators:
            made.start(name)
        made.nodes = stack.enter_context(nodes(server, directory, count, *options))
        made.processes["nodes"] = made.nodes.pid
        made.processes |= servers(server)
        ready(server, count)
        yield made


def servers(server: ApiServer) -> dict[str, int]:
    """Process ids of etcd and kube-apiserver."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                words = (folder / "cmdline").read_text().split("\0")
                program = Path(words[0]).name
                if program in {"etcd", "kube-apiserver"} and any(str(server.directory) in w for w in words):
                    found[program] = int(folder.name)
    return found


def ready(server: ApiServer, count: int) -> None:
    """Wait until so many Hypervisors are Ready."""
    deadline = time.monotonic() + 60 + count
    asked = [
        "get",
        "hypervisors",
        "--output=jsonpath={range .items[*]}{.status.conditions[?(@.type=='Ready')].status} {end}",
    ]
    while server.kubectl(*asked).split().count("True") < count:
        assert time.monotonic() < deadline, "the nodes do not get ready"
        time.sleep(0.5)
