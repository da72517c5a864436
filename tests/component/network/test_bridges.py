"""Guests of Bridge Networks: on a bridge of the node that is somebody else's, and stays as it was."""

import json
import time
from collections.abc import Iterator

import pytest

from orlop_agent.network.book import Book
from orlop_agent.network.errors import NetworkError
from orlop_cluster.lab import until
from support import frames
from support.fakenode import FakeNode
from support.guarding import HOME, by_uid, group, port
from support.talk import Speaker
from support.trunk import Trunk, is_from, on_vlan

pytestmark = [pytest.mark.component, pytest.mark.timeout(180)]
Lab = tuple[FakeNode, FakeNode, FakeNode]
LAB = {"lab": "lab0"}
ROUTER = "52:54:00:00:00:01"


def settled(node: FakeNode) -> None:
    """The kernel tells that links came up a second after they did, or later on a busy machine."""
    deadline = time.monotonic() + 30
    while {each["operstate"] for each in described(node)["links"].values()} != {"UP"}:
        assert time.monotonic() < deadline, described(node)
        time.sleep(0.1)


def forwarding(node: FakeNode, inside: int | None = None) -> None:
    """What is sent once is not lost at a port that the kernel has yet to hear the carrier of."""

    def states() -> list[str]:
        return [each["state"] for each in json.loads(node.run("bridge", "-j", "link", "show", inside=inside))]

    until(states, lambda found: set(found) == {"forwarding"}, 30)


@pytest.fixture
def trunk(lab: Lab) -> Iterator[Trunk]:
    """A second wire: each node's bridge lab0 has a port on it."""
    *nodes, fabric = lab
    fabric.run("ip", "link", "add", "labnet", "type", "bridge")
    fabric.run("ip", "link", "set", "labnet", "up")
    for number, node in enumerate(nodes):
        port = f"lab{number}"
        fabric.run("ip", "link", "add", port, "type", "veth", "peer", "name", "eth1", "netns", str(node.pid))
        fabric.run("ip", "link", "set", port, "master", "labnet", "up")
        node.run("ip", "link", "add", "lab0", "type", "bridge")
        node.run("ip", "link", "set", "eth1", "mtu", "2000", "master", "lab0", "up")
        node.run("ip", "link", "set", "lab0", "up")
    for node in nodes:
        settled(node)
    made = Trunk(fabric, "labnet")
    yield made
    made.close()


def described(node: FakeNode) -> dict:
    """The bridge and its ports, without counts and clocks."""
    links = json.loads(node.run("ip", "-j", "-d", "link", "show"))
    fields = ("address", "mtu", "flags", "master", "promiscuity", "allmulti", "ifalias", "operstate")
    named = {
        each["ifname"]: {field: each.get(field) for field in fields}
        for each in links
        if each["ifname"] in {"lab0", "eth1"}
    }
    return {"links": named, "ports": [each["ifname"] for each in links if each.get("master") == "lab0"]}


async def test_guests_on_bridges_of_two_nodes_are_on_one_network_with_what_is_there(lab: Lab, trunk: Trunk):
    first, second, _ = lab
    here, there = first.networks(physical=LAB), second.networks(physical=LAB)
    me = await Speaker.start(here, first, "me", on_vlan(4097, "10.10.0.20", None))
    you = await Speaker.start(there, second, "you", on_vlan(4097, "10.10.0.21", None))
    me.wire.send(frames.arp(frames.REQUEST, me.mac, me.address, you.address))
    assert you.wire.receive(is_from(me.mac))
    assert trunk.receive(lambda tag, frame: tag is None and is_from(me.mac)(frame))
    me.say(you.mac, you.address, 2000, b"by the bridges")
    assert you.hears(b"by the bridges")
    trunk.send(frames.arp(frames.REQUEST, ROUTER, "10.10.0.1", me.address))
    assert me.wire.receive(is_from(ROUTER))
    trunk.send(frames.arp(frames.REQUEST, ROUTER, "10.10.0.1", me.address), 100)
    assert me.wire.receive(is_from(ROUTER), 0.3) is None
    found = me.ask_dhcp(frames.DISCOVER)
    assert found is not None
    assert found[0] == me.address


async def test_the_bridge_stays_as_it_was(lab: Lab, trunk: Trunk):
    node, *_ = lab
    before = described(node)
    networks = node.networks(physical=LAB)
    nic = on_vlan(4097, "10.10.0.20", None)
    me = await Speaker.start(networks, node, "me", nic)
    during = described(node)
    assert sorted(during["ports"]) == ["eth1", "orlopb4097"]
    # Neither the port's MAC address nor its MTU becomes the bridge's.
    assert during["links"]["lab0"]["address"] == before["links"]["lab0"]["address"]
    assert during["links"]["lab0"]["mtu"] == before["links"]["lab0"]["mtu"] == 2000

    # An agent that begins leaves all of it alone, and puts back what was taken away.
    index = node.run("ip", "-o", "link", "show", "orlopb4097").split(":")[0]
    new = node.networks(physical=LAB)
    await new.resync({"me": ("me", [nic])})
    assert node.run("ip", "-o", "link", "show", "orlopb4097").split(":")[0] == index
    node.run("ip", "link", "set", "orlopb4097", "nomaster")
    await new.resync({"me": ("me", [nic])})
    trunk.send(frames.arp(frames.REQUEST, ROUTER, "10.10.0.1", me.address))
    assert me.wire.receive(is_from(ROUTER))

    await new.detach("me")
    assert described(node) == before
    left = node.traces()
    assert sorted(name.split("@")[0] for name in left.pop("links")) == ["eth1", "lab0"]
    assert not any(left.values())


async def test_security_groups_hold_towards_what_is_there(lab: Lab, trunk: Trunk):
    node, _, fabric = lab
    networks = node.networks(physical=LAB)
    web = group("web", ingress=[{"protocol": "UDP", "port": 53, "cidr": "10.10.0.1/32"}], egress=[])
    nic = on_vlan(4097, "10.10.0.20", None, security={"namespace": HOME, "groups": ["uid-web"]})
    await networks.set_groups(HOME, by_uid(web))
    await networks.set_peers(nic.network_uid, Book.of([port(nic, node, "web")]))
    me = await Speaker.start(networks, node, "me", nic)

    def said(address: str, number: int, text: bytes) -> bool:
        datagram = frames.udp(4000, number, text)
        trunk.send(frames.ipv4(ROUTER, me.mac, address, me.address, frames.UDP, datagram))
        return me.hears(text, 0.4)

    forwarding(fabric)
    forwarding(node)
    forwarding(node, 4097)
    assert said("10.10.0.1", 53, b"allowed")
    assert not said("10.10.0.1", 54, b"another port")
    assert not said("10.10.0.9", 53, b"another address")
    trunk.everything(0.1)
    me.say(ROUTER, "10.10.0.1", 2000, b"not out")
    assert not [frame for _, frame in trunk.everything(0.4) if b"not out" in frame]


async def test_a_bridge_that_is_down_is_said(lab: Lab, trunk: Trunk):
    node, *_ = lab
    node.run("ip", "link", "set", "lab0", "down")
    networks = node.networks(physical=LAB)
    nic = on_vlan(4097, "10.10.0.20", None)
    with pytest.raises(
        NetworkError, match="lab0, this node's way to physical network lab, is down: set it up"
    ):
        await networks.prepare("me", "me", [nic])
    node.run("ip", "link", "set", "lab0", "up")
    me = await Speaker.start(networks, node, "me", nic)
    trunk.send(frames.arp(frames.REQUEST, ROUTER, "10.10.0.1", me.address))
    assert me.wire.receive(is_from(ROUTER))


async def test_an_interface_that_is_no_bridge_is_said(lab: Lab):
    node, *_ = lab
    networks = node.networks(physical={"lab": "eth0"})
    with pytest.raises(NetworkError, match="eth0, this node's way to physical network lab, is no bridge"):
        await networks.prepare("me", "me", [on_vlan(4097, "10.10.0.20", None)])
    assert "eth0" in node.run("ip", "link", "show", "eth0")
    await networks.detach("me")
    assert not any(node.traces().values())
