"""Metadata asked for by real network stacks of guests, answered by the real confined server."""

import asyncio
import contextlib
import os
import select
import signal
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack

import pytest

from orlop_agent.network import names
from orlop_agent.network.book import Book
from support import frames
from support.fakenode import FakeNode
from support.guarding import by_uid, group, port
from support.known import ADDRESS, KEY, asking
from support.stack import QUICK
from support.talk import Speaker
from support.told import Cloud, asked, unheard

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]
Lab = tuple[FakeNode, FakeNode, FakeNode]


@pytest.fixture
async def cloud(lab: Lab) -> AsyncIterator[Cloud]:
    with ExitStack() as close:
        made = Cloud(lab[0], close)
        yield made
        await made.metadata.stop()


async def test_each_guest_is_told_of_itself(cloud: Cloud):
    guests = {
        "web-1": await cloud.start("web-1", "10.10.0.20"),
        "web-2": await cloud.start("web-2", "10.10.0.21"),
    }
    # Another tenant, with the same addresses.
    guests["theirs"] = await cloud.start("theirs", "10.10.0.20", 4098)
    for uid, stack in guests.items():
        assert await asked(stack) == (200, uid)
        assert await asked(stack, "/latest/meta-data/public-keys/0/openssh-key") == (200, f"{KEY}-{uid}")
        assert await asked(stack, "/latest/user-data") == (200, f"secret of {uid}")
        assert await asked(stack, "/openstack/latest/user_data") == (200, f"secret of {uid}")
        status, said = await asked(stack, "/openstack/latest/meta_data.json")
        assert (status, f'"uuid": "{uid}"' in said) == (200, True)


async def test_tokens_and_refusals(cloud: Cloud):
    stack = await cloud.start("web-1", "10.10.0.20")
    other = await cloud.start("web-2", "10.10.0.21")
    ttl = {"X_aws_ec2_metadata_token_ttl_seconds": "60"}
    status, token = await asked(stack, "/latest/api/token", "PUT", **ttl)
    assert status == 200
    assert await asked(stack, X_aws_ec2_metadata_token=token) == (200, "web-1")
    assert (await asked(other, X_aws_ec2_metadata_token=token))[0] == 401
    assert (await asked(stack, "/latest/api/token", "PUT", X_Forwarded_For="192.0.2.1", **ttl))[0] == 403
    assert (await asked(stack, "/latest/nothing"))[0] == 404
    assert (await asked(stack, "/" + "x" * 9000))[0] == 400
    assert (await asked(stack, X_long="x" * 9000))[0] == 400


async def test_one_guest_cannot_ask_as_another(cloud: Cloud):
    """Not with a forged address, nor with one that its Port's allowed address pairs permit elsewhere."""
    await cloud.start("web-1", "10.10.0.20")
    thief = await cloud.start("web-2", "10.10.0.21", allowed_address_pairs=[{"address": "10.10.0.20"}])
    assert await asked(thief) == (200, "web-2")
    thief.ip("address", "add", "10.10.0.20/32", "dev", "eth0")
    thief.ip("route", "replace", ADDRESS, "via", "10.10.0.1", "src", "10.10.0.20")
    assert await unheard(thief)
    assert cloud.node.dropped(4097, "foreign_metadata") > 0


async def test_one_guest_cannot_read_anothers_answers(cloud: Cloud):
    """Even where it drew the other's address to itself by ARP, as pairs allow: the answer is dropped."""
    victim = await cloud.start("web-1", "10.10.0.20")
    nic = asking("10.10.0.21", allowed_address_pairs=[{"address": "10.10.0.20"}])
    thief = await Speaker.start(cloud.networks, cloud.node, "web-2", nic)
    assert await asked(victim) == (200, "web-1")
    bridge = cloud.node.run("cat", "/sys/class/net/brq0/address", inside=4097).strip()
    cloud.node.run("ip", "neigh", "replace", "10.10.0.20", "lladdr", thief.mac, "dev", "brq0", inside=4097)
    thief.wire.send(frames.arp(frames.REPLY, thief.mac, "10.10.0.20", "10.10.0.1", to=bridge))
    assert await unheard(victim)
    assert not thief.hears(b"\xa9\xfe\xa9\xfe", QUICK)
    listed = cloud.node.run("nft", "list", "counter", "bridge", "orlop", "foreign_answers", inside=4097)
    assert "packets 0 " not in listed


async def test_nobody_else_answers_there(cloud: Cloud, lab: Lab):
    """A guest that may use every address of a range with it, on this node and on another."""
    victim = await cloud.start("web-1", "10.10.0.20")
    nic = asking("10.10.0.21", allowed_address_pairs=[{"address": "169.254.0.0/16"}])
    thief = await Speaker.start(cloud.networks, cloud.node, "web-2", nic)
    thief.wire.send(frames.arp(frames.REPLY, thief.mac, ADDRESS, victim.address, to=victim.mac))
    forged = frames.udp(80, 4000, b"forged metadata")
    thief.wire.send(frames.ipv4(thief.mac, victim.mac, ADDRESS, victim.address, frames.UDP, forged))
    assert cloud.node.dropped(4097, "forged_arp") == 1
    assert cloud.node.dropped(4097, "forged_address") == 1
    assert await asked(victim) == (200, "web-1")


async def test_it_answers_though_no_group_lets_out(cloud: Cloud):
    shut = group("shut", egress=[])
    nic = asking("10.10.0.20", security={"namespace": "demo", "groups": ["uid-shut"]})
    await cloud.networks.set_groups("demo", by_uid(shut))
    await cloud.networks.set_peers("net-4097", Book.of([port(nic, cloud.node, "shut")]))
    stack = await cloud.start("web-1", "10.10.0.20", security={"namespace": "demo", "groups": ["uid-shut"]})
    assert not stack.pings("10.10.0.1", 0.3)
    assert await asked(stack) == (200, "web-1")


async def test_it_answers_where_there_is_no_way_out_and_is_told_by_dhcp(cloud: Cloud):
    nic = asking("10.10.0.20", egress="None")
    guest = await Speaker.start(cloud.networks, cloud.node, "web-1", nic)
    offer = guest.ask_dhcp(frames.DISCOVER)
    assert offer
    assert offer[1][121] == bytes([32, 169, 254, 169, 254, 10, 10, 0, 1])
    # Without DHCP's word some ask on the link itself.
    assert guest.who_has(ADDRESS) == guest.who_has("10.10.0.1")
    assert not guest.ping("192.0.2.254", seconds=0.3)


async def test_only_the_one_port_is_open(cloud: Cloud):
    stack = await cloud.start("web-1", "10.10.0.20")
    assert not stack.pings(ADDRESS, 0.3)
    assert await asyncio.to_thread(stack.connect, ADDRESS, 22, QUICK) is None
    # The gateway's own address has no metadata.
    assert await asyncio.to_thread(stack.connect, "10.10.0.1", 80, QUICK) is None


async def test_where_it_is_disabled_the_nodes_own_is_not_reached(cloud: Cloud, lab: Lab):
    node, _, outside = lab
    outside.run("ip", "address", "add", f"{ADDRESS}/32", "dev", "fabric")
    node.run("ip", "route", "add", f"{ADDRESS}/32", "via", "192.0.2.254")
    on = await cloud.start("web-1", "10.10.0.20")
    off = await cloud.start("web-2", "10.10.0.21", 4098, metadata="Disabled")
    assert "bytes from" in node.run("ping", "-c", "1", "-W", "1", ADDRESS)
    assert not off.pings(ADDRESS, 0.3)
    assert await asyncio.to_thread(off.connect, ADDRESS, 80, QUICK) is None
    assert await asked(on) == (200, "web-1")


async def test_who_asks_while_the_agent_is_away_is_answered_when_it_is_back(cloud: Cloud):
    stack = await cloud.start("web-1", "10.10.0.20")
    assert await asked(stack) == (200, "web-1")
    await cloud.another_agent()
    waiting = asyncio.create_task(asked(stack))
    await asyncio.sleep(0.5)
    assert not waiting.done()
    await cloud.networks.resync({"web-1": ("web-1", [asking("10.10.0.20")])})
    assert await waiting == (200, "web-1")


async def test_a_server_that_was_killed_is_started_again(cloud: Cloud):
    stack = await cloud.start("web-1", "10.10.0.20")
    assert await asked(stack) == (200, "web-1")
    kill_server()
    # What it had taken already is closed, and asked again.
    deadline = time.monotonic() + 60
    said: tuple[int, str] | None = None
    while said is None and time.monotonic() < deadline:
        with contextlib.suppress(ConnectionError):
            said = await asked(stack)
    assert said == (200, "web-1")


async def test_a_guest_that_holds_connections_open_costs_others_nothing(cloud: Cloud):
    greedy = await cloud.start("web-1", "10.10.0.20")
    other = await cloud.start("web-2", "10.10.0.21")
    assert await asked(other) == (200, "web-2")
    held = [await asyncio.to_thread(greedy.connect, ADDRESS, 80) for _ in range(12)]
    assert all(held)
    began = time.monotonic()
    assert await asked(other) == (200, "web-2")
    assert time.monotonic() - began < 3
    # All looked at together: one after the other took so long that the eight ended by their age.
    closed: list[object] = []
    while len(closed) < 4:
        closed, _, _ = await asyncio.to_thread(select.select, held, [], [], QUICK)
        assert closed, "none was closed"
    assert len(closed) == 4


async def test_who_went_is_told_nothing_and_nothing_is_left(cloud: Cloud):
    first = await cloud.start("web-1", "10.10.0.20")
    second = await cloud.start("web-2", "10.10.0.21")
    assert await asked(first) == (200, "web-1")
    await cloud.networks.detach("web-1")
    assert await asked(second) == (200, "web-2")
    # Its address, before another guest has it, is nobody's.
    assert names.namespace(4097) in cloud.node.run("ip", "netns")
    await cloud.networks.detach("web-2")
    left = cloud.node.traces()
    assert (left["namespaces"], left["files"], left["links"]) == ([], [], [])


def kill_server() -> None:
    """The confined program of this process' agent."""
    said = subprocess.run(
        ["pgrep", "-P", str(os.getpid()), "-f", "orlop_agent.metadata.server"],
        capture_output=True,
        text=True,
        check=True,
    )
    (pid,) = map(int, said.stdout.split())
    os.kill(pid, signal.SIGKILL)
