"""A Router that a node cannot have: it is told which, and nobody else is kept from anything."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from orlop_agent.network import carrier, names
from orlop_agent.network.errors import NetworkError
from support.fakenode import FakeNode
from support.joined import Cloud
from support.routed import NETWORKS, on, router

pytestmark = [pytest.mark.component, pytest.mark.timeout(300)]
Lab = tuple[FakeNode, FakeNode, FakeNode]
BLUE, GREEN, RED = NETWORKS


@pytest.fixture
def cloud(lab: Lab) -> Iterator[Cloud]:
    with ExitStack() as close:
        yield Cloud(lab, close)


async def test_it_is_told_until_it_can_be_had_and_others_start_meanwhile(cloud: Cloud):
    node, agent = cloud.nodes[0], cloud.agents[0]
    changes: list[list[str]] = []
    agent.listen(lambda: changes.append([each.router_uid for each in agent.unrouted()]))
    blue = await cloud.start("blue", 0, on(BLUE, 20))
    vpc = router(BLUE, GREEN)
    # Somebody has made a link of that name in the Network's namespace.
    link = names.router_link(vpc.metadata.uid)
    node.run("ip", "link", "add", link, "type", "bridge", inside=BLUE)
    for _ in range(2):
        with pytest.raises(NetworkError):
            await agent.set_routers("demo", [vpc])
    [told] = agent.unrouted()
    assert (told.router_uid, told.namespace, told.segments) == (vpc.metadata.uid, "demo", {BLUE, GREEN})
    assert changes == [[vpc.metadata.uid]]

    # On another Network nobody notices; on one of its own a guest does not start.
    red = await cloud.start("red", 0, on(RED, 20))
    near = await cloud.start("near", 0, on(RED, 21))
    assert red.pings(near.address)
    await agent.set_routers("another", [])
    with pytest.raises(NetworkError):
        await agent.prepare("green", "green", [on(GREEN, 20)])
    await agent.detach("red")
    assert blue.pings("10.10.0.1")

    node.run("ip", "link", "delete", link, inside=BLUE)
    await agent.set_routers("demo", [vpc])
    assert agent.unrouted() == ()
    assert changes[-1] == []
    green = await cloud.start("green", 0, on(GREEN, 20))
    assert blue.pings(green.address)


async def test_a_first_nic_that_was_broken_off_has_its_way_out_the_next_time(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
):
    """Until it comes the Network is here for its Router alone, without a way out."""
    node, agent = cloud.nodes[0], cloud.agents[0]
    await cloud.start("blue", 0, on(BLUE, 20))
    await agent.set_routers("demo", [router(BLUE, GREEN)])
    assert names.UPLINK not in node.run("ip", "link", "show", inside=GREEN)
    began = asyncio.Event()

    async def stuck(*_: object) -> None:
        began.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as once:
        once.setattr(carrier, "attach", stuck)
        work = asyncio.create_task(agent.prepare("green", "green", [on(GREEN, 20)]))
        await began.wait()
        work.cancel()
        await asyncio.wait([work])
    green = await cloud.start("green", 0, on(GREEN, 20))
    assert names.UPLINK in node.run("ip", "link", "show", inside=GREEN)
    assert green.pings("10.20.0.1")


async def test_one_that_is_none_is_told_where_one_of_its_networks_is(cloud: Cloud):
    agent = cloud.agents[0]
    await cloud.start("blue", 0, on(BLUE, 20))
    bad = router(BLUE, GREEN, routes={"nonsense": "10.20.0.30"})
    with pytest.raises(NetworkError, match="a Router cannot be had here"):
        await agent.set_routers("demo", [bad])
    assert [each.error.reason for each in agent.unrouted()] == ["InvalidRouter"]
    await agent.prepare("red", "red", [on(RED, 20)])
    await agent.set_routers("demo", [])
    assert agent.unrouted() == ()
