"""Guests on two nodes, and Networks that know nothing of each other."""

import pytest

from orlop_agent.network.book import Book
from orlop_api.port import Port
from support import frames
from support.fakenode import FakeNode, nic
from support.talk import Speaker

pytestmark = [pytest.mark.component, pytest.mark.timeout(60)]
Lab = tuple[FakeNode, FakeNode, FakeNode]


def port(speaker: Speaker, node: FakeNode, segment_id: int = 4097) -> Port:
    """As the operator writes it when the Instance is placed."""
    binding = {
        "instanceName": "web", "instanceUID": "uid", "nodeName": "node", "hostAddress": node.address,
    }  # fmt: skip
    status = {
        "networkUID": f"net-{segment_id}", "segmentID": segment_id, "macAddress": speaker.mac,
        "addresses": [speaker.address], "binding": binding,
    }  # fmt: skip
    meta = {"name": f"port-{speaker.address}", "namespace": "demo"}
    return Port.model_validate({"metadata": meta, "spec": {"networkRef": {"name": "blue"}}, "status": status})


async def test_guests_on_two_nodes_reach_each_other(lab: Lab):
    first, second, _ = lab
    here, there = first.networks(), second.networks()
    me = await Speaker.start(here, first, "me", nic(4097, "10.10.0.20"))
    you = await Speaker.start(there, second, "you", nic(4097, "10.10.0.21"))
    ports = [port(me, first), port(you, second)]
    assert me.who_has(you.address, 0.3) is None

    await here.set_peers("net-4097", Book.of(ports))
    await there.set_peers("net-4097", Book.of(ports))

    # The own node answers: the question itself does not cross.
    assert me.who_has(you.address) == you.mac
    assert you.who_has(me.address) == me.mac
    me.say(you.mac, you.address, 2000, b"over the wire")
    assert you.hears(b"over the wire")
    # A guest asks one it knows by unicast (RFC 1122, 2.3.2.1): that does.
    me.wire.send(frames.arp(frames.REQUEST, me.mac, me.address, you.address, to=you.mac))
    assert you.wire.receive(lambda frame: frame[12:14] == b"\x08\x06" and frame[20:22] == b"\0\1")


async def test_nothing_is_flooded_to_other_nodes(lab: Lab):
    first, second, _ = lab
    here, there = first.networks(), second.networks()
    me = await Speaker.start(here, first, "me", nic(4097, "10.10.0.20"))
    you = await Speaker.start(there, second, "you", nic(4097, "10.10.0.21"))
    ports = [port(me, first), port(you, second)]
    await here.set_peers("net-4097", Book.of(ports))
    await there.set_peers("net-4097", Book.of(ports))
    sent = first.run("cat", "/sys/class/net/eth0/statistics/tx_packets")

    assert me.who_has("10.10.0.1")
    assert me.ask_dhcp(frames.DISCOVER)
    assert me.who_has("10.10.0.77", 0.2) is None
    to_all = frames.udp(4000, 5353, b"anybody?")
    for mac, address in ((frames.BROADCAST, "10.10.0.255"), ("01:00:5e:00:00:fb", "224.0.0.251")):
        me.wire.send(frames.ipv4(me.mac, mac, me.address, address, frames.UDP, to_all))
    me.say("02:00:10:01:00:4d", "10.10.0.77", 2000, b"nobody has that MAC")
    assert not you.hears(b"", 0.5)
    assert first.run("cat", "/sys/class/net/eth0/statistics/tx_packets") == sent


async def test_a_port_that_went_or_moved_is_followed(lab: Lab):
    first, second, _ = lab
    here, there = first.networks(), second.networks()
    me = await Speaker.start(here, first, "me", nic(4097, "10.10.0.20"))
    you = await Speaker.start(there, second, "you", nic(4097, "10.10.0.21"))
    book = Book.of([port(you, second)])
    await here.set_peers("net-4097", book)
    assert me.who_has(you.address)

    book.replace([])
    await here.set_peers("net-4097", book)
    assert me.who_has(you.address, 0.3) is None

    # It comes to this node: what was known of the other one must not stand in the way.
    book.replace([port(you, second)])
    await here.set_peers("net-4097", book)
    await there.detach("you")
    moved = await Speaker.start(here, first, "you", nic(4097, "10.10.0.21"))
    assert moved.ping("10.10.0.1")
    book.replace([port(moved, first)])
    await here.set_peers("net-4097", book)
    me.say(moved.mac, moved.address, 2000, b"welcome")
    assert moved.hears(b"welcome")
    entries = first.run("bridge", "fdb", "show", "dev", "vx0", inside=4097)
    assert moved.mac not in entries


async def test_peers_known_before_the_network_is_here_hold_from_when_it_is(lab: Lab):
    first, second, _ = lab
    you = await Speaker.start(second.networks(), second, "you", nic(4097, "10.10.0.21"))
    here = first.networks()
    await here.set_peers("net-4097", Book.of([port(you, second)]))
    me = await Speaker.start(here, first, "me", nic(4097, "10.10.0.20"))
    assert me.who_has(you.address) == you.mac


async def test_a_new_agent_forgets_peers_that_went_meanwhile(lab: Lab):
    first, second, _ = lab
    here = first.networks()
    me = await Speaker.start(here, first, "me", nic(4097, "10.10.0.20"))
    you = await Speaker.start(second.networks(), second, "you", nic(4097, "10.10.0.21"))
    await here.set_peers("net-4097", Book.of([port(you, second)]))
    new = first.networks()
    await new.resync({"me": ("me", [nic(4097, "10.10.0.20")])})
    assert me.who_has(you.address) == you.mac
    await new.set_peers("net-4097", Book.of([]))
    assert me.who_has(you.address, 0.3) is None


async def test_two_networks_with_the_same_addresses_are_apart(lab: Lab):
    node, *_ = lab
    networks = node.networks()
    blue = [
        await Speaker.start(networks, node, f"blue-{low}", nic(4097, f"10.10.0.{low}")) for low in (20, 21)
    ]
    red = [await Speaker.start(networks, node, f"red-{low}", nic(4098, f"10.10.0.{low}")) for low in (20, 21)]
    assert blue[0].who_has("10.10.0.1") != red[0].who_has("10.10.0.1")
    for speaker in (*blue, *red):
        assert speaker.ping("10.10.0.1")
        assert speaker.ping("192.0.2.254")
    blue[0].say(blue[1].mac, "10.10.0.21", 2000, b"to blue")
    blue[0].say(red[1].mac, "10.10.0.21", 2000, b"to red's MAC")
    blue[0].wire.send(frames.arp(frames.REQUEST, blue[0].mac, "10.10.0.20", "10.10.0.21"))
    assert blue[1].hears(b"to blue")
    assert not red[1].hears(b"", 0.3)
