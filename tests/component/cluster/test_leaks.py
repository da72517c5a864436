"""A cluster leaves the machine as it found it, whoever ends it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from orlop_cluster.places import CHECKOUT, cache_root
from orlop_cluster.sealed import Sealed

pytestmark = [pytest.mark.component, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]
DEV = CHECKOUT / "cluster" / "dev"
ROOT = Path("/sys/fs/cgroup")
NAME = f"leak{os.getpid()}"


def dev(*arguments: str) -> str:
    return subprocess.run([DEV, *arguments], check=True, capture_output=True, text=True, timeout=500).stdout


def cgroups() -> set[str]:
    """This cluster's, and any that Podman or the kubelet made outside of a cluster's own."""
    found = [
        path
        for pattern in (f"*/*{NAME}*", "*/libpod*", "*/kube*", "*/machine*")
        for path in ROOT.glob(pattern)
    ]
    return {str(path) for path in found}


def listing(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()] if directory.is_dir() else []


def traces() -> dict[str, set[str]]:
    """What of this cluster the machine knows; other clusters may come and go meanwhile."""
    processes = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                groups = (entry / "cgroup").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            # One without a command line has ended; its parent, perhaps the machine's init, has yet to notice.
            if words and (NAME in words or NAME in groups):
                processes.add(words)
    return {
        "processes": processes,
        "mounts": {line for line in Path("/proc/self/mountinfo").read_text().splitlines() if NAME in line},
        "links": {path.name for path in Path("/sys/class/net").iterdir()},
        "namespaces": {path.name for path in Path("/run/netns").glob("*")},
        "cgroups": cgroups(),
        "files": {p for part in (".", "clusters") for p in listing(CHECKOUT / ".orlop" / part) if NAME in p},
        "modules": {str(path) for path in Path("/lib").glob("modules")},
        "temporary": {str(path) for path in Path("/tmp").glob(f"*{NAME}*")},
    }


@pytest.fixture
def before() -> Iterator[dict[str, set[str]]]:
    yield traces()
    subprocess.run([DEV, "down", "--name", NAME], check=True, capture_output=True)


def wait_until_equal(before: dict[str, set[str]], patience: float) -> None:
    deadline = time.monotonic() + patience
    while traces() != before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert traces() == before


def test_down_leaves_nothing(before: dict[str, set[str]]) -> None:
    dev("up", "--name", NAME, "--nodes", "1")
    kubectl = [CHECKOUT / ".orlop/bin/kubectl", f"--kubeconfig={Sealed(NAME).kubeconfig}"]
    nodes = subprocess.run(
        [*kubectl, "get", "nodes", "-o", "name"], check=True, capture_output=True, text=True
    ).stdout
    assert nodes.split() == [f"node/{NAME}-control-plane", f"node/{NAME}-worker"]
    dev("up", "--name", NAME, "--nodes", "1")
    assert (
        dev("exec", "--name", NAME, "worker", "--", "systemctl", "is-active", "libvirtd").strip() == "active"
    )
    # Power off and on: the node comes back as the same machine, at the same address.
    address = ["exec", "--name", NAME, "worker", "--", "hostname", "-I"]
    first = dev(*address)
    dev("kill", "--name", NAME, "worker")
    dev("start", "--name", NAME, "worker")
    assert dev(*address).split()[0] == first.split()[0]
    dev("cut", "--name", NAME, "worker")
    ping = [DEV, "exec", "--name", NAME, "worker", "--", "ping", "-c1", "-W1", "198.18.1.1"]
    assert subprocess.run(ping, check=False, capture_output=True).returncode == 1
    dev("heal", "--name", NAME, "worker")
    assert subprocess.run(ping, check=False, capture_output=True).returncode == 0
    # Nothing reaches the world.
    route = ["run", "--name", NAME, "--", "ip", "route", "show", "default"]
    assert dev(*route) == ""
    dev("down", "--name", NAME)
    assert traces() == before


def test_ends_with_its_owner(before: dict[str, set[str]]) -> None:
    """Killed while kind works: what was half made goes as well."""
    up = [str(DEV), "up", "--name", NAME, "--nodes", "0", "--owner"]
    code = f"import os, subprocess; subprocess.run([*{up!r}, str(os.getpid())])"
    owner = subprocess.Popen(
        [sys.executable, "-c", code], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 400
    while not Sealed(NAME).alive():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(3)
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    wait_until_equal(before, 60)


def test_down_after_the_supervisor_was_killed(before: dict[str, set[str]]) -> None:
    up = subprocess.Popen(
        [DEV, "up", "--name", NAME, "--nodes", "0"], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    cluster = Sealed(NAME)
    deadline = time.monotonic() + 400
    while not cluster.alive():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    time.sleep(3)
    os.kill(cluster.record["supervisor"], signal.SIGKILL)
    assert up.wait(60) != 0
    dev("down", "--name", NAME)
    assert traces() == before
    assert cache_root().is_dir()
