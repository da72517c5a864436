"""The operator as a process on a real API server, with scripted agents for nodes."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from support.apiserver import ApiServer
from support.cloud import Start, cloud, kubeconfig, operator, start, user
from support.rest import Rest
from support.scripted import ScriptedAgent, agent

__all__ = ["Start", "agents", "cloud", "kubeconfig", "operator", "start", "user"]


@pytest.fixture
async def agents(cloud: ApiServer, operator: object) -> AsyncIterator[dict[str, ScriptedAgent]]:
    """Agents of both nodes; the one named first has more room, so that it is chosen first: once that was said."""
    async with (
        agent(cloud, "node-1", vcpus=64, memory=64 << 30, disk=800 << 30) as one,
        agent(cloud, "node-2") as two,
    ):
        await asyncio.gather(one.reported.wait(), two.reported.wait())
        yield {"node-1": one, "node-2": two}


@pytest.fixture
def admin(cloud: ApiServer) -> Iterator[Rest]:
    """The administrator, for what a test sets up by plain requests."""
    client = Rest(cloud)
    yield client
    client.close()
