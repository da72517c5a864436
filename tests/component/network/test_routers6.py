"""Routers by IPv6: packets of real network stacks between Networks with two subnets, on one node and on two."""

from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from orlop_agent.network import names
from orlop_agent.network.errors import NetworkError
from orlop_agent.network.node import Node
from support.fakenode import FakeNode
from support.guarding import group
from support.joined import NOTHING, Cloud, namespaces
from support.joined6 import address6, asking, said, wait
from support.routed import HOME, NETWORKS, dual, gateway6, on, router
from support.stack import PATIENT, QUICK, passes

pytestmark = [pytest.mark.component, pytest.mark.timeout(300)]
Lab = tuple[FakeNode, FakeNode, FakeNode]
BLUE, GREEN, RED = NETWORKS
BOTH = (BLUE, GREEN)
NODES = pytest.mark.parametrize("other", [0, 1], ids=["same node", "other node"])


@pytest.fixture
def cloud(lab: Lab) -> Iterator[Cloud]:
    with ExitStack() as close:
        yield Cloud(lab, close)


@NODES
async def test_guests_of_joined_networks_reach_each_other_by_ipv6(cloud: Cloud, other: int):
    """They learn the way by what their gateway advertises, wherever their address is from, and forget it again."""
    blue = await cloud.start("blue", 0, dual(BLUE, 20))
    green = await cloud.start("green", other, dual(GREEN, 20, "DHCPv6"))
    green.own("address", "add", f"{address6(green)}/128", "dev", "eth0")
    red = await cloud.start("red", other, dual(RED, 20))
    assert all(wait(each, led=False) for each in (blue, green, red))
    assert not blue.pings(address6(green), QUICK)

    await cloud.join(router(*BOTH, with6=BOTH))
    assert wait(blue, led=True)
    assert wait(green, led=True)
    for one, two in ((blue, green), (green, blue)):
        assert one.pings(address6(two), PATIENT)
        assert one.pings(gateway6(two.nic.segment_id), PATIENT)
        assert one.pings(two.address)
        listener = one.listen(80, "::")
        made = two.connect(address6(one), 80)
        assert made
        taken = one.accept(listener)
        assert taken.getpeername()[0] == address6(two)
        assert passes(made, taken)
        assert passes(taken, made)
        assert not red.pings(address6(one), QUICK)
        assert not one.pings(address6(red), QUICK)
    # What leads nowhere is refused at once: nobody waits for an answer that cannot come.
    assert "No route" in said(blue, "2001:db8::1")
    assert "default" not in red.run("ip", "-6", "route")

    await cloud.join(router(BLUE, RED, with6=(BLUE, RED)))
    assert wait(red, led=True)
    assert red.pings(address6(blue), PATIENT)
    assert wait(green, led=False)
    assert not green.pings(address6(blue), QUICK)
    await cloud.join()
    assert wait(blue, led=False)
    assert not red.pings(address6(blue), QUICK)
    for name in ("blue", "green", "red"):
        await cloud.end(name)
    assert [node.traces() for node in cloud.nodes] == [NOTHING, NOTHING]


@NODES
async def test_those_with_ipv6_are_joined_by_it_and_the_others_by_ipv4(cloud: Cloud, other: int):
    blue = await cloud.start("blue", 0, dual(BLUE, 20))
    green = await cloud.start("green", other, on(GREEN, 20))
    await cloud.join(router(*BOTH, with6=(BLUE,)))
    assert wait(blue, led=False)
    assert blue.pings(green.address)
    assert green.pings(blue.address)
    link = names.router_link("uid-vpc")
    node = cloud.nodes[0]
    for inside, interface in ((GREEN, link), (GREEN, names.BRIDGE)):
        assert "inet6" not in node.run("ip", "address", "show", "dev", interface, inside=inside)

    # Without DHCP nobody advertises: the seed says address and way.
    red = await cloud.start("red", other, dual(RED, 20, "DHCPv6", dhcp="Disabled"))
    red.own("address", "add", f"{address6(red)}/64", "dev", "eth0", "nodad")
    red.own("-6", "route", "add", "default", "via", gateway6(RED))
    assert wait(red, led=True)
    assert "No route" in said(red, address6(blue))
    await cloud.join(router(*NETWORKS, with6=(BLUE, RED)))
    assert wait(blue, led=True)
    for one, two in ((blue, red), (red, blue)):
        assert one.pings(address6(two), PATIENT)
    assert green.pings(red.address)
    # As an operator of before told it.
    await cloud.join(router(*NETWORKS))
    assert wait(blue, led=False)
    assert not red.pings(address6(blue), QUICK)
    assert red.pings(blue.address)


async def test_a_new_agent_interrupts_nothing(cloud: Cloud):
    await cloud.join(router(*BOTH, with6=BOTH))
    blue = await cloud.start("blue", 0, dual(BLUE, 20))
    green = await cloud.start("green", 1, dual(GREEN, 20))
    assert wait(blue, led=True)
    assert wait(green, led=True)
    listener = green.listen(80, "::")
    made = blue.connect(address6(green), 80)
    assert made
    taken = green.accept(listener)
    with asking(blue, address6(green)) as counts:
        for at in (0, 1):
            cloud.agents[at] = cloud.nodes[at].networks()
            await cloud.agents[at].resync(cloud.wanted(at))
        assert passes(made, taken)
        await cloud.tell()
        await cloud.join(router(*BOTH, with6=BOTH))
        assert passes(taken, made)
        sent, answered = counts()
    assert sent > 50
    assert sent - answered <= 1


@NODES
async def test_groups_hold_between_networks_by_ipv6(cloud: Cloud, other: int):
    web = group(
        "web",
        ingress=[
            {"protocol": "TCP", "port": 80, "securityGroupRef": {"name": "app"}},
            {"protocol": "ICMP", "cidr": "fd00:20::ffff:0/112"},
        ],
        egress=[{"cidr": "::/0"}],
    )
    await cloud.say(web, group("app", egress=[{"cidr": "::/0"}]))
    await cloud.join(router(*BOTH, with6=BOTH))
    security = {"namespace": HOME, "groups": ["uid-web"]}
    blue = await cloud.start("blue", 0, dual(BLUE, 20, security=security), "web")
    member = {"namespace": HOME, "groups": ["uid-app"]}
    app = await cloud.start("app", other, dual(GREEN, 20, security=member), "app")
    stranger = await cloud.start("stranger", other, dual(GREEN, 21))
    assert all(wait(each, led=True) for each in (blue, app, stranger))
    listener = blue.listen(80, "::")
    made = app.connect(address6(blue), 80)
    assert made
    taken = blue.accept(listener)
    assert passes(made, taken)
    assert passes(taken, made)
    assert stranger.connect(address6(blue), 80, QUICK) is None
    assert not app.pings(address6(blue), QUICK)
    assert not stranger.pings(address6(blue), QUICK)
    assert blue.pings(address6(stranger), PATIENT)
    assert not blue.pings(address6(app), QUICK)
    # Changed while they run.
    await cloud.say(group("web", ingress=[{"cidr": f"{address6(stranger)}/128"}]), group("app"))
    assert stranger.pings(address6(blue), PATIENT)
    assert not app.pings(address6(blue), QUICK)


@NODES
async def test_what_is_too_large_is_told_to_its_sender(cloud: Cloud, other: int):
    """Also where it is in a SecurityGroup: an error belongs to the connection that it is about."""
    smaller = {GREEN: 1400}
    await cloud.say(group("any", ingress=[{"cidr": "::/0"}], egress=[{"cidr": "::/0"}]))
    await cloud.join(router(*BOTH, with6=BOTH, mtus=smaller))
    security = {"namespace": HOME, "groups": ["uid-any"]}
    blue = await cloud.start("blue", 0, dual(BLUE, 20, security=security), "any")
    green = await cloud.start("green", other, dual(GREEN, 20, mtu=1400, security=security), "any")
    assert wait(blue, led=True)
    assert wait(green, led=True)
    assert "1 received" in said(blue, address6(green), "-M", "do", "-s", str(1400 - 48))
    assert "mtu=1400" in said(blue, address6(green), "-M", "do", "-s", str(1401 - 48)).replace(": ", "=")
    assert "mtu 1400" in blue.run("ip", "-6", "route", "get", address6(green))
    # And cut by who sends it, so that it fits: both ways, and what is larger than either.
    for size in ("1402", "4000"):
        assert "1 received" in said(blue, address6(green), "-s", size)
        assert "1 received" in said(green, address6(blue), "-s", size)


async def test_a_failure_anywhere_is_made_good(cloud: Cloud, monkeypatch: pytest.MonkeyPatch):
    """The n-th command fails, for every fifth n until none does; then all is done again, and works."""
    blue = await cloud.start("blue", 0, dual(BLUE, 20))
    green = await cloud.start("green", 1, dual(GREEN, 20))
    joined = router(*BOTH, with6=BOTH)
    await cloud.agents[1].set_routers(HOME, [joined])
    assert wait(blue, led=False)
    assert wait(green, led=True)
    original, countdown = Node._run, [-1]

    async def faulty(node: Node, *arguments: object) -> tuple[int, str, str]:
        countdown[0] -= 1
        if countdown[0] == 0:
            raise NetworkError("Killed", "the agent was killed here")
        return await original(node, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Node, "_run", faulty)
    for number in range(1, 120, 5):
        countdown[0] = number
        try:
            await cloud.agents[0].set_routers(HOME, [joined])
            await cloud.agents[0].set_routers(HOME, [])
        except NetworkError:
            pass
        else:
            break
        countdown[0] = -1
        if number % 2:
            cloud.agents[0] = cloud.nodes[0].networks()
            await cloud.agents[0].resync(cloud.wanted(0))
            with suppress(NetworkError):
                await cloud.tell()
        await cloud.agents[0].set_routers(HOME, [joined])
        await cloud.tell()
        # Not by what is advertised, which comes seconds later.
        blue.own("-6", "route", "replace", "default", "via", gateway6(BLUE), "metric", "1")
        assert blue.pings(address6(green), PATIENT), number
        await cloud.agents[0].set_routers(HOME, [])
        assert namespaces(cloud.nodes[0]) == {f"orlop-{BLUE}"}, number
    assert number > 10
