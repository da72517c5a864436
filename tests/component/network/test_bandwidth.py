"""Limits on what NICs carry: measured by what comes through, changed while it flows."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from orlop_agent.network import bandwidth, names
from orlop_agent.network.adapter import Networks
from orlop_agent.network.book import Book
from orlop_api.assignment import AssignedNic
from orlop_api.port import Port
from support import frames
from support.fakenode import FakeNode, nic
from support.talk import Speaker

pytestmark = [pytest.mark.component, pytest.mark.timeout(180)]
Lab = tuple[FakeNode, FakeNode, FakeNode]
SEGMENT = 4097
MEGABIT = 1_000_000
_SIZE = 1000
_WINDOW = 2.0


def _limit(rate: str) -> dict[str, str]:
    return {"bitsPerSecond": rate, "burstBytes": "16Ki"}


def _port(order: AssignedNic, node: FakeNode, qos: dict[str, object] | None) -> Port:
    return Port.model_validate(
        {
            "metadata": {"name": order.port_name, "namespace": "red", "uid": order.port_name},
            "spec": {"networkRef": {"name": "blue"}, "qos": qos},
            "status": {
                "networkUID": order.network_uid, "segmentID": SEGMENT, "macAddress": order.mac_address,
                "addresses": order.addresses,
                "binding": {
                    "instanceName": "x", "instanceUID": "x", "nodeName": "n", "hostAddress": node.address,
                },
            },
        }
    )  # fmt: skip


@contextmanager
def _flood(me: Speaker, you: Speaker) -> Iterator[None]:
    """Far more than any limit here: about 20 Mbit/s."""
    datagram = frames.udp(9, 9, b"flood".ljust(_SIZE - 42, b"."))
    frame = frames.ipv4(me.mac, you.mac, me.address, you.address, frames.UDP, datagram)
    end = threading.Event()

    def send() -> None:
        while not end.wait(0.01):
            for _ in range(25):
                me.wire.send(frame)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def _delivered(node: FakeNode, tap: str) -> tuple[int, float]:
    """Bytes that the kernel put in the guest's queue, and when that was."""
    began = time.monotonic()
    (entry,) = json.loads(node.run("ip", "-j", "-s", "link", "show", tap, inside=SEGMENT))
    return entry["stats64"]["tx"]["bytes"], (began + time.monotonic()) / 2


def _rate(node: FakeNode, you: Speaker, tap: str) -> float:
    """Megabits a second that come, after what may come at once."""
    you.wire.receive(lambda _: False, 0.7)
    before, began = _delivered(node, tap)
    you.wire.receive(lambda _: False, _WINDOW)
    after, ended = _delivered(node, tap)
    return (after - before) * 8 / (ended - began) / MEGABIT


async def _pair(lab: Lab, qos: dict[str, object] | None) -> tuple[Networks, Speaker, Speaker, AssignedNic]:
    node, *_ = lab
    networks = node.networks()
    mine = nic(SEGMENT, "10.10.0.20", qos=qos)
    me = await Speaker.start(networks, node, "me", mine)
    you = await Speaker.start(networks, node, "you", nic(SEGMENT, "10.10.0.21"))
    return networks, me, you, mine


async def _measure(node: FakeNode, me: Speaker, you: Speaker) -> float:
    tap = names.tap("me" if you.address == "10.10.0.20" else "you", "eth0")

    def measured() -> float:
        with _flood(me, you):
            return _rate(node, you, tap)

    return await asyncio.to_thread(measured)


async def _is_limited(node: FakeNode, me: Speaker, you: Speaker, megabits: int) -> None:
    """Never more than that, and just that where this machine lets the flood be one."""
    ratios: list[float] = []
    while len(ratios) < 4:
        ratios.append(await _measure(node, me, you) / megabits)
        assert ratios[-1] <= 1.1
        if ratios[-1] >= 0.9:
            return
    raise AssertionError(ratios)


@pytest.mark.parametrize("direction", ["egress", "ingress"])
async def test_what_passes_follows_the_limit_as_it_changes(lab: Lab, direction: str):
    """Ordered with 2 Mbit/s, raised to 4 and taken away by the Port while it runs."""
    node, *_ = lab
    networks, me, you, order = await _pair(lab, {direction: _limit("2M")})
    sender, receiver = (me, you) if direction == "egress" else (you, me)
    await _is_limited(node, sender, receiver, 2)
    # The other direction is free.
    assert await _measure(node, receiver, sender) > 5
    uid = order.network_uid
    await networks.set_peers(uid, Book.of([_port(order, node, {direction: _limit("4M")})]))
    await _is_limited(node, sender, receiver, 4)
    await networks.set_peers(uid, Book.of([_port(order, node, None)]))
    assert await _measure(node, sender, receiver) > 5
    left = node.run("tc", "qdisc", "show", inside=SEGMENT)
    assert "tbf" not in left
    assert "clsact" not in left
    assert "ifb" not in node.run("ip", "link", inside=SEGMENT)


async def test_what_is_held_back_is_looked_at_as_ever(lab: Lab):
    node, *_ = lab
    _, me, you, _ = await _pair(lab, {"egress": _limit("2M")})
    me.wire.send(frames.arp(frames.REPLY, me.mac, "10.10.0.1", you.address, to=you.mac))
    me.say(you.mac, you.address, 2000, b"honest")
    assert you.hears(b"honest")
    assert node.dropped(SEGMENT, "forged_arp", names.tap("me", "eth0")) == 1
    assert me.ping("10.10.0.1")


async def test_a_new_agent_keeps_the_limits_and_loses_nothing(lab: Lab):
    """The Port says another limit than the order; until the Ports are known, what is there stays."""
    node, *_ = lab
    networks, me, you, order = await _pair(lab, {"egress": _limit("2M"), "ingress": _limit("2M")})
    ports = [_port(order, node, {"egress": _limit("4M"), "ingress": _limit("4M")})]
    await networks.set_peers(order.network_uid, Book.of(ports))
    wanted = {"me": ("me", [order]), "you": ("you", [nic(SEGMENT, "10.10.0.21")])}
    sent = 150

    def heard() -> list[bytes]:
        found = []
        for number in range(sent):
            text = b"number-%03d" % number
            me.say(you.mac, you.address, 2000, text)
            if you.hears(text, 5.0):
                found.append(text)
        return found

    before = node.run("tc", "-j", "qdisc", "show", inside=SEGMENT)
    counting = asyncio.create_task(asyncio.to_thread(heard))
    again = node.networks()
    await again.resync(wanted)
    assert node.run("tc", "-j", "qdisc", "show", inside=SEGMENT) == before
    await again.set_peers(order.network_uid, Book.of(ports))
    await again.resync(wanted)
    assert len(await counting) == sent
    assert node.run("tc", "-j", "qdisc", "show", inside=SEGMENT) == before
    await _is_limited(node, me, you, 4)


async def test_a_guest_that_starts_again_has_its_limits_from_the_first_packet(lab: Lab):
    node, *_ = lab
    networks, me, you, order = await _pair(lab, {"egress": _limit("2M")})
    me.wire.close()
    again = await Speaker.start(networks, node, "me", order)
    await _is_limited(node, again, you, 2)
    again.wire.close()
    await networks.detach("me")
    assert "ifb" not in node.run("ip", "link", inside=SEGMENT)
    # What an agent left behind that was killed between two steps.
    node.run("ip", "link", "add", bandwidth.beside("tap0123456789a"), "type", "ifb", inside=SEGMENT)
    left = node.networks()
    await left.set_peers(order.network_uid, Book.of([]))
    await left.resync({"you": ("you", [nic(SEGMENT, "10.10.0.21")])})
    assert "ifb" not in node.run("ip", "link", inside=SEGMENT)
    await left.detach("you")
    assert node.traces()["namespaces"] == []
