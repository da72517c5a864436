"""Guests of VLAN Networks on two nodes, and the physical network that they are on: tags, DHCP, who may say what."""

import asyncio
from collections.abc import Iterator

import pytest

from orlop_agent.network.errors import NetworkError
from orlop_agent.network.names import PHYSICAL
from support import dot1q, frames
from support.fakenode import FakeNode
from support.talk import Speaker
from support.trunk import Trunk, is_from, on_vlan

pytestmark = [pytest.mark.component, pytest.mark.timeout(180)]
Lab = tuple[FakeNode, FakeNode, FakeNode]
ROUTER = "52:54:00:00:00:01"


@pytest.fixture
def vlans(lab: Lab) -> Lab:
    """Nodes that can tag frames."""
    for node in lab[:2]:
        dot1q.provide(node)
    return lab


@pytest.fixture
def trunk(lab: Lab) -> Iterator[Trunk]:
    made = Trunk(lab[2])
    yield made
    made.close()


def interface(node: FakeNode) -> list[str]:
    """The node's own interface: its flags, MTU, MAC address, what it is part of."""
    return node.run("ip", "-d", "link", "show", "eth0").split()


async def gone(node: FakeNode) -> dict[str, list[str]]:
    """What is left; the stand-in's process ends when its device did."""
    for _ in range(50):
        if not (left := node.traces())["servers"]:
            break
        await asyncio.sleep(0.1)
    return {what: found for what, found in left.items() if found}


async def test_guests_of_a_vlan_reach_each_other_with_its_tag_and_no_others(vlans: Lab, trunk: Trunk):
    first, second, _ = vlans
    here, there = first.networks(), second.networks()
    me = await Speaker.start(here, first, "me", on_vlan(4097, "10.10.0.20", 100))
    you = await Speaker.start(there, second, "you", on_vlan(4097, "10.10.0.21", 100))
    other = await Speaker.start(there, second, "other", on_vlan(4098, "10.10.0.21", 101))

    trunk.everything(0.1)
    me.wire.send(frames.arp(frames.REQUEST, me.mac, me.address, you.address))
    assert you.wire.receive(lambda frame: is_from(me.mac)(frame) and frame[12:14] == b"\x08\x06")
    assert not other.wire.receive(is_from(me.mac), 0.3)
    seen = trunk.everything()
    assert {tag for tag, frame in seen if is_from(me.mac)(frame)} == {100}
    assert not [frame for tag, frame in seen if tag is None and is_from(me.mac)(frame)]

    me.say(you.mac, you.address, 2000, b"on our VLAN")
    assert you.hears(b"on our VLAN")
    me.say(other.mac, other.address, 2000, b"on mine")
    assert not other.hears(b"on mine", 0.3)
    # The bridge of the node is silent: nobody hears of its MAC address, whatever it asks.
    first.run("sh", "-c", "ping -c 1 -W 1 10.10.0.77 || true", inside=4097)
    own = first.run("cat", "/sys/class/net/brq0/address", inside=4097).strip()
    assert not [frame for _, frame in trunk.everything() if is_from(own)(frame)]


async def test_machines_of_the_vlan_are_reached_and_speak_as_nobody_who_is_here(vlans: Lab, trunk: Trunk):
    node, *_ = vlans
    me = await Speaker.start(node.networks(), node, "me", on_vlan(4097, "10.10.0.20", 100))
    trunk.send(frames.arp(frames.REQUEST, ROUTER, "10.10.0.1", me.address), 100)
    assert me.wire.receive(is_from(ROUTER))
    trunk.send(frames.arp(frames.REQUEST, ROUTER, "10.10.0.1", me.address), 101)
    trunk.send(frames.arp(frames.REQUEST, ROUTER, "10.10.0.1", me.address))
    trunk.send(frames.arp(frames.REQUEST, me.mac, me.address, "10.10.0.9"), 100)
    tagged = frames.arp(frames.REQUEST, ROUTER, "10.10.0.1", me.address)
    trunk.send(tagged[:12] + b"\x81\x00\x00\x07" + tagged[12:], 100)
    assert me.wire.receive(lambda frame: frame[12:14] in {b"\x08\x06", b"\x81\x00"}, 0.5) is None
    assert node.dropped(4097, "forged_physical", PHYSICAL) == 1
    assert node.dropped(4097, "vlan", PHYSICAL) == 1

    # What a guest may not say does not leave either.
    trunk.everything(0.1)
    me.wire.send(frames.arp(frames.REQUEST, me.mac, "10.10.0.1", "10.10.0.9"))
    datagram = frames.udp(4000, 2000, b"forged")
    me.wire.send(frames.ipv4(me.mac, ROUTER, "10.10.0.99", "10.10.0.1", frames.UDP, datagram))
    me.wire.send(frames.arp(frames.REQUEST, ROUTER, me.address, "10.10.0.9"))
    me.say(ROUTER, "192.0.2.77", 2000, b"to others, by the router")
    seen = [frame for _, frame in trunk.everything()]
    assert len([frame for frame in seen if is_from(me.mac)(frame)]) == 1
    assert any(b"to others, by the router" in frame for frame in seen)
    assert node.dropped(4097, "forged_arp") == 1
    assert node.dropped(4097, "forged_address") == 1
    assert node.dropped(4097, "forged_mac") == 1


async def test_dhcp_is_between_a_guest_and_its_own_node(vlans: Lab, trunk: Trunk):
    node, *_ = vlans
    nic = on_vlan(4097, "10.10.0.20", 100, dns=["10.10.0.1", "192.0.2.53"])
    me = await Speaker.start(node.networks(), node, "me", nic)
    trunk.everything(0.1)
    found = me.ask_dhcp(frames.DISCOVER)
    assert found is not None
    address, options = found
    assert address == me.address
    assert options[3] == bytes((10, 10, 0, 1))
    assert options[6] == bytes((10, 10, 0, 1, 192, 0, 2, 53))
    assert options[26] == (1500).to_bytes(2, "big")
    # More time: asked of the gateway's MAC address, as the guest's routes say, and answered all the same.
    renew = frames.dhcp(frames.DHCP_REQUEST, me.mac, has=me.address)
    me.wire.send(frames.ipv4(me.mac, ROUTER, me.address, "169.254.169.250", frames.UDP, renew))
    assert me.wire.receive(lambda frame: frames.lease(frame) is not None) is not None
    assert not [
        frame for _, frame in trunk.everything() if is_from(me.mac)(frame) and b"\x00\x43" in frame[34:38]
    ]

    # Nor does a server out there answer, nor this node anybody there.
    offer = frames.udp(67, 68, b"I am the server")
    trunk.send(frames.ipv4(ROUTER, frames.BROADCAST, "10.10.0.1", "255.255.255.255", frames.UDP, offer), 100)
    assert not me.hears(b"I am the server", 0.3)
    assert node.dropped(4097, "rogue_dhcp", PHYSICAL) == 1
    asks = frames.dhcp(frames.DHCP_REQUEST, "52:54:00:00:00:02", has="0.0.0.0")
    trunk.send(
        frames.ipv4("52:54:00:00:00:02", frames.BROADCAST, "0.0.0.0", "255.255.255.255", frames.UDP, asks),
        100,
    )
    assert not [frame for _, frame in trunk.everything() if frame[36:38] == b"\x00\x44"]


async def test_without_dhcp_a_server_of_the_physical_network_is_asked(vlans: Lab, trunk: Trunk):
    node, *_ = vlans
    me = await Speaker.start(node.networks(), node, "me", on_vlan(4097, "10.10.0.20", 100, dhcp="Disabled"))
    discover = frames.dhcp(frames.DISCOVER, me.mac)
    me.wire.send(frames.ipv4(me.mac, frames.BROADCAST, "0.0.0.0", "255.255.255.255", frames.UDP, discover))
    assert trunk.receive(
        lambda tag, frame: tag == 100 and is_from(me.mac)(frame) and frame[36:38] == b"\x00\x43"
    )
    offer = frames.udp(67, 68, b"I am the server")
    trunk.send(frames.ipv4(ROUTER, me.mac, "10.10.0.1", me.address, frames.UDP, offer), 100)
    assert me.hears(b"I am the server")
    # But no guest is one.
    me.wire.send(frames.ipv4(me.mac, frames.BROADCAST, me.address, "255.255.255.255", frames.UDP, offer))
    assert node.dropped(4097, "rogue_dhcp", "pn0") == 0
    assert node.dropped(4097, "rogue_dhcp") == 1


async def test_a_new_agent_finds_it_and_traffic_goes_on(vlans: Lab, trunk: Trunk):
    node, *_ = vlans
    nic = on_vlan(4097, "10.10.0.20", 100)
    me = await Speaker.start(node.networks(), node, "me", nic)
    index = node.run("cat", "/sys/class/net/pn0/ifindex", inside=4097)
    trunk.send(frames.arp(frames.REQUEST, me.mac, me.address, "10.10.0.9"), 100)
    new = node.networks()
    await new.resync({"me": ("me", [nic])})
    assert node.run("cat", "/sys/class/net/pn0/ifindex", inside=4097) == index
    assert node.dropped(4097, "forged_physical") == 1
    trunk.send(frames.arp(frames.REQUEST, ROUTER, "10.10.0.1", me.address), 100)
    assert me.wire.receive(is_from(ROUTER))

    # What somebody took away is made again.
    node.run("ip", "link", "delete", "pn0", inside=4097)
    await new.resync({"me": ("me", [nic])})
    me.wire.send(frames.arp(frames.REQUEST, me.mac, me.address, "10.10.0.1"))
    assert trunk.receive(lambda tag, frame: tag == 100 and is_from(me.mac)(frame))

    # orlop-config leads the physical network to another interface.
    node.run("ip", "link", "add", "eth9", "type", "veth", "peer", "name", "beyond")
    for name in ("eth9", "beyond"):
        node.run("ip", "link", "set", name, "up")
    await node.networks(physical={"public": "eth9"}).resync({"me": ("me", [nic])})
    trunk.everything(0.1)
    me.wire.send(frames.arp(frames.REQUEST, me.mac, me.address, "10.10.0.1"))
    assert not [frame for _, frame in trunk.everything(0.3) if is_from(me.mac)(frame)]


async def test_nothing_is_left_and_the_nodes_interface_is_as_it_was(vlans: Lab):
    node, *_ = vlans
    before = interface(node)
    networks = node.networks()
    await Speaker.start(networks, node, "me", on_vlan(4097, "10.10.0.20", 100))
    await Speaker.start(networks, node, "you", on_vlan(4097, "10.10.0.21", 100))
    await networks.detach("me")
    assert node.run("ip", "link", "show", "pn0", inside=4097)
    await networks.detach("you")
    assert await gone(node) == {}
    assert interface(node) == before


async def test_what_is_in_the_way_is_said(vlans: Lab):
    node, *_ = vlans
    networks = node.networks(physical={"lab": "eth0"})
    with pytest.raises(
        NetworkError, match=r"this node has no physical network public: node\.physicalNetworks"
    ):
        await networks.prepare("me", "me", [on_vlan(4097, "10.10.0.20", 100)])
    networks = node.networks(physical={"public": "eth7"})
    with pytest.raises(
        NetworkError, match="this node has no interface eth7, which is to be its way to physical"
    ):
        await networks.prepare("me", "me", [on_vlan(4097, "10.10.0.20", 100)])
    # An interface of the node's own has the VLAN: it stays, and is not taken.
    node.run("ip", "netns", "add", "theirs")
    given = "link add link eth0 name theirs0 mtu 1500 netns theirs type vlan id 100\n"
    node.run("sh", "-c", f"printf '{given}' | ip -force -batch -")
    networks = node.networks()
    with pytest.raises(
        NetworkError, match="has an interface of its own for VLAN 100: remove that, or take another"
    ):
        await networks.prepare("me", "me", [on_vlan(4097, "10.10.0.20", 100)])
    assert node.run("ip", "netns", "exec", "theirs", "ip", "link", "show", "theirs0")
    await networks.prepare("me", "me", [on_vlan(4097, "10.10.0.20", 101)])
