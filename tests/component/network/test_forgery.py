"""A guest that pretends to be another: each frame is dropped, counted by its cause, and seen by nobody."""

import time

import pytest

from orlop_agent.network import drops, names
from orlop_agent.network.adapter import Networks
from orlop_agent.network.book import Book
from orlop_api.port import Port
from support import frames
from support.attacks import ATTACKS, SECRET, SILENT, Scene, Who
from support.fakenode import FakeNode, nic
from support.talk import Speaker

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]
Lab = tuple[FakeNode, FakeNode, FakeNode]
SEGMENT = 4097
_PATIENCE = 10.0
GATEWAY = Who("02:00:10:01:00:01", "10.10.0.1")


def _port(speaker: Speaker, node: FakeNode) -> Port:
    return Port.model_validate(
        {
            "metadata": {"name": f"port-{speaker.address}", "namespace": "red", "uid": speaker.address},
            "spec": {"networkRef": {"name": "blue"}},
            "status": {
                "networkUID": f"net-{SEGMENT}", "segmentID": SEGMENT,
                "macAddress": speaker.mac, "addresses": [speaker.address],
                "binding": {
                    "instanceName": "x", "instanceUID": "x", "nodeName": "n", "hostAddress": node.address,
                },
            },
        }
    )  # fmt: skip


def _counts(node: FakeNode, cause: str, tap: str, number: int) -> bool:
    """Whether just so many are dropped, when they are: a frame may wait a little in the kernel."""
    deadline = time.monotonic() + _PATIENCE
    while (found := node.dropped(SEGMENT, cause, tap)) < number and time.monotonic() < deadline:
        time.sleep(0.02)
    return found == number


def _who(speaker: Speaker) -> Who:
    return Who(speaker.mac, speaker.address)


async def _three(lab: Lab) -> tuple[Networks, Speaker, Speaker, Speaker]:
    """The attacker, a victim beside it and one on another node, who know each other by now."""
    first, second, _ = lab
    here, there = first.networks(), second.networks()
    me = await Speaker.start(here, first, "forger", nic(SEGMENT, "10.10.0.20"))
    near = await Speaker.start(here, first, "near", nic(SEGMENT, "10.10.0.21"))
    far = await Speaker.start(there, second, "far", nic(SEGMENT, "10.10.0.22"))
    ports = [_port(me, first), _port(near, first), _port(far, second)]
    for networks in (here, there):
        await networks.set_peers(f"net-{SEGMENT}", Book.of(ports))
    for speaker in (me, near, far):
        # The gateway must know all by now, or its own questions would be among the frames.
        assert speaker.ping("10.10.0.1")
    return here, me, near, far


async def test_forged_frames_reach_nobody(lab: Lab):
    node, *_ = lab
    networks, me, near, far = await _three(lab)
    tap = names.tap("forger", "eth0")
    assert len(ATTACKS) >= 50
    # What other Networks add is in test_forgery6.py, test_ipv6_only.py, test_metadata.py and test_vlans.py.
    others = {"forged_overlay", "forged_nd", "foreign_metadata", "forged_physical", "ipv4"}
    assert {cause for cause, _ in ATTACKS.values()} == drops.CAUSES.keys() - others
    wrong: list[object] = []
    sent: dict[str, int] = {}
    for victim in (near, far):
        scene = Scene(_who(me), _who(victim), GATEWAY, "10.10.0.99")
        for forge in SILENT.values():
            me.wire.send(forge(scene))
        for what, (cause, forge) in ATTACKS.items():
            sent[cause] = sent.get(cause, 0) + 1
            me.wire.send(forge(scene))
            if not _counts(node, cause, tap, sent[cause]):
                wrong.append(what)
            # It is through by now: an honest frame behind it to each says that nothing else is on the way.
            for you in (near, far):
                me.say(you.mac, you.address, 2000, b"honest")
                seen: list[bytes] = []
                assert you.wire.receive(
                    lambda got, seen=seen: b"honest" in got or bool(seen.append(got)), _PATIENCE
                )
                # The gateway asks by itself whether who it knows is still there.
                own = frames.raw_mac(GATEWAY.mac)
                wrong += [(what, got.hex()) for got in seen if got[6:12] != own or SECRET in got]
    assert wrong == []
    (counted,) = await networks.counts()
    of = {each.port: each for each in counted.ports}
    assert of["port-10.10.0.20"].dropped == sent
    assert of["port-10.10.0.20"].namespace == "red"
    assert of["port-10.10.0.21"].dropped == {}
    assert counted.overlay_dropped == {}
    assert of["port-10.10.0.20"].sent_packets >= 3 * len(ATTACKS)
    assert of["port-10.10.0.21"].received_packets >= 2 * len(ATTACKS)
    assert of["port-10.10.0.21"].received_bytes > 100 * len(ATTACKS)


async def test_what_is_for_the_bridge_alone_takes_nobodys_frames(lab: Lab):
    """Linux learns senders of LLDP and LACP before any rule: with the victim's MAC, its frames would go astray."""
    node, *_ = lab
    networks, me, near, _ = await _three(lab)
    third = await Speaker.start(networks, node, "third", nic(SEGMENT, "10.10.0.23"))
    third.say(near.mac, near.address, 2000, b"for near")
    assert near.hears(b"for near")
    scene = Scene(_who(me), _who(near), GATEWAY, "10.10.0.99")
    for last in range(16):
        me.wire.send(scene.to_bridge(last, near.mac))
        third.say(near.mac, near.address, 2000, b"for near")
        assert near.hears(b"for near"), f"after 01:80:c2:00:00:{last:02x}"
    assert not me.hears(b"for near", 0.2)
    # The one to 01:80:c2:00:00:01 (flow control) is the kernel's, which drops it without a word.
    assert _counts(node, "forged_mac", names.tap("forger", "eth0"), 14)
    assert _counts(node, "link_control", names.tap("forger", "eth0"), 1)


async def test_counts_outlive_agents_rules_and_go_with_the_nic(lab: Lab):
    node, *_ = lab
    _, me, near, _ = await _three(lab)
    scene = Scene(_who(me), _who(near), GATEWAY, "10.10.0.99")
    tap = names.tap("forger", "eth0")
    me.wire.send(scene.reply("10.10.0.1"))
    assert _counts(node, "forged_arp", tap, 1)
    again = node.networks()
    orders = {"forger": "10.10.0.20", "near": "10.10.0.21"}
    await again.resync({uid: (uid, [nic(SEGMENT, address)]) for uid, address in orders.items()})
    await Speaker.start(again, node, "third", nic(SEGMENT, "10.10.0.23"))
    me.wire.send(scene.reply("10.10.0.1"))
    assert _counts(node, "forged_arp", tap, 2)
    await again.detach("forger")
    assert node.dropped(SEGMENT, "forged_arp") == 0
    assert names.tap("forger", "eth0") not in node.run("nft", "list", "ruleset", inside=SEGMENT)
    (counted,) = await again.counts()
    assert {each.port for each in counted.ports} == {"port-10.10.0.21", "port-10.10.0.23"}


async def test_an_older_agents_table_is_taken_over(lab: Lab):
    """It counts by name, for all NICs together, and knows less."""
    node, *_ = lab
    _, me, near, _ = await _three(lab)
    node.run("nft", "delete", "table", "bridge", "orlop", inside=SEGMENT)
    node.run("nft", "add", "table", "bridge", "orlop", inside=SEGMENT)
    hook = "type filter hook prerouting priority -300; policy drop;"
    chain = f"chain prerouting {{ {hook} counter name forged_mac drop; }}"
    rules = f"table bridge orlop {{ counter forged_mac {{ }}; {chain}; }}"
    node.run("nft", rules, inside=SEGMENT)
    again = node.networks()
    orders = {"forger": "10.10.0.20", "near": "10.10.0.21"}
    await again.resync({uid: (uid, [nic(SEGMENT, address)]) for uid, address in orders.items()})
    assert "forged_mac" not in node.run("nft", "list", "table", "bridge", "orlop", inside=SEGMENT)
    me.wire.send(Scene(_who(me), _who(near), GATEWAY, "10.10.0.99").reply("10.10.0.1"))
    assert _counts(node, "forged_arp", names.tap("forger", "eth0"), 1)
    assert me.ping("10.10.0.1")


async def test_a_guest_that_runs_is_not_dropped_by_mistake(lab: Lab):
    """What the stack of an ordinary guest sends."""
    _, me, near, _ = await _three(lab)
    node, *_ = lab
    me.wire.send(frames.arp(frames.REQUEST, me.mac, "0.0.0.0", me.address))
    me.wire.send(frames.arp(frames.REQUEST, me.mac, me.address, me.address))
    assert me.ask_dhcp(frames.DISCOVER)
    assert me.ask_dhcp(frames.DHCP_REQUEST, has=me.address)
    # The subnet's broadcast, multicast, a fragment, a router alert (IGMP): all honest.
    data = frames.udp(1000, 2000, b"honest-one")
    scene = Scene(_who(me), _who(near), GATEWAY, "10.10.0.99")
    honest = [
        scene.ip(data, to_mac=frames.BROADCAST, to="10.10.0.255"),
        scene.ip(data, to_mac=frames.BROADCAST, to="255.255.255.255"),
        scene.ip(data, to_mac="01:00:5e:00:00:05", to="224.0.0.5"),
        scene.fragment(frames.udp(1000, 2000, b"honest-one".ljust(24, b"\0")), 0, more=True),
        frames.ipv4(me.mac, near.mac, me.address, near.address, 2, b"honest-one", options=b"\x94\4\0\0"),
        scene.ip(b"honest-one", 132),
    ]
    for number, frame in enumerate(honest):
        me.wire.send(frame)
        assert near.hears(b"honest-one"), number
    assert all(node.dropped(SEGMENT, cause) == 0 for cause in drops.CAUSES)


async def test_a_detached_guest_loses_its_right_to_speak(lab: Lab):
    node, *_ = lab
    networks = node.networks()
    await Speaker.start(networks, node, "leaves", nic(SEGMENT, "10.10.0.20"))
    await Speaker.start(networks, node, "stays", nic(SEGMENT, "10.10.0.21"))
    await networks.detach("leaves")
    rules = node.run("nft", "list", "table", "bridge", "orlop", inside=SEGMENT)
    assert "10.10.0.20" not in rules
    assert networks.tap_name("leaves", "eth0") not in rules
    assert "10.10.0.21" in rules


async def test_nobody_beyond_the_overlay_speaks_as_the_gateway(lab: Lab):
    """A node that was taken over, or somebody on the underlay, sends into the Network."""
    node, *_, outside = lab
    networks = node.networks()
    you = await Speaker.start(networks, node, "victim", nic(SEGMENT, "10.10.0.21"))
    outside.run("ip", "link", "add", "vx", "type", "vxlan", "id", str(SEGMENT), "dstport", "4789",
                "local", "192.0.2.254", "remote", "192.0.2.1")  # fmt: skip
    outside.run("ip", "link", "set", "vx", "address", "02:00:10:01:00:01", "up")
    outside.run("ip", "address", "add", "10.10.0.1/24", "dev", "vx")
    outside.run("ip", "neigh", "replace", you.address, "lladdr", you.mac, "dev", "vx")
    outside.run("ping", "-c", "1", "-W", "1", you.address, check=False)
    assert node.dropped(SEGMENT, "forged_overlay", "vx0") > 0
    (counted,) = await networks.counts()
    assert counted.overlay_dropped["forged_overlay"] > 0
    assert you.wire.receive(lambda frame: frame[6:12] == frames.raw_mac("02:00:10:01:00:01"), 0.2) is None
