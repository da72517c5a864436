"""An agent's watch begins with all there is, and where an administrator switched streaming lists off, with a list."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator

import pytest

from orlop_agent.api.client import Client
from orlop_agent.api.http import connected
from orlop_agent.api.watch import Changed, Event, Gone, Listed
from orlop_cluster import gobuild
from orlop_cluster.apiserver import running
from support import wishes
from support.apiserver import ApiServer
from support.audit import calls
from support.policies import install
from support.scripted import ORLOP, Api, api

GROUP = wishes.thing("SecurityGroup", "streamed", "", {}, finalizer=False)

pytestmark = pytest.mark.component


class Known:
    """An identity with a token that is there."""

    def __init__(self, token: str) -> None:
        self._token = token

    async def token(self) -> str:
        return self._token

    def reject(self) -> None:
        raise AssertionError


@pytest.fixture(scope="module", params=["streaming", "listing"])
def its_server(request: pytest.FixtureRequest) -> Iterator[tuple[str, ApiServer]]:
    gobuild.ensure()
    gates = ["--feature-gates=WatchList=false"] if request.param == "listing" else []
    with running(gates) as made:
        install(made)
        yield request.param, made


@pytest.fixture
async def user(its_server: tuple[str, ApiServer]) -> AsyncIterator[Api]:
    async with api(its_server[1]) as client:
        yield client


async def test_all_there_is_then_what_changes(its_server: tuple[str, ApiServer], user: Api) -> None:
    kind, server = its_server
    await user.call("POST", "/api/v1/namespaces", {"metadata": {"name": "streamed"}})
    path = f"{ORLOP}/namespaces/streamed/securitygroups"
    for name in ("a", "b"):
        await user.call("POST", path, GROUP | {"metadata": {"name": name}})
    async with connected(server.url, ssl.create_default_context(cafile=server.ca)) as http:
        client = Client(http, Known(server.token), "node-1")  # type: ignore[arg-type]
        events = client.watch_groups("streamed")
        async with asyncio.timeout(30):
            listed = await anext(events)
            assert isinstance(listed, Listed)
            assert sorted(thing["metadata"]["name"] for thing in listed.objects) == ["a", "b"]
            await user.call("DELETE", f"{path}/a")
            left: list[Event] = []
            while not (left and isinstance(left[-1], Gone)):
                left.append(await anext(events))
            assert all(isinstance(each, Changed | Gone) for each in left)
            await events.aclose()  # type: ignore[attr-defined]
    asked = [call.what for call in calls((server.directory / "audit.log").read_text())]
    assert asked.count("list securitygroups") == (1 if kind == "listing" else 0)
