"""A guest that forges IPv6: each frame is dropped, counted by its cause, and seen by nobody."""

from collections.abc import Callable

import pytest

from orlop_api.address6 import link_local
from support import frames, frames6
from support.fakenode import FakeNode, nic
from support.frames6 import NA, NS, RA, REDIRECT
from support.talk import Speaker

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]
Lab = tuple[FakeNode, FakeNode, FakeNode]
SECRET = b"forged-by-the-guest"
ME, YOU, VICTIM, GATEWAY = "fd00:10::14", "fd00:10::15", "fd00:10::63", "fd00:10::1"
ALL = "33:33:00:00:00:01"
Forge = Callable[[Speaker, Speaker], bytes]


def v6(last: int):
    ipv6 = {"address": f"fd00:10::{last:x}", "cidr": "fd00:10::/64", "gateway": GATEWAY}
    return nic(4097, f"10.10.0.{last}", ipv6=ipv6)


def says(source: str) -> Forge:
    return lambda me, you: frames6.udp(me.mac, you.mac, source, YOU, (1000, 2000), SECRET)


def advertises(target: str) -> Forge:
    own = SECRET.ljust(24, b"\0")
    return lambda me, you: frames6.discovery(
        me.mac, you.mac, ME, YOU, NA, target, frames6.link_layer(2, me.mac) + bytes([200, 3]) + own[:22]
    )


GATEWAY_LINK = str(link_local("02:00:10:01:00:01"))
YOUR_LINK = str(link_local("02:00:10:01:00:15"))
FORGED: dict[str, tuple[str, Forge]] = {
    "another MAC": (
        "forged_mac",
        lambda me, you: frames6.udp("02:00:10:01:00:63", you.mac, ME, YOU, (1, 2), SECRET),
    ),
    "another address": ("forged_address", says(VICTIM)),
    "the gateway's address": ("forged_address", says(GATEWAY)),
    "the gateway's link-local address": ("forged_address", says(GATEWAY_LINK)),
    "a neighbour's link-local address": ("forged_address", says(YOUR_LINK)),
    "no address": ("forged_address", says("::")),
    "an address from elsewhere": ("forged_address", says("2001:db8::1")),
    "a neighbour's address advertised": ("forged_nd", advertises(VICTIM)),
    "the gateway's address advertised": ("forged_nd", advertises(GATEWAY)),
    "the gateway's link-local address advertised": ("forged_nd", advertises(GATEWAY_LINK)),
    "a claim to a neighbour's address as if it were free": (
        "forged_address",
        lambda me, you: frames6.discovery(me.mac, ALL, "::", "ff02::1", NS, VICTIM, bytes([200, 3]) + SECRET),
    ),
    "a router advertisement": (
        "rogue_router",
        lambda me, you: frames6.icmp(
            me.mac, ALL, str(link_local(me.mac)), "ff02::1", RA, bytes([64, 0, 7, 8]) + bytes(8) + SECRET
        ),
    ),
    "a router advertisement behind a destination header": (
        "rogue_router",
        lambda me, you: frames6.ipv6(
            me.mac, ALL, str(link_local(me.mac)), "ff02::1", 60,
            bytes([58, 0, 1, 4, 0, 0, 0, 0, RA, 0, 0, 0]) + bytes(12) + SECRET,
        ),
    ),
    "a redirect": (
        "rogue_router",
        lambda me, you: frames6.icmp(me.mac, you.mac, ME, YOU, REDIRECT, bytes(36) + SECRET),
    ),
    "a DHCPv6 server's answer": (
        "rogue_dhcp",
        lambda me, you: frames6.udp(me.mac, you.mac, ME, YOU, (547, 546), SECRET),
    ),
    "a DHCPv6 server's answer from another port": (
        "rogue_dhcp",
        lambda me, you: frames6.udp(me.mac, you.mac, ME, YOU, (5000, 546), SECRET),
    ),
}  # fmt: skip


async def test_a_forged_frame_goes_nowhere_and_is_counted(lab: Lab):
    node = lab[0]
    agent = node.networks()
    me = await Speaker.start(agent, node, "me", v6(0x14))
    you = await Speaker.start(agent, node, "you", v6(0x15))
    for what, (counter, forge) in FORGED.items():
        before = node.dropped(4097, counter)
        me.wire.send(forge(me, you))
        assert you.wire.receive(lambda frame: SECRET in frame, 0.3) is None, what
        assert node.dropped(4097, counter) == before + 1, what
    # What is right passes.
    me.wire.send(frames6.udp(me.mac, you.mac, ME, YOU, (1000, 2000), SECRET))
    assert you.wire.receive(lambda frame: SECRET in frame)
    me.wire.send(frames6.discovery(me.mac, you.mac, ME, YOU, NA, ME, frames6.link_layer(2, me.mac)))
    assert you.wire.receive(lambda frame: frame[12:14] == b"\x86\xdd" and frame[54] == NA)


async def test_ipv6_where_the_network_has_none_is_dropped(lab: Lab):
    node = lab[0]
    me = await Speaker.start(node.networks(), node, "me", nic(4097, "10.10.0.20"))
    me.wire.send(frames6.udp(me.mac, frames.BROADCAST, ME, YOU, (1, 2), SECRET))
    before = node.dropped(4097, "ipv6")
    assert before >= 1
