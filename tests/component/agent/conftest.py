"""A real API server with roles and policies, and one node for each test."""

import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import yaml

from orlop_cluster import gobuild
from orlop_cluster.apiserver import running
from support.apiserver import ApiServer
from support.policies import OPERATOR, install
from support.scripted import Api, api
from support.simnode import SimNode

_numbers = itertools.count(1)


@pytest.fixture(scope="package")
def server() -> Iterator[ApiServer]:
    """Its own: the policies concern everybody on it."""
    gobuild.ensure()
    with running() as made:
        install(made)
        yield made


@pytest.fixture
async def operator(server: ApiServer) -> AsyncIterator[Api]:
    """Requests as the operator."""
    async with api(server, OPERATOR) as client:
        yield client


@pytest.fixture
async def admin(server: ApiServer) -> AsyncIterator[Api]:
    async with api(server) as client:
        yield client


@pytest.fixture
async def node(tmp_path: Path, server: ApiServer, admin: Api) -> SimNode:
    """A node of the test's own; its agent has the node's own account, so that roles and policies are tested too."""
    name = f"node-{next(_numbers)}"
    accounts = "/api/v1/namespaces/orlop-nodes/serviceaccounts"
    await admin.call("POST", accounts, {"metadata": {"name": name}})
    answer = await admin.call("POST", f"{accounts}/{name}/token", {"spec": {"expirationSeconds": 3600}})
    config = yaml.safe_load(server.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": answer["status"]["token"]}
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump(config))
    return SimNode(name, tmp_path / "root", kubeconfig)
