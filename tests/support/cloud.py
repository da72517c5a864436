"""The operator as a process on a real API server with two Nodes: fixtures for a package's conftest."""

import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import yaml

from orlop_cluster import gobuild
from orlop_cluster.apiserver import running
from support.apiserver import ApiServer
from support.fleet import ended
from support.policies import install
from support.scripted import Api, api

Start = Callable[[str], AbstractContextManager[subprocess.Popen[bytes]]]


@pytest.fixture(scope="package")
def cloud() -> Iterator[ApiServer]:
    """An API server of its own with kinds, roles and policies: the operator reconciles all of it."""
    gobuild.ensure()
    with running() as server:
        install(server)
        server.kubectl("-n", "orlop-system", "create", "serviceaccount", "orlop-operator")
        for name in ("node-1", "node-2"):
            node = {
                "apiVersion": "v1",
                "kind": "Node",
                "metadata": {"name": name, "labels": {"orlop.dev/hypervisor": "true"}},
            }
            server.kubectl("create", "-f", "-", stdin=yaml.safe_dump(node))
        # The API server taints new Nodes, and the controller that takes it off is not here.
        server.kubectl("taint", "node", "--all", "node.kubernetes.io/not-ready:NoSchedule-")
        yield server


@pytest.fixture(scope="package")
def kubeconfig(cloud: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the operator's own service account, so that its roles are tested too."""
    token = cloud.kubectl("-n", "orlop-system", "create", "token", "orlop-operator", "--duration=2h").strip()
    config = yaml.safe_load(cloud.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    path = tmp_path_factory.mktemp("operator") / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture(scope="package")
def start(kubeconfig: Path) -> Start:
    """Start a replica of the operator by name; its log is beside the kubeconfig."""

    @contextmanager
    def started(name: str) -> Iterator[subprocess.Popen[bytes]]:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        environment = {
            **os.environ,
            "KUBECONFIG": str(kubeconfig),
            "POD_NAME": name,
            "ORLOP_WEBHOOK": "Disabled",
            "ORLOP_HEALTH_PORT": str(port),
        }
        log = kubeconfig.with_name(f"{name}.log")
        with log.open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "orlop_operator"], env=environment, stderr=output, stdout=output
            )
        try:
            with ended(process):
                yield process
        finally:
            sys.stderr.write(log.read_text()[-3000:])

    return started


@pytest.fixture(scope="package")
def operator(start: Start) -> Iterator[subprocess.Popen[bytes]]:
    with start("one") as process:
        yield process


@pytest.fixture
async def user(cloud: ApiServer) -> AsyncIterator[Api]:
    """The administrator as a user."""
    async with api(cloud) as client:
        yield client
