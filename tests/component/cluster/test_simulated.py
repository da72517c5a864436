"""`cluster/dev up --simulated`: a user's Instance is Ready on it, and `down` leaves nothing."""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from orlop_cluster import gobuild, simulated
from orlop_cluster.lab import DEV
from orlop_cluster.process import StepError, run
from orlop_cluster.sealed import Sealed

pytestmark = pytest.mark.component

NAME = "simulated-test"
NIC = {"name": "eth0", "networkRef": {"name": "blue"}}
WANTED = [
    ("Flavor", "small", {"vcpus": 1, "memory": "512Mi", "rootDisk": "5Gi"}),
    ("Image", "tiny", {"source": {"http": {"url": "https://images.example/tiny.qcow2"}}}),
    ("Network", "blue", {"subnets": [{"name": "v4", "cidr": "10.10.0.0/24"}]}),
    ("Instance", "web", {"flavorName": "small", "boot": {"imageRef": {"name": "tiny"}}, "networks": [NIC]}),
]


def dev(command: str, *arguments: str) -> str:
    return run([DEV, command, f"--name={NAME}", *arguments]).strip()


def kubectl(kubeconfig: str, *arguments: str, stdin: str | None = None) -> str:
    return run([gobuild.directory() / "kubectl", f"--kubeconfig={kubeconfig}", *arguments], stdin=stdin)


def left() -> list[Path]:
    return [
        path
        for path in (Sealed(NAME).state, Sealed(NAME).kubeconfig, simulated._memory(NAME))
        if path.exists()
    ]


def test_a_users_instance_is_ready_and_down_leaves_nothing() -> None:
    gobuild.ensure()
    try:
        kubeconfig = dev("up", "--simulated=3")
        assert dev("up", "--simulated=3") == kubeconfig, "one that runs is left as it is"
        with pytest.raises(StepError, match="runs with 3 simulated nodes"):
            dev("up", "--simulated=4")
        with pytest.raises(StepError, match="those of the cluster simulated-test are simulated"):
            dev("kill", "worker")
        assert "3 of 3 simulated nodes are Ready" in dev("status")
        bodies = [
            {"apiVersion": "orlop.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
            for kind, name, spec in WANTED
        ]
        kubectl(
            kubeconfig,
            "apply",
            "-f",
            "-",
            stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": bodies}),
        )
        kubectl(kubeconfig, "wait", "--for=condition=Ready", "inst/web", "--timeout=60s")
        assert kubectl(kubeconfig, "get", "inst/web", "--output=jsonpath={.status.nodeName}").startswith(
            "sim-"
        )
    finally:
        dev("down")
    assert left() == []


def test_a_keeper_that_is_killed_takes_all_along_and_down_cleans_up() -> None:
    gobuild.ensure()
    try:
        dev("up", "--simulated=1")
        os.kill(simulated.record(NAME)["keeper"], signal.SIGKILL)
        deadline = time.monotonic() + 60
        while programs():
            assert time.monotonic() < deadline, programs()
            time.sleep(0.1)
        assert left() != []
    finally:
        dev("down")
    assert left() == []


def programs() -> list[str]:
    """Command lines of what belongs to the cluster."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_text().replace("\0", " ")
                environment = (folder / "environ").read_text()
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
            if str(simulated._memory(NAME)) in words or str(Sealed(NAME).state) in environment:
                found.append(words)
    return found
