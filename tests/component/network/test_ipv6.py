"""IPv6 beside IPv4: real network stacks on two nodes get addresses, reach each other, and are held to groups."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import IPv6Network

import pytest

from orlop_agent.network.book import Book
from orlop_api.address6 import eui64, link_local
from orlop_api.assignment import AssignedNic
from support.asking6 import SOLICIT, address6, has
from support.fakenode import FakeNode, nic
from support.guarded import Cloud
from support.guarding import group, port
from support.stack import PATIENT, Stack

pytestmark = [pytest.mark.component, pytest.mark.timeout(300)]
Lab = tuple[FakeNode, FakeNode, FakeNode]
PREFIX = "fd00:10::/64"
GATEWAY = "fd00:10::1"


def dual(last: int, mode: str = "SLAAC", segment: int = 4097, **fields: object) -> AssignedNic:
    plain = nic(segment, f"10.10.0.{last}")
    address = eui64(IPv6Network(PREFIX), plain.mac_address) if mode == "SLAAC" else f"fd00:10::{last:x}"
    ipv6 = {"address": str(address), "cidr": PREFIX, "gateway": GATEWAY, "mode": mode, "dns": ["fd00:53::1"]}
    return nic(segment, f"10.10.0.{last}", ipv6=ipv6, **fields)


@pytest.fixture
def cloud(lab: Lab) -> Iterator[Cloud]:
    with ExitStack() as close:
        yield Cloud(lab, close)


async def test_guests_make_their_addresses_and_reach_each_other(cloud: Cloud):
    """On one node and across nodes; another Network with the same addresses hears nothing."""
    me = await cloud.join("me", 0, dual(20))
    near = await cloud.join("near", 0, dual(21))
    far = await cloud.join("far", 1, dual(22))
    assert has(me) == [address6(me.nic)]
    assert has(near) == [address6(near.nic)]
    assert has(far) == [address6(far.nic)]
    for to in (near, far):
        assert me.pings(address6(to.nic), PATIENT)
        assert to.pings(address6(me.nic), PATIENT)
        assert me.pings(f"{link_local(to.mac)}%eth0", PATIENT)
        assert me.pings(to.address)
    assert me.pings(GATEWAY, PATIENT)

    # No way out is advertised: nobody waits for answers from elsewhere.
    assert "default" not in me.run("ip", "-6", "route")
    assert me.run("cat", "/proc/sys/net/ipv6/conf/eth0/mtu").strip() == "1450"


async def test_another_network_with_the_same_addresses_is_apart(cloud: Cloud):
    """Two tenants' guests have the same addresses on the same nodes: each is heard in its own Network alone."""
    ours = [await cloud.join(f"ours-{at}", at, dual(20 + at, "DHCPv6")) for at in (0, 1)]
    theirs = []
    for at, last in ((0, 20), (1, 21), (1, 30)):
        told = dual(last, "DHCPv6", segment=4098)
        theirs.append(await Stack.start(cloud.agents[at], cloud.nodes[at], f"theirs-{last}", told))
        cloud.also(theirs[-1])
    for agent in cloud.agents:
        where = zip(theirs, (0, 1, 1), strict=True)
        await agent.set_peers("net-4098", Book.of([port(stack.nic, cloud.nodes[at]) for stack, at in where]))
    for stack in (*ours, *theirs):
        # It asks whether somebody has it, and nobody says so.
        stack.own("address", "add", f"{address6(stack.nic)}/64", "dev", "eth0")
    assert all(has(stack) == [address6(stack.nic)] for stack in (*ours, *theirs))
    for some, others in ((ours, theirs), (theirs, ours)):
        before = [echoes(stack) for stack in (*some, *others)]
        assert some[0].pings(address6(some[1].nic), PATIENT)
        before[1] += 1
        assert [echoes(stack) for stack in (*some, *others)] == before
    # What only the other Network has nobody answers, and nobody there hears.
    *_, lonely = theirs
    before = [echoes(stack) for stack in theirs]
    assert theirs[0].pings(address6(lonely.nic), PATIENT)
    before[-1] += 1
    for asked in (address6(lonely.nic), f"{link_local(lonely.mac)}%eth0"):
        assert not ours[0].pings(asked)
        assert not ours[1].pings(asked)
    assert [echoes(stack) for stack in theirs] == before


def echoes(stack: Stack) -> int:
    """Echo requests that the guest got."""
    return int(dict(map(str.split, stack.run("cat", "/proc/net/snmp6").splitlines()))["Icmp6InEchos"])


async def test_an_address_is_told_by_dhcpv6_the_same_by_each_node(cloud: Cloud):
    """The server's identity too, so that a guest that moved is confirmed in what it has."""
    found = []
    for at, last in ((0, 20), (1, 21)):
        me = await cloud.join(f"guest-{at}", at, dual(last, "DHCPv6"))
        assert has(me, 3) == []
        address, server, identity = me.run(sys.executable, "-c", SOLICIT).split()
        assert (address, server) == (address6(me.nic), "fd00:53::1")
        me.run("ip", "address", "add", f"{address}/128", "dev", "eth0")
        found.append((me, identity))
    (me, one), (you, other) = found
    assert one == other
    # The way to the others is advertised, beside the address.
    assert has(me)
    assert has(you)
    assert me.pings(address6(you.nic), PATIENT)


async def test_groups_hold_for_ipv6(cloud: Cloud):
    echo = {"protocol": "ICMP", "icmpType": "EchoRequest"}
    await cloud.say(
        group("web", ingress=[{**echo, "securityGroupRef": {"name": "app"}}, {"cidr": "0.0.0.0/0"}]),
        group("app", egress=[{"cidr": "::/0"}]),
    )
    web = await cloud.join("web", 0, ordered(20, "web"), "web")
    app = await cloud.join("app", 1, ordered(21, "app"), "app")
    near = await cloud.join("near", 0, ordered(22))
    far = await cloud.join("far", 1, ordered(23))
    assert all(has(each) for each in (web, app, near, far))
    # By the group of both families; by 0.0.0.0/0 everybody may, but by IPv4 alone.
    assert app.pings(address6(web.nic), PATIENT)
    assert app.pings(f"{link_local(web.mac)}%eth0", PATIENT)
    for stranger in (near, far):
        assert stranger.pings(web.address)
        assert not stranger.pings(address6(web.nic))
        assert not stranger.pings(f"{link_local(web.mac)}%eth0")
    assert cloud.dropped(0, "denied_ingress") >= 3
    assert not app.pings(web.address)
    # Changed while they run.
    await cloud.say(group("web", ingress=[{**echo, "cidr": f"{address6(far.nic)}/128"}]), group("app"))
    assert far.pings(address6(web.nic), PATIENT)
    assert not near.pings(address6(web.nic))
    assert not app.pings(address6(web.nic))


def ordered(last: int, *names: str) -> AssignedNic:
    return dual(last, security={"namespace": "demo", "groups": [f"uid-{name}" for name in names]})
