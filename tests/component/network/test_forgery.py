"""A guest that pretends to be another: each frame is dropped, counted by its cause, and seen by nobody."""

from collections.abc import Callable

import pytest

from support import frames
from support.fakenode import FakeNode, nic
from support.talk import Speaker

pytestmark = [pytest.mark.component, pytest.mark.timeout(60)]
SEGMENT = 4097
SECRET = b"forged-by-the-guest"
OTHER = "02:00:10:01:00:63"
VICTIM = "10.10.0.99"
Forge = Callable[[Speaker, Speaker], bytes]
_DATA = frames.udp(1000, 2000, SECRET)


def _to(speaker: Speaker, other: Speaker, kind: int, payload: bytes) -> bytes:
    return frames.ethernet(speaker.mac, other.mac, kind, payload.ljust(64, b"\0"))


FORGED: dict[str, tuple[str, Forge]] = {
    "another MAC": (
        "forged_mac",
        lambda me, you: frames.ipv4(OTHER, you.mac, me.address, you.address, frames.UDP, _DATA),
    ),
    "the gateway's MAC": (
        "forged_mac",
        lambda me, you: frames.ipv4(
            "02:00:10:01:00:01", you.mac, "10.10.0.1", you.address, frames.UDP, _DATA
        ),
    ),
    "another address": (
        "forged_address",
        lambda me, you: frames.ipv4(me.mac, you.mac, VICTIM, you.address, frames.UDP, _DATA),
    ),
    "no address but no DHCP": (
        "forged_address",
        lambda me, you: frames.ipv4(me.mac, you.mac, "0.0.0.0", you.address, frames.UDP, _DATA),
    ),
    "ARP for another address": (
        "forged_arp",
        lambda me, you: frames.arp(frames.REPLY, me.mac, VICTIM, you.address, to=you.mac),
    ),
    "ARP for the gateway": (
        "forged_arp",
        lambda me, you: frames.arp(frames.REPLY, me.mac, "10.10.0.1", you.address, to=you.mac),
    ),
    "gratuitous ARP for the gateway": (
        "forged_arp",
        lambda me, you: frames.arp(frames.REQUEST, me.mac, "10.10.0.1", "10.10.0.1"),
    ),
    "ARP with another MAC in it": (
        "forged_arp",
        lambda me, you: frames.arp(frames.REPLY, me.mac, me.address, you.address, sender=OTHER, to=you.mac),
    ),
    "an ARP probe with another MAC in it": (
        "forged_arp",
        lambda me, you: frames.arp(frames.REQUEST, me.mac, "0.0.0.0", you.address, sender=OTHER),
    ),
    "a DHCP server's answer": (
        "rogue_dhcp",
        lambda me, you: frames.ipv4(
            me.mac, you.mac, me.address, "255.255.255.255", frames.UDP, frames.udp(67, 68, SECRET)
        ),
    ),
    "IPv6": ("other_protocol", lambda me, you: _to(me, you, frames.IPV6, b"\x60" + bytes(39) + SECRET)),
    "a VLAN tag": (
        "other_protocol",
        lambda me, you: _to(
            me,
            you,
            0x8100,
            b"\0\x05\x08\0" + frames.ipv4(me.mac, you.mac, me.address, you.address, frames.UDP, _DATA)[14:],
        ),
    ),
    "a provider's VLAN tag": (
        "other_protocol",
        lambda me, you: _to(me, you, 0x88A8, b"\0\x05\x08\0" + SECRET),
    ),
    "a spanning tree": (
        "other_protocol",
        lambda me, you: frames.ethernet(me.mac, "01:80:c2:00:00:00", 38, b"\x42\x42\x03" + SECRET),
    ),
    "MPLS": ("other_protocol", lambda me, you: _to(me, you, 0x8847, SECRET)),
}


async def test_forged_frames_reach_nobody(lab: tuple[FakeNode, FakeNode, FakeNode]):
    node, *_ = lab
    networks = node.networks()
    me = await Speaker.start(networks, node, "forger", nic(SEGMENT, "10.10.0.20"))
    you = await Speaker.start(networks, node, "victim", nic(SEGMENT, "10.10.0.21"))
    # The gateway must know both by now, or its own questions would be among the frames.
    assert me.ping("10.10.0.1")
    assert you.ping("10.10.0.1")
    wrong = []
    for what, (counter, forge) in FORGED.items():
        before = node.dropped(SEGMENT, counter)
        frame = forge(me, you)
        me.wire.send(frame)
        # An honest frame behind it: when that has arrived, the forged one would have, too.
        me.say(you.mac, you.address, 2000, b"honest")
        seen: list[bytes] = []
        assert you.wire.receive(lambda got, seen=seen: b"honest" in got or bool(seen.append(got)))
        if seen or node.dropped(SEGMENT, counter) != before + 1:
            wrong.append((what, [got.hex() for got in seen]))
    assert wrong == []


async def test_link_local_messages_stay_where_they_are(lab: tuple[FakeNode, FakeNode, FakeNode]):
    """LLDP goes to an address that no bridge forwards (IEEE 802.1Q, 8.6.3), before any rule."""
    node, *_ = lab
    networks = node.networks()
    me = await Speaker.start(networks, node, "forger", nic(SEGMENT, "10.10.0.20"))
    you = await Speaker.start(networks, node, "victim", nic(SEGMENT, "10.10.0.21"))
    me.wire.send(frames.ethernet(me.mac, "01:80:c2:00:00:0e", 0x88CC, SECRET))
    me.say(you.mac, you.address, 2000, b"honest")
    seen: list[bytes] = []
    assert you.wire.receive(lambda got: b"honest" in got or bool(seen.append(got)))
    assert not any(SECRET in got for got in seen)


async def test_a_detached_guest_loses_its_right_to_speak(lab: tuple[FakeNode, FakeNode, FakeNode]):
    node, *_ = lab
    networks = node.networks()
    await Speaker.start(networks, node, "leaves", nic(SEGMENT, "10.10.0.20"))
    await Speaker.start(networks, node, "stays", nic(SEGMENT, "10.10.0.21"))
    await networks.detach("leaves")
    rules = node.run("nft", "list", "table", "bridge", "orlop", inside=SEGMENT)
    assert "10.10.0.20" not in rules
    assert networks.tap_name("leaves", "eth0") not in rules
    assert "10.10.0.21" in rules


async def test_nobody_beyond_the_overlay_speaks_as_the_gateway(lab: tuple[FakeNode, FakeNode, FakeNode]):
    """A node that was taken over, or somebody on the underlay, sends into the Network."""
    node, *_, outside = lab
    you = await Speaker.start(node.networks(), node, "victim", nic(SEGMENT, "10.10.0.21"))
    outside.run("ip", "link", "add", "vx", "type", "vxlan", "id", str(SEGMENT), "dstport", "4789",
                "local", "192.0.2.254", "remote", "192.0.2.1")  # fmt: skip
    outside.run("ip", "link", "set", "vx", "address", "02:00:10:01:00:01", "up")
    outside.run("ip", "address", "add", "10.10.0.1/24", "dev", "vx")
    outside.run("ip", "neigh", "replace", you.address, "lladdr", you.mac, "dev", "vx")
    outside.run("ping", "-c", "1", "-W", "1", you.address, check=False)
    assert node.dropped(SEGMENT, "forged_overlay") > 0
    assert you.wire.receive(lambda frame: frame[6:12] == frames.raw_mac("02:00:10:01:00:01"), 0.2) is None
