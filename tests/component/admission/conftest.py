"""An API server with everything installed as the development overlay says, and the webhook beside it.

Not the session's shared API server: a webhook configuration concerns everybody on it.
"""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from orlop_cluster import gobuild
from orlop_cluster.apiserver import ApiServer, running

ROOT = Path(__file__).parents[3]
OVERLAY = ROOT / "manifests/overlays/dev"


@pytest.fixture(scope="package")
def installed() -> Iterator[ApiServer]:
    gobuild.ensure()
    with running() as server:
        server.kubectl("apply", "--server-side", "-k", str(OVERLAY))
        yield server


@pytest.fixture(scope="package")
def webhook_port(installed: ApiServer) -> int:
    """Lead the webhook's Service to this machine: kube-proxy is not here, but ExternalName needs none."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    installed.kubectl("-n", "orlop-system", "delete", "service", "orlop-webhook")
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "orlop-webhook", "namespace": "orlop-system"},
        "spec": {"type": "ExternalName", "externalName": "127.0.0.1"},
    }
    installed.kubectl("create", "-f", "-", stdin=json.dumps(service))
    ports = [
        {"op": "replace", "path": f"/webhooks/{i}/clientConfig/service/port", "value": port} for i in (0, 1)
    ]
    patch = ["--type=json", "-p", json.dumps(ports)]
    installed.kubectl("patch", "mutatingwebhookconfiguration", "orlop", *patch)
    return port


@pytest.fixture(scope="package")
def operator_kubeconfig(installed: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As the operator's own service account, so that its roles are tested too."""
    token = installed.kubectl("-n", "orlop-system", "create", "token", "orlop-operator").strip()
    config = yaml.safe_load(installed.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    path = tmp_path_factory.mktemp("operator") / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.fixture(scope="package")
def webhook(webhook_port: int, operator_kubeconfig: Path) -> Iterator[subprocess.Popen[str]]:
    program = [sys.executable, str(Path(__file__).with_name("webhook_process.py")), str(webhook_port)]
    environment = {**os.environ, "KUBECONFIG": str(operator_kubeconfig)}
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        assert any(line == "ready\n" for line in lines), "the webhook did not get ready"
        yield process
        process.terminate()
        for _ in lines:
            pass
