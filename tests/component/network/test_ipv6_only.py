"""A Network of IPv6 alone: guests reach each other and the gateway, IPv4 and ARP are dropped, groups hold."""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import IPv6Network

import pytest

from orlop_api.address6 import eui64, link_local
from orlop_api.assignment import AssignedNic
from support import frames, frames6
from support.asking6 import SOLICIT, address6, has
from support.fakenode import FakeNode, nic
from support.frames6 import NA
from support.guarded import Cloud
from support.guarding import group
from support.stack import PATIENT
from support.talk import Speaker

pytestmark = [pytest.mark.component, pytest.mark.timeout(300)]
Lab = tuple[FakeNode, FakeNode, FakeNode]
PREFIX, GATEWAY = "fd00:10::/64", "fd00:10::1"
SECRET = b"forged-by-the-guest"


def alone(last: int, mode: str = "SLAAC", *names: str, **fields: object) -> AssignedNic:
    mac = nic(4097, f"10.10.0.{last}").mac_address
    address = eui64(IPv6Network(PREFIX), mac) if mode == "SLAAC" else f"fd00:10::{last:x}"
    ipv6 = {"address": str(address), "cidr": PREFIX, "gateway": GATEWAY, "mode": mode, "dns": [GATEWAY]}
    security = {"namespace": "demo", "groups": [f"uid-{name}" for name in names]}
    none = {
        "addresses": [],
        "cidr": None,
        "gateway": None,
        "domain": "six.example",
        "network_namespace": "demo",
    }
    return nic(4097, f"10.10.0.{last}", ipv6=ipv6, security=security, **(none | fields))


@pytest.fixture
def cloud(lab: Lab) -> Iterator[Cloud]:
    with ExitStack() as close:
        yield Cloud(lab, close)


ASK = r"""
import socket, struct, sys
made = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
made.settimeout(3)
name = b"".join(bytes([len(p)]) + p.encode() for p in sys.argv[1].split(".")) + b"\0"
for _ in range(4):
    made.sendto(struct.pack("!6H", 7, 256, 1, 0, 0, 0) + name + struct.pack("!2H", 28, 1), ("fd00:10::1", 53))
    try:
        answer = made.recv(2000)
    except TimeoutError:
        continue
    print(socket.inet_ntop(socket.AF_INET6, answer[-16:]) if answer[7] else answer[3] & 15)
    break
"""


async def test_guests_reach_each_other_and_are_told_names(cloud: Cloud):
    """On one node and across nodes; the gateway answers at its address of IPv6, and nothing has one of IPv4."""
    me = await cloud.join("me", 0, alone(20))
    near = await cloud.join("near", 0, alone(21))
    far = await cloud.join("far", 1, alone(22))
    for each in (me, near, far):
        assert has(each) == [address6(each.nic)]
    for to in (near, far):
        assert me.pings(address6(to.nic), PATIENT)
        assert to.pings(address6(me.nic), PATIENT)
    assert me.pings(GATEWAY, PATIENT)
    for node in cloud.nodes:
        shown = node.run("ip", "address", "show", inside=4097)
        assert "inet6 fd00:10::1/64" in shown
        assert "inet " not in shown.replace("inet 127.0.0.1/8", "")
        assert "masquerade" not in node.run("nft", "list", "ruleset", inside=4097)
    # All Ports are called alike here: the answer is one of theirs.
    answer = far.run(sys.executable, "-c", ASK, "web.six.example").strip()
    assert answer in {address6(each.nic) for each in (me, near, far)}
    assert far.run(sys.executable, "-c", ASK, "nobody.six.example").strip() == "3"
    for name in ("me", "near", "far"):
        await cloud.agents[cloud.guests[name][1]].detach(name)
    for node in cloud.nodes:
        assert not [name for name in node.traces()["namespaces"] if name.startswith("orlop-")]


async def test_addresses_are_told_by_dhcpv6_and_a_new_agent_changes_nothing(cloud: Cloud):
    me = await cloud.join("me", 0, alone(20, "DHCPv6"))
    # By then its link-local address may be used, and nothing was advertised that it could make another of.
    assert has(me, 3) == []
    address, server, _ = me.run(sys.executable, "-c", SOLICIT).split()
    assert (address, server) == (address6(me.nic), GATEWAY)
    you = await cloud.join("you", 1, alone(21, "DHCPv6"))
    for stack in (me, you):
        stack.own("address", "add", f"{address6(stack.nic)}/64", "dev", "eth0", "nodad")
        assert has(stack) == [address6(stack.nic)]
    assert me.pings(address6(you.nic), PATIENT)
    rules = cloud.nodes[0].run("nft", "-s", "list", "table", "bridge", "orlop", inside=4097)
    agent = cloud.nodes[0].networks()
    await agent.resync({"me": ("me", [me.nic])})
    assert cloud.nodes[0].run("nft", "-s", "list", "table", "bridge", "orlop", inside=4097) == rules
    assert me.pings(address6(you.nic), PATIENT)


async def test_groups_hold(cloud: Cloud):
    await cloud.say(group("web", ingress=[{"cidr": f"{address6(alone(21))}/128"}]), group("app"))
    web = await cloud.join("web", 0, alone(20, "SLAAC", "web"), "web")
    friend = await cloud.join("friend", 1, alone(21))
    stranger = await cloud.join("stranger", 1, alone(22))
    assert all(has(each) for each in (web, friend, stranger))
    assert friend.pings(address6(web.nic), PATIENT)
    assert not stranger.pings(address6(web.nic))
    assert not stranger.pings(f"{link_local(web.mac)}%eth0")
    assert cloud.dropped(0, "denied_ingress") >= 2


async def test_ipv4_and_arp_are_dropped_and_counted(lab: Lab):
    """Also with addresses that would be right elsewhere; of IPv6 the NIC is held to its own."""
    node = lab[0]
    agent = node.networks()
    me = await Speaker.start(agent, node, "me", alone(20, "DHCPv6"))
    you = await Speaker.start(agent, node, "you", alone(21, "DHCPv6"))
    mine, yours = "fd00:10::14", "fd00:10::15"
    said = {
        "IPv4": ("ipv4", frames.ipv4(me.mac, you.mac, "10.10.0.20", "10.10.0.21", frames.UDP, SECRET)),
        "IPv4 to all": (
            "ipv4",
            frames.ipv4(me.mac, frames.BROADCAST, "0.0.0.0", "255.255.255.255", frames.UDP, SECRET),
        ),
        "ARP": ("ipv4", frames.arp(frames.REQUEST, me.mac, "10.10.0.20", "10.10.0.21") + SECRET),
        "a probe": ("ipv4", frames.arp(frames.REQUEST, me.mac, "0.0.0.0", "10.10.0.21") + SECRET),
        "another's address": (
            "forged_address",
            frames6.udp(me.mac, you.mac, "fd00:10::63", yours, (1000, 2000), SECRET),
        ),
        "a neighbour's address advertised": (
            "forged_nd",
            frames6.discovery(
                me.mac,
                you.mac,
                mine,
                yours,
                NA,
                yours,
                frames6.link_layer(2, me.mac) + bytes([200, 3]) + SECRET,
            ),
        ),
    }
    for what, (cause, frame) in said.items():
        before = node.dropped(4097, cause)
        me.wire.send(frame)
        assert you.wire.receive(lambda seen: SECRET in seen, 0.3) is None, what
        assert node.dropped(4097, cause) == before + 1, what
    me.wire.send(frames6.udp(me.mac, you.mac, mine, yours, (1000, 2000), SECRET))
    assert you.wire.receive(lambda frame: SECRET in frame)
