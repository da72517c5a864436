"""Routers: packets of real network stacks between Networks, on one node and on two."""

from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from orlop_agent.network.errors import NetworkError
from orlop_agent.network.node import Node
from support.fakenode import FakeNode
from support.guarding import group
from support.joined import NOTHING, Cloud, namespaces
from support.routed import HOME, NETWORKS, gateway, on, router
from support.stack import QUICK, passes

pytestmark = [pytest.mark.component, pytest.mark.timeout(300)]
Lab = tuple[FakeNode, FakeNode, FakeNode]
BLUE, GREEN, RED = NETWORKS


@pytest.fixture
def cloud(lab: Lab) -> Iterator[Cloud]:
    with ExitStack() as close:
        yield Cloud(lab, close)


@pytest.mark.parametrize("other", [0, 1], ids=["same node", "other node"])
@pytest.mark.parametrize("egress", ["NAT", "None"])
async def test_guests_of_joined_networks_reach_each_other(cloud: Cloud, other: int, egress: str):
    blue = await cloud.start("blue", 0, on(BLUE, 20, egress=egress))
    green = await cloud.start("green", other, on(GREEN, 20, egress=egress))
    red = await cloud.start("red", other, on(RED, 20, egress=egress))
    assert not blue.pings(green.address)

    await cloud.join(router(BLUE, GREEN))
    for one, two in ((blue, green), (green, blue)):
        assert one.pings(two.address)
        assert one.pings(gateway(two.nic.segment_id))
        listener = one.listen(80)
        made = two.connect(one.address, 80)
        assert made
        # Nobody stands between: each sees the other's own address.
        taken = one.accept(listener)
        assert taken.getpeername()[0] == two.address
        assert passes(made, taken)
        assert passes(taken, made)
        # Who is in no Router is reached by nobody, and reaches nobody.
        assert not red.pings(one.address)
        assert not one.pings(red.address)
    assert blue.pings("192.0.2.254") == (egress == "NAT")

    await cloud.join(router(BLUE, GREEN, RED))
    assert red.pings(blue.address)
    assert green.pings(red.address)
    await cloud.join(router(BLUE, RED))
    assert red.pings(blue.address)
    assert not green.pings(blue.address)
    assert not green.pings(red.address)
    await cloud.join()
    assert not red.pings(blue.address)
    assert not any("router" in name for node in cloud.nodes for name in namespaces(node))
    for name in ("blue", "green", "red"):
        await cloud.end(name)
    assert [node.traces() for node in cloud.nodes] == [NOTHING, NOTHING]


async def test_a_network_is_here_for_its_router_only_as_long_as_that_is_needed(cloud: Cloud):
    await cloud.join(router(BLUE, GREEN))
    assert namespaces(cloud.nodes[0]) == set()
    blue = await cloud.start("blue", 0, on(BLUE, 20))
    green = await cloud.start("green", 1, on(GREEN, 20))
    assert blue.pings(green.address)
    bare = cloud.nodes[0].traces()
    assert len(bare["servers"]) == 1
    assert f"orlop-{GREEN}" not in bare["links"]

    # Its first NIC makes a whole Network of it, its last leaves what the Router needs.
    near = await cloud.start("near", 0, on(GREEN, 21))
    assert near.pings(green.address)
    assert near.pings(blue.address)
    assert near.pings("192.0.2.254")
    assert len(cloud.nodes[0].traces()["servers"]) == 2
    await cloud.end("near")
    assert blue.pings(green.address)
    left = cloud.nodes[0].traces()
    assert left["links"] == bare["links"]
    assert set(left["files"]) - set(bare["files"]) <= {
        str(cloud.nodes[0].run_dir / "net" / str(GREEN) / "nics")
    }
    assert len(left["servers"]) == 1
    await cloud.end("blue")
    await cloud.end("green")
    assert [node.traces() for node in cloud.nodes] == [NOTHING, NOTHING]


async def test_a_new_agent_interrupts_nothing_and_forgets_nothing(cloud: Cloud):
    await cloud.join(router(BLUE, GREEN))
    blue = await cloud.start("blue", 0, on(BLUE, 20))
    green = await cloud.start("green", 1, on(GREEN, 20))
    listener = green.listen(80)
    made = blue.connect(green.address, 80)
    assert made
    taken = green.accept(listener)

    cloud.agents[0] = cloud.nodes[0].networks()
    # It knows no Router and no Port yet.
    await cloud.agents[0].resync(cloud.wanted(0))
    assert passes(made, taken)
    assert passes(taken, made)
    await cloud.tell()
    await cloud.join(router(BLUE, GREEN))
    assert passes(made, taken)

    # What somebody took away is made anew.
    node = cloud.nodes[0]
    link = next(name for name in node.run("ip", "-br", "link", inside=BLUE).split() if name.startswith("rt"))
    node.run("ip", "link", "delete", link.split("@")[0], inside=BLUE)
    assert not blue.pings(green.address)
    await cloud.agents[0].resync(cloud.wanted(0))
    assert blue.pings(green.address)

    # The Router went while no agent was there.
    cloud.agents[0] = cloud.nodes[0].networks()
    await cloud.agents[0].resync(cloud.wanted(0))
    await cloud.join()
    assert not blue.pings(green.address)
    assert namespaces(node) == {f"orlop-{BLUE}"}

    # The last guest went while no agent was there.
    await cloud.join(router(BLUE, GREEN))
    cloud.agents[0] = node.networks()
    await cloud.agents[0].resync({})
    assert node.traces() == NOTHING


@pytest.mark.parametrize("other", [0, 1], ids=["same node", "other node"])
async def test_groups_hold_between_networks_and_have_members_on_all(cloud: Cloud, other: int):
    web = group("web", ingress=[{"protocol": "TCP", "port": 80, "securityGroupRef": {"name": "app"}}])
    await cloud.say(web, group("app"))
    await cloud.join(router(BLUE, GREEN))
    security = {"namespace": HOME, "groups": ["uid-web"]}
    blue = await cloud.start("blue", 0, on(BLUE, 20, security=security), "web")
    member = {"namespace": HOME, "groups": ["uid-app"]}
    app = await cloud.start("app", other, on(GREEN, 20, security=member), "app")
    stranger = await cloud.start("stranger", other, on(GREEN, 21))
    listener = blue.listen(80)
    made = app.connect(blue.address, 80)
    assert made
    taken = blue.accept(listener)
    assert passes(made, taken)
    assert passes(taken, made)
    assert stranger.connect(blue.address, 80, QUICK) is None
    assert not app.pings(blue.address)
    # All may go out; nobody is asked in.
    assert blue.pings(stranger.address)
    assert not blue.pings(app.address)


async def test_nobody_speaks_as_another_through_a_router(cloud: Cloud):
    await cloud.join(router(BLUE, GREEN))
    blue = await cloud.start("blue", 0, on(BLUE, 20))
    green = await cloud.start("green", 1, on(GREEN, 20))
    thief = await cloud.start("thief", 0, on(BLUE, 66))
    # Each knows its gateway by now, so that what is forged is no ARP.
    assert blue.pings(green.address)
    assert thief.pings(green.address)
    for forged in (blue.address, "10.20.0.77", gateway(GREEN)):
        thief.own("address", "add", f"{forged}/32", "dev", "lo")
        before = cloud.nodes[0].dropped(BLUE, "forged_address")
        assert not thief.pings(green.address, source=forged)
        assert cloud.nodes[0].dropped(BLUE, "forged_address") > before
        thief.own("address", "delete", f"{forged}/32", "dev", "lo")


@pytest.mark.parametrize("other", [0, 1], ids=["same node", "other node"])
async def test_static_routes_lead_through_a_guest(cloud: Cloud, other: int):
    """green/30 is a VPN's end: it has 192.168.7.7 behind it."""
    await cloud.join(router(BLUE, GREEN, routes={"192.168.7.0/24": "10.20.0.30"}))
    blue = await cloud.start("blue", 0, on(BLUE, 20))
    green = await cloud.start("green", 0, on(GREEN, 20))
    pairs = [{"address": "192.168.7.0/24"}]
    vpn = await cloud.start("vpn", other, on(GREEN, 30, allowed_address_pairs=pairs))
    vpn.own("address", "add", "192.168.7.7/32", "dev", "lo")
    assert blue.pings("192.168.7.7")
    assert green.pings("192.168.7.7")
    assert not blue.pings("192.168.8.8")
    await cloud.join(router(BLUE, GREEN))
    assert not blue.pings("192.168.7.7")
    assert blue.pings(vpn.address)


async def test_a_failure_anywhere_is_made_good(cloud: Cloud, monkeypatch: pytest.MonkeyPatch):
    """The n-th command fails, for every other n until none does; then all is done again, and works."""
    blue = await cloud.start("blue", 0, on(BLUE, 20))
    green = await cloud.start("green", 1, on(GREEN, 20))
    await cloud.agents[1].set_routers(HOME, [router(BLUE, GREEN)])
    original, countdown = Node._run, [-1]

    async def faulty(node: Node, *arguments: object) -> tuple[int, str, str]:
        countdown[0] -= 1
        if countdown[0] == 0:
            raise NetworkError("Killed", "the agent was killed here")
        return await original(node, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Node, "_run", faulty)
    for number in range(1, 80, 2):
        countdown[0] = number
        try:
            await cloud.agents[0].set_routers(HOME, [router(BLUE, GREEN)])
            await cloud.agents[0].set_routers(HOME, [])
        except NetworkError:
            pass
        else:
            break
        countdown[0] = -1
        if number % 4 == 1:
            cloud.agents[0] = cloud.nodes[0].networks()
            await cloud.agents[0].resync(cloud.wanted(0))
            with suppress(NetworkError):
                await cloud.tell()
        await cloud.agents[0].set_routers(HOME, [router(BLUE, GREEN)])
        await cloud.tell()
        assert blue.pings(green.address), number
        await cloud.agents[0].set_routers(HOME, [])
        assert namespaces(cloud.nodes[0]) == {f"orlop-{BLUE}"}, number
    assert number > 10
