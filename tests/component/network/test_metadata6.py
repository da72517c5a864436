"""Metadata asked for at fd00:ec2::254, in Networks of both families and of IPv6 alone."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack
from ipaddress import IPv6Network

import pytest

from orlop_agent.network.book import Book
from orlop_api.address6 import eui64, link_local
from support import frames6
from support.asking6 import SOLICIT, has
from support.fakenode import FakeNode, nic
from support.frames6 import NA, NS
from support.guarding import by_uid, group, port
from support.known import ADDRESS, ADDRESS6, asking
from support.stack import QUICK, Stack
from support.talk import Speaker
from support.told import Cloud, asked, unheard

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]
Lab = tuple[FakeNode, FakeNode, FakeNode]
PREFIX, GATEWAY = "fd00:10::/64", "fd00:10::1"
ALONE: dict[str, object] = {"addresses": [], "cidr": None, "gateway": None}


def six(last: int, mode: str = "SLAAC", segment: int = 4097) -> dict[str, object]:
    made = eui64(IPv6Network(PREFIX), nic(segment, f"10.10.0.{last}").mac_address)
    address = str(made) if mode == "SLAAC" else f"fd00:10::{last:x}"
    dns = ["fd00:53::1"]
    return {"ipv6": {"address": address, "cidr": PREFIX, "gateway": GATEWAY, "mode": mode, "dns": dns}}


@pytest.fixture
async def cloud(lab: Lab) -> AsyncIterator[Cloud]:
    with ExitStack() as close:
        made = Cloud(lab[0], close)
        yield made
        await made.metadata.stop()


async def settled(stack: Stack, mode: str = "SLAAC") -> Stack:
    """It has its address and was told the way."""
    if mode == "DHCPv6":
        # By then its link-local address may be used.
        assert await asyncio.to_thread(has, stack, 3) == []
        told = await asyncio.to_thread(lambda: stack.run(sys.executable, "-c", SOLICIT))
        stack.own("address", "add", f"{told.split()[0]}/128", "dev", "eth0", "nodad")
    assert await asyncio.to_thread(has, stack)
    return stack


async def test_each_guest_is_told_of_itself_by_both_families(cloud: Cloud):
    """The way there is a route of its own, on the link: no other one changes."""
    guests = {
        "web-1": await settled(await cloud.start("web-1", "10.10.0.20", **six(20))),
        "web-2": await settled(await cloud.start("web-2", "10.10.0.21", **six(21))),
        # Another tenant, with the same addresses.
        "theirs": await settled(await cloud.start("theirs", "10.10.0.20", 4098, **six(20, segment=4098))),
    }
    for uid, stack in guests.items():
        assert await asked(stack, to=ADDRESS6) == (200, uid)
        assert await asked(stack) == (200, uid)
    routes = guests["web-1"].run("ip", "-6", "route").splitlines()
    assert [route.split(" proto")[0] for route in routes if ADDRESS6 in route] == [f"{ADDRESS6} dev eth0"]
    assert not [route for route in routes if route.startswith("default")]
    await cloud.networks.detach("web-1")
    assert await asked(guests["web-2"], to=ADDRESS6) == (200, "web-2")


@pytest.mark.parametrize("mode", ["SLAAC", "DHCPv6"])
async def test_with_ipv6_alone(cloud: Cloud, mode: str):
    stack = await settled(await cloud.start("web-1", "10.10.0.20", **six(20, mode), **ALONE), mode)
    assert await asked(stack, to=ADDRESS6) == (200, "web-1")
    # All of it goes with the agent but who asks is not turned away, and answered by the next one.
    await cloud.another_agent()
    waiting = asyncio.create_task(asked(stack, to=ADDRESS6))
    await asyncio.sleep(0.5)
    assert not waiting.done()
    again = asking("10.10.0.20", 4097, **six(20, mode), **ALONE)
    await cloud.networks.resync({"web-1": ("web-1", [again])})
    assert await waiting == (200, "web-1")


async def test_one_guest_cannot_ask_as_another(cloud: Cloud):
    """Not with another's address, and not with the link-local one, which says less than who it is."""
    await settled(await cloud.start("web-1", "10.10.0.20", **six(20), **ALONE))
    thief = await settled(await cloud.start("web-2", "10.10.0.21", **six(21), **ALONE))
    assert await asked(thief, to=ADDRESS6) == (200, "web-2")
    theirs = str(eui64(IPv6Network(PREFIX), nic(4097, "10.10.0.20").mac_address))
    thief.own("address", "add", f"{theirs}/128", "dev", "eth0", "nodad")
    for source in (theirs, str(link_local(thief.mac))):
        thief.own("route", "replace", f"{ADDRESS6}/128", "dev", "eth0", "src", source, "metric", "1")
        assert await unheard(thief, ADDRESS6), source
    assert cloud.node.dropped(4097, "forged_address") > 0


async def test_one_guest_cannot_read_anothers_answers(cloud: Cloud):
    """Even where the node took it for the other: the answer is dropped."""
    victim = await settled(await cloud.start("web-1", "10.10.0.20", **six(20), **ALONE))
    thief = await settled(await cloud.start("web-2", "10.10.0.21", **six(21), **ALONE))
    assert await asked(victim, to=ADDRESS6) == (200, "web-1")
    theirs = has(victim)[0]
    words = ["ip", "neigh", "replace", theirs, "lladdr", thief.mac, "dev", "brq0", "nud", "permanent"]
    cloud.node.run(*words, inside=4097)
    assert await unheard(victim, ADDRESS6)
    listed = cloud.node.run("nft", "list", "counter", "bridge", "orlop", "foreign_answers", inside=4097)
    assert "packets 0 " not in listed


async def test_nobody_else_answers_there(cloud: Cloud, lab: Lab):
    """Neither a neighbour, nor somebody beyond the overlay; nor is anybody asked from there."""
    node, outside = cloud.node, lab[2]
    victim = await settled(await cloud.start("web-1", "10.10.0.20", **six(20), **ALONE))
    thief = await Speaker.start(cloud.networks, node, "web-2", asking("10.10.0.21", **six(21), **ALONE))
    to, own = has(victim)[0], frames6.link_layer(2, thief.mac)
    thief.wire.send(frames6.discovery(thief.mac, victim.mac, thief.address, to, NA, ADDRESS6, own))
    thief.wire.send(frames6.udp(thief.mac, victim.mac, ADDRESS6, to, (80, 4000), b"forged metadata"))
    assert (node.dropped(4097, "forged_nd"), node.dropped(4097, "forged_address")) == (1, 1)
    outside.run("ip", "link", "add", "vx", "type", "vxlan", "id", "4097", "dstport", "4789",
                "local", "192.0.2.254", "remote", "192.0.2.1")  # fmt: skip
    outside.run("ip", "link", "set", "vx", "up")
    mac, far = "02:00:10:01:00:63", "fd00:10::63"
    sent = {
        "forged_overlay": (
            frames6.udp(mac, victim.mac, ADDRESS6, to, (80, 4000), b"forged metadata"),
            frames6.discovery(mac, victim.mac, far, to, NA, ADDRESS6, frames6.link_layer(2, mac)),
        ),
        "foreign_metadata": (
            frames6.udp(mac, victim.mac, far, ADDRESS6, (4000, 80), b"a question"),
            frames6.discovery(mac, victim.mac, far, to, NS, ADDRESS6, frames6.link_layer(1, mac)),
        ),
    }
    for cause, frames in sent.items():
        before = node.dropped(4097, cause, "vx0")
        for frame in frames:
            outside.run(sys.executable, "-c", _SEND, frame.hex())
        assert node.dropped(4097, cause, "vx0") == before + len(frames), cause
    assert await asked(victim, to=ADDRESS6) == (200, "web-1")


_SEND = """
import socket, sys
made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
made.bind(("vx", 0))
made.send(bytes.fromhex(sys.argv[1]))
"""


async def test_it_answers_though_no_group_lets_out_and_nothing_else_does(cloud: Cloud):
    security = {"security": {"namespace": "demo", "groups": ["uid-shut"]}}
    ordered = asking("10.10.0.20", **six(20), **security, **ALONE)
    await cloud.networks.set_groups("demo", by_uid(group("shut", egress=[])))
    await cloud.networks.set_peers("net-4097", Book.of([port(ordered, cloud.node, "shut")]))
    stack = await settled(await cloud.start("web-1", "10.10.0.20", **six(20), **security, **ALONE))
    assert not stack.pings(GATEWAY, 0.3)
    assert await asked(stack, to=ADDRESS6) == (200, "web-1")
    assert await asyncio.to_thread(stack.connect, ADDRESS6, 22, QUICK) is None
    assert await asyncio.to_thread(stack.connect, GATEWAY, 80, QUICK) is None
    assert ADDRESS not in cloud.node.run("nft", "list", "table", "bridge", "orlop", inside=4097)
