"""The process outside the namespaces of one cluster:  python3 -m orlop_cluster.supervisor NAME [OWNER_PID]

It makes the namespaces, keeps the relay, and waits for the first of: SIGTERM, the end of the namespaces' first
process, the end of the owner. Then it ends everything and removes what the cluster left.
"""

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path

from orlop_cluster import cgroups, gobuild
from orlop_cluster.places import SOURCES, state_root
from orlop_cluster.process import StepError
from orlop_cluster.sealed import API_PORT, Sealed

PATIENCE = 30.0
"""Seconds for the namespaces to get ready; a second is usual."""


def supervise(cluster: Sealed, owner: int | None) -> None:
    """Run the cluster's namespaces until something asks for their end; raises StepError if they do not come up."""
    woken, wake = os.pipe()
    for signum in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(signum, lambda *_: os.write(wake, b"."))
    with ExitStack() as stack:
        stack.callback(clean, cluster)
        ends = [woken]
        if owner is not None:
            ends.append(os.pidfd_open(owner))
        outer = seal(cluster)
        stack.callback(end, outer)
        init = first_child(outer.pid)
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        relay = start_relay(init, listener)
        stack.callback(end, relay)
        stack.callback(end_namespaces, init, outer)
        record = {"supervisor": os.getpid(), "init": init, "port": listener.getsockname()[1]}
        # As a whole: who waits for the cluster reads the file as soon as it has its name.
        unfinished = cluster.state / ".supervisor.json"
        unfinished.write_text(json.dumps(record))
        unfinished.rename(cluster.state / "supervisor.json")
        print("ready", flush=True)
        # From here on the words go to the log alone; who started us may be gone.
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        select.select([*ends, os.pidfd_open(init), os.pidfd_open(relay.pid)], [], [])


def seal(cluster: Sealed) -> subprocess.Popen[str]:
    """Start the namespaces; return the process whose end is theirs."""
    sealed = SOURCES / "sealed"
    outer = subprocess.Popen(
        ["setpriv", "--pdeathsig=KILL", "--", "sh", sealed / "enter.sh", *cgroups.create(cluster.cgroup), "--",
         sealed / "init.sh", gobuild.directory() / "pause", cluster.name],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    if outer.stdout is None:
        raise AssertionError
    with outer.stdout as told:
        if not select.select([told], [], [], PATIENCE)[0] or told.readline().strip() != "ready":
            end(outer)
            raise StepError("the sealed namespaces did not come up")
    return outer


def first_child(pid: int) -> int:
    """`unshare` waits for one child: the namespaces' first process (proc(5), task/TID/children)."""
    [child] = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


def start_relay(init: int, listener: socket.socket) -> "subprocess.Popen[bytes]":
    """Start the relay in the sealed network with the outer socket in its hands."""
    return subprocess.Popen(
        ["setpriv", "--pdeathsig=KILL", "--", "nsenter", f"--target={init}", "--net", "--",
         sys.executable, "-m", "orlop_cluster.relay", str(listener.fileno()), str(API_PORT)],
        pass_fds=[listener.fileno()], stdin=subprocess.DEVNULL,
    )  # fmt: skip


def end(process: "subprocess.Popen[str] | subprocess.Popen[bytes]") -> None:
    """Kill and reap."""
    process.kill()
    process.wait()


def end_namespaces(init: int, outer: "subprocess.Popen[str]") -> None:
    """Kill the first process, and with it all others; the one that waits for it ends then by itself."""
    with suppress(ProcessLookupError):
        os.kill(init, signal.SIGKILL)
    outer.wait()


def clean(cluster: Sealed) -> None:
    """Remove what a cluster leaves: cgroups, files, and directories of ours that are empty then."""
    with suppress(FileNotFoundError):
        wait_gone(cluster.record.get("init"))
    # Names of cgroups are the machine's: with no record of ours, who is in them is another checkout's cluster.
    if cluster.record or not cgroups.occupied(cluster.cgroup):
        cgroups.remove(cluster.cgroup)
    shutil.rmtree(cluster.state, ignore_errors=True)
    if cluster.state.exists():
        shutil.rmtree(cluster.state)
    cluster.kubeconfig.unlink(missing_ok=True)
    clusters = state_root() / "clusters"
    with suppress(OSError):
        clusters.rmdir()
        # The last cluster of this checkout takes the kubectl with it.
        shutil.rmtree(state_root() / "bin", ignore_errors=True)
        state_root().rmdir()


def wait_gone(init: int | None, patience: float = 120.0) -> None:
    """Wait until the namespaces' first process, and so every process in them, is gone."""
    if init is None:
        return
    try:
        handle = os.pidfd_open(init)
    except ProcessLookupError:
        return
    if not select.select([handle], [], [], patience)[0]:
        raise StepError(f"process {init} does not end")
    os.close(handle)


def main() -> int:
    cluster = Sealed(sys.argv[1])
    owner = int(sys.argv[2]) if len(sys.argv) > 2 else None
    begun = time.monotonic()
    try:
        supervise(cluster, owner)
    except StepError as reason:
        sys.stderr.write(f"{reason}\n")
        return 1
    sys.stderr.write(f"the cluster {cluster.name} ended after {time.monotonic() - begun:.0f} s\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
