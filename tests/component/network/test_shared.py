"""An address that two guests may have, on two nodes: whoever says that it has it is believed, and nobody else."""

import socket
from collections.abc import Callable

import pytest

from orlop_agent.network.book import Book
from orlop_api.port import Port
from support import frames
from support.fakenode import FakeNode, nic
from support.talk import Speaker

pytestmark = [pytest.mark.component, pytest.mark.timeout(90)]
Lab = tuple[FakeNode, FakeNode, FakeNode]
SHARED = "10.10.0.100"


def pairs(*addresses: str) -> list[dict[str, str]]:
    return [{"address": address} for address in addresses]


def port(speaker: Speaker, node: FakeNode, *allowed: str) -> Port:
    """As the operator writes it when the Instance is placed."""
    binding = {
        "instanceName": "web", "instanceUID": "uid", "nodeName": "node", "hostAddress": node.address,
    }  # fmt: skip
    status = {
        "networkUID": "net-4097", "segmentID": 4097, "macAddress": speaker.mac,
        "addresses": [speaker.address], "binding": binding,
    }  # fmt: skip
    spec = {"networkRef": {"name": "blue"}, "allowedAddressPairs": pairs(*allowed)}
    meta = {"name": f"port-{speaker.address}", "namespace": "demo"}
    return Port.model_validate({"metadata": meta, "spec": spec, "status": status})


def arp_of(operation: int, sender: str, target: str) -> Callable[[bytes], bool]:
    """Whether a frame is that ARP message."""

    def those(frame: bytes) -> bool:
        sent, asked = socket.inet_aton(sender), socket.inet_aton(target)
        its = frame[20:22], frame[28:32], frame[38:42]
        return frame[12:14] == b"\x08\x06" and its == (operation.to_bytes(2, "big"), sent, asked)

    return those


def asks(who: Speaker, address: str) -> None:
    who.wire.send(frames.arp(frames.REQUEST, who.mac, who.address, address))


def says(who: Speaker, address: str) -> None:
    """Gratuitous ARP (RFC 9568, section 8.2.1)."""
    who.wire.send(frames.arp(frames.REQUEST, who.mac, address, address))


async def test_a_shared_address_is_whose_who_says_so_on_any_node(lab: Lab):
    first, second, _ = lab
    here, there = first.networks(), second.networks()
    mine, yours = (nic(4097, f"10.10.0.{n}", allowed_address_pairs=pairs(SHARED)) for n in (20, 21))
    one = await Speaker.start(here, first, "one", mine)
    two = await Speaker.start(there, second, "two", yours)
    near = await Speaker.start(here, first, "near", nic(4097, "10.10.0.30"))
    far = await Speaker.start(there, second, "far", nic(4097, "10.10.0.31"))
    ports = [port(one, first, SHARED), port(two, second, SHARED), port(near, first), port(far, second)]
    await here.set_peers("net-4097", Book.of(ports))
    await there.set_peers("net-4097", Book.of(ports))

    # Who is beyond the overlay asks, the one that has it answers, and both speak.
    asks(far, SHARED)
    assert one.wire.receive(arp_of(frames.REQUEST, far.address, SHARED))
    one.wire.send(frames.arp(frames.REPLY, one.mac, SHARED, far.address, to=far.mac))
    assert far.wire.receive(arp_of(frames.REPLY, SHARED, far.address))
    far.say(one.mac, SHARED, 2000, b"to whoever has it")
    assert one.hears(b"to whoever has it")
    answer = frames.udp(2000, 4000, b"I have it")
    one.wire.send(frames.ipv4(one.mac, far.mac, SHARED, far.address, frames.UDP, answer))
    assert far.hears(b"I have it")

    # The other one takes over, and tells: both nodes hear of it once, its own too.
    says(two, SHARED)
    for guest in (near, one, far):
        assert guest.wire.receive(arp_of(frames.REQUEST, SHARED, SHARED))
    assert near.wire.receive(arp_of(frames.REQUEST, SHARED, SHARED), 0.3) is None
    near.say(two.mac, SHARED, 2000, b"to the new one")
    assert two.hears(b"to the new one")

    # All else stays on its node as before.
    asks(far, "10.10.0.77")
    says(two, two.address)
    assert not near.wire.receive(lambda frame: frame[12:14] == b"\x08\x06", 0.5)


async def test_it_is_let_through_for_those_ports_only_and_never_as_the_gateway(lab: Lab):
    node, *_ = lab
    networks = node.networks()
    # The operator refuses a range with the gateway in it; the node does not rely on that.
    wide = nic(4097, "10.10.0.20", allowed_address_pairs=pairs("10.10.0.0/24", "10.10.0.100", "10.99.0.0/16"))
    one = await Speaker.start(networks, node, "one", wide)
    other = await Speaker.start(networks, node, "other", nic(4097, "10.10.0.21"))

    def send(who: Speaker, source: str, to: Speaker, text: bytes, mac: str | None = None) -> None:
        payload = frames.udp(4000, 2000, text)
        who.wire.send(frames.ipv4(mac or who.mac, to.mac, source, to.address, frames.UDP, payload))

    for source in (SHARED, "10.99.3.4"):
        send(one, source, other, source.encode())
        assert other.hears(source.encode())
    assert node.dropped(4097, "forged_address") == 0

    send(one, "10.10.0.1", other, b"as the gateway")
    send(one, "10.98.0.1", other, b"as somebody else")
    send(other, SHARED, one, b"without leave")
    assert not other.hears(b"as ", 0.3)
    assert not one.hears(b"without", 0.3)
    assert node.dropped(4097, "forged_address") == 3
    says(one, "10.10.0.1")
    says(other, SHARED)
    says(one, SHARED)
    assert other.wire.receive(arp_of(frames.REQUEST, SHARED, SHARED))
    assert not other.wire.receive(arp_of(frames.REQUEST, "10.10.0.1", "10.10.0.1"), 0.3)
    assert node.dropped(4097, "forged_arp") == 2
    send(one, SHARED, other, b"another's MAC", mac=other.mac)
    assert not other.hears(b"another's", 0.3)
    assert node.dropped(4097, "forged_mac") == 1


async def test_with_the_last_such_port_all_of_it_goes(lab: Lab):
    first, second, _ = lab
    here = first.networks()
    one = await Speaker.start(here, first, "one", nic(4097, "10.10.0.20"))
    two = await Speaker.start(second.networks(), second, "two", nic(4097, "10.10.0.21"))

    def flooded() -> bool:
        return frames.BROADCAST in first.run("bridge", "fdb", "show", "dev", "vx0", inside=4097)

    def copied() -> bool:
        return "netdev" in first.run("nft", "list", "tables", inside=4097)

    book = Book.of([port(one, first), port(two, second)])
    await here.set_peers("net-4097", book)
    assert (flooded(), copied()) == (False, False)
    for shares in (True, False, True):
        book.put(port(two, second, *([SHARED] if shares else ())))
        await here.set_peers("net-4097", book)
        assert (flooded(), copied()) == (shares, shares)
    # An agent that starts anew finds it, and takes it away as well.
    new = first.networks()
    await new.resync({"one": ("one", [nic(4097, "10.10.0.20")])})
    await new.set_peers("net-4097", Book.of([port(one, first), port(two, second)]))
    assert (flooded(), copied()) == (False, False)
