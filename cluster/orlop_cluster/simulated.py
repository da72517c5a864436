"""`up --simulated N`: an API server, the operator and N simulated nodes as processes of this machine, and no kind.

The keeper (this module, run as a program) starts them and waits for the first of: SIGTERM, the end of one of them, the
end of the owner. Then it ends all, and removes what they left. They die with it by the kernel's parent-death signal.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from orlop_cluster import apiserver, gobuild
from orlop_cluster.opened import Open
from orlop_cluster.places import CHECKOUT, fingerprint, state_root
from orlop_cluster.process import StepError, run, say, step
from orlop_cluster.sealed import Sealed

OVERLAY = CHECKOUT / "manifests/overlays/dev"
PYTHON = CHECKOUT / ".venv/bin/python"
REFUSED = ("exec", "run", "logs", "kill", "start", "cut", "heal", "load", "serve")


def record(name: str) -> dict[str, Any]:
    """What the keeper of the cluster of this name wrote; nothing where there is none."""
    try:
        told: dict[str, Any] = json.loads(_record(name).read_text())
    except FileNotFoundError:
        return {}
    return told


def alive(name: str) -> bool:
    """Whether the keeper is there, and is it: process ids come again."""
    with suppress(KeyError, FileNotFoundError, ProcessLookupError):
        words = Path(f"/proc/{record(name)['keeper']}/cmdline").read_bytes().split(b"\0")
        return b"orlop_cluster.simulated" in words and name.encode() in words
    return False


def dispatch(asked: argparse.Namespace) -> int | None:
    """Do what was asked of a simulated cluster; None where another one is meant. Raises StepError."""
    name, count = getattr(asked, "name", ""), getattr(asked, "simulated", None)
    if asked.command == "up" and count is not None:
        print(up(name, count, asked.owner))
    elif not name or not _record(name).exists():
        return None
    elif asked.command == "up":
        raise StepError(
            f"the cluster {name} has simulated nodes; `cluster/dev down --name {name}` first for real ones"
        )
    elif asked.command == "down":
        down(name)
    elif asked.command == "status":
        print(status(name))
    elif asked.command in REFUSED:
        raise StepError(f"{asked.command} needs a node, and those of the cluster {name} are simulated")
    else:
        return None
    return 0


def up(name: str, count: int, owner: int | None) -> Path:
    """Start it, and return where its kubeconfig is once all nodes are Ready. Raises StepError."""
    if alive(name):
        if record(name)["nodes"] != count:
            raise StepError(
                f"the cluster {name} runs with {record(name)['nodes']} simulated nodes; "
                f"`cluster/dev down --name {name}` first to make it with {count}"
            )
        say(f"the cluster {name} runs already")
        return Sealed(name).kubeconfig
    if Sealed(name).alive() or Open(name).alive():
        raise StepError(f"the cluster {name} has real nodes; `cluster/dev down --name {name}` first")
    if count < 1:
        raise StepError("--simulated needs at least one node")
    if not PYTHON.exists():
        raise StepError("simulated nodes run in the project's environment: run `make setup` first")
    down(name)
    gobuild.ensure()
    state = Sealed(name).state
    state.mkdir(parents=True)
    owned = [] if owner is None else [str(owner)]
    with (
        step(f"an API server, an operator and {count} simulated nodes"),
        (state / "keeper.log").open("w") as log,
    ):
        keeper = subprocess.Popen(
            [sys.executable, "-m", "orlop_cluster.simulated", name, str(count), *owned],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True,
        )  # fmt: skip
        if keeper.stdout is None:
            raise AssertionError
        with keeper.stdout as told:
            answer = told.readline().strip()
        if answer != "ready":
            words = apiserver.tail(state / "keeper.log")
            down(name)
            raise StepError(f"the simulated cluster did not start: {answer or words}")
    return Sealed(name).kubeconfig


def down(name: str) -> None:
    """End it, running or half made, and remove all that belongs to it."""
    keeper = record(name).get("keeper")
    # It may end by itself meanwhile; and only what is held by its handle is surely the one that was looked at.
    with suppress(ProcessLookupError), ExitStack() as held:
        if keeper is not None:
            handle = os.pidfd_open(keeper)
            held.callback(os.close, handle)
            if alive(name):
                with step(f"ending the cluster {name}"):
                    signal.pidfd_send_signal(handle, signal.SIGTERM)
                    if not select.select([handle], [], [], 120.0)[0]:
                        raise StepError(f"the keeper (process {keeper}) does not end")
    _clean(name)


def status(name: str) -> str:
    """What runs, in a few lines."""
    if not alive(name):
        raise StepError(f"the cluster {name} does not run")
    told = _kubectl(name, "get", "hypervisors", "--no-headers").splitlines()
    ready = sum(" True " in f" {' '.join(line.split())} " for line in told)
    return f"cluster {name}; kubeconfig {Sealed(name).kubeconfig}\n{ready} of {len(told)} simulated nodes are Ready"


def keep(name: str, count: int, owner: int | None) -> None:
    """Run everything until something asks for its end. Raises StepError where it does not start."""
    woken, wake = os.pipe()
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, lambda *_: os.write(wake, b"."))
    ends = [woken, *([os.pidfd_open(owner)] if owner is not None else [])]
    state = Sealed(name).state
    with ExitStack() as stack:
        stack.callback(_clean, name)
        _record(name).write_text(json.dumps({"keeper": os.getpid(), "nodes": count}))
        server = stack.enter_context(apiserver.running())
        (state / "kubeconfig").write_text(server.kubeconfig.read_text())
        port = install(server)
        access = state / "operator-kubeconfig"
        access.write_text(as_operator(server))
        operator = {"KUBECONFIG": str(access), "POD_NAME": "operator", "ORLOP_HEALTH_PORT": "0"}
        ends += _start(
            stack, state, "operator", ["orlop_operator"], {**operator, "ORLOP_WEBHOOK_PORT": str(port)}
        )
        argv = ["orlop_agent.simulation", f"--kubeconfig={server.kubeconfig}", f"--nodes={count}"]
        memory = _memory(name)
        memory.mkdir(mode=0o700)
        ends += _start(stack, state, "nodes", [*argv, f"--directory={memory}"], {})
        server.kubectl("wait", "--for=create", f"hypervisor/sim-{count:04}", f"--timeout={60 + count}s")
        server.kubectl("wait", "--for=condition=Ready", "hypervisors", "--all", f"--timeout={60 + count}s")
        kubeconfig = Sealed(name).kubeconfig
        kubeconfig.touch(mode=0o600)
        kubeconfig.write_text((state / "kubeconfig").read_text())
        print("ready", flush=True)
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        select.select(ends, [], [])


def install(server: apiserver.ApiServer) -> int:
    """Apply the manifests, and lead the webhook's Service to a port of this machine, which is returned.

    kube-proxy is not here, but a Service of type ExternalName needs none.
    """
    server.kubectl("apply", "--server-side", "-k", str(OVERLAY))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    server.kubectl("-n", "orlop-system", "delete", "service", "orlop-webhook")
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "orlop-webhook", "namespace": "orlop-system"},
        "spec": {"type": "ExternalName", "externalName": "127.0.0.1"},
    }
    server.kubectl("create", "-f", "-", stdin=json.dumps(service))
    ports = [
        {"op": "replace", "path": f"/webhooks/{n}/clientConfig/service/port", "value": port} for n in (0, 1)
    ]
    server.kubectl(
        "patch", "mutatingwebhookconfiguration", "orlop", "--type=json", f"--patch={json.dumps(ports)}"
    )
    return port


def as_operator(server: apiserver.ApiServer) -> str:
    """A kubeconfig of the operator's own account, whose token outlives every session at a desk."""
    account = ["-n", "orlop-system", "create", "token", "orlop-operator", "--duration=168h"]
    configuration = json.loads(server.kubeconfig.read_text())
    configuration["users"][0]["user"] = {"token": server.kubectl(*account).strip()}
    return json.dumps(configuration)


def _start(
    stack: ExitStack, state: Path, name: str, argv: Sequence[str], environment: dict[str, str]
) -> list[int]:
    """Start a program of the project's; returns what becomes readable when it ends."""
    with (state / f"{name}.log").open("w") as log:
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig=KILL", "--", PYTHON, "-m", *argv],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **environment},
        )  # fmt: skip
    stack.callback(process.wait)
    stack.callback(process.terminate)
    return [os.pidfd_open(process.pid)]


def _record(name: str) -> Path:
    return Sealed(name).state / "simulated.json"


def _memory(name: str) -> Path:
    """What the nodes keep, in memory: each start of an Instance is synced to disk three times."""
    return Path("/dev/shm") / f"orlop-{fingerprint(str(Sealed(name).state))}"  # noqa: S108 - ours by its name


def _kubectl(name: str, *arguments: str) -> str:
    cluster = Sealed(name)
    return run(
        [gobuild.directory() / "kubectl", f"--kubeconfig={cluster.kubeconfig}", *arguments],
        env={"KUBECACHEDIR": str(cluster.kubectl_cache)},
    )


def _clean(name: str) -> None:
    """Remove files, and directories of ours that are empty then."""
    cluster = Sealed(name)
    for directory in (_memory(name), cluster.state):
        shutil.rmtree(directory, ignore_errors=True)
    cluster.kubeconfig.unlink(missing_ok=True)
    with suppress(OSError):
        (state_root() / "clusters").rmdir()
        state_root().rmdir()


def main() -> int:
    """The keeper."""
    owner = int(sys.argv[3]) if len(sys.argv) > 3 else None
    try:
        keep(sys.argv[1], int(sys.argv[2]), owner)
    except StepError as reason:
        sys.stderr.write(f"{reason}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
