"""A cluster leaves the machine as it found it, whoever ends it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orlop_cluster import cgroups
from orlop_cluster.places import CHECKOUT, cache_root
from orlop_cluster.sealed import Sealed
from support.traces import Traces, take

pytestmark = [pytest.mark.component, pytest.mark.skipif(os.geteuid() != 0, reason="needs root")]
DEV = CHECKOUT / "cluster" / "dev"
NAME = f"leak{os.getpid()}"


def dev(*arguments: str) -> str:
    return subprocess.run([DEV, *arguments], check=True, capture_output=True, text=True, timeout=500).stdout


@pytest.fixture
def before(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Traces]:
    # Of one's own, as everybody writes to the machine's.
    monkeypatch.setenv("TMPDIR", str(tmp_path_factory.mktemp("tmp")))
    yield take(CHECKOUT)
    subprocess.run([DEV, "down", "--name", NAME], check=True, capture_output=True)


def assert_nothing_left(before: Traces, patience: float = 0.0) -> None:
    deadline = time.monotonic() + patience
    while (left := take(CHECKOUT).left(before, NAME)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == {}


def wait_for(happened: Callable[[], bool], patience: float) -> None:
    deadline = time.monotonic() + patience
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_down_leaves_nothing(before: Traces) -> None:
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
    assert_nothing_left(before)


def owner(code: str) -> "subprocess.Popen[bytes]":
    """A process that makes the cluster its own and then runs `code`."""
    up = [str(DEV), "up", "--name", NAME, "--nodes", "0", "--owner"]
    begin = f"import os, subprocess, time; subprocess.run([*{up!r}, str(os.getpid())], check=True); {code}"
    quiet = subprocess.DEVNULL
    return subprocess.Popen([sys.executable, "-c", begin], stderr=quiet, stdout=quiet)


def test_ends_with_its_owner_while_it_is_made(before: Traces) -> None:
    """Killed while kind works: what was half made goes as well."""
    runner = owner("")
    wait_for(Sealed(NAME).alive, 400)
    time.sleep(3)
    os.kill(runner.pid, signal.SIGKILL)
    runner.wait()
    assert_nothing_left(before, patience=60)


def test_ends_with_its_owner_when_it_serves(before: Traces, tmp_path: Path) -> None:
    """A finished cluster whose file server runs, as a test runner leaves it that is killed."""
    cluster = Sealed(NAME)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    runner = owner("time.sleep(600)")
    wait_for((cluster.state / "made.json").exists, 400)
    fetch = ["run", "--name", NAME, "--", "curl", "--silent", "--fail", "http://198.18.0.2:8000/file"]
    for name in ("one", "one", "two"):
        url = dev("serve", "--name", NAME, "--background", str(tmp_path / name))
        assert url == "http://198.18.0.2:8000/\n"
        assert dev(*fetch) == name
    os.kill(runner.pid, signal.SIGKILL)
    runner.wait()
    assert_nothing_left(before, patience=30)


def test_down_after_the_supervisor_was_killed(before: Traces) -> None:
    up = subprocess.Popen(
        [DEV, "up", "--name", NAME, "--nodes", "0"], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    cluster = Sealed(NAME)
    wait_for(cluster.alive, 400)
    time.sleep(3)
    os.kill(cluster.record["supervisor"], signal.SIGKILL)
    assert up.wait(60) != 0
    dev("down", "--name", NAME)
    assert_nothing_left(before)
    assert cache_root().is_dir()


def test_down_leaves_what_another_checkout_calls_the_same(before: Traces) -> None:
    group = Sealed(NAME).cgroup
    join, *_ = cgroups.create(group)
    empty = join.parent / "empty"
    empty.mkdir()
    with subprocess.Popen(
        ["sh", "-c", f"echo $$ >{join} && echo in && exec cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as theirs:
        assert theirs.stdout
        assert theirs.stdout.readline() == b"in\n"
        dev("down", "--name", NAME)
        assert empty.is_dir()
        assert theirs.poll() is None
        theirs.kill()
    dev("down", "--name", NAME)
    assert_nothing_left(before)
