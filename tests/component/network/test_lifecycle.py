"""From the first NIC to the last: nothing is left, nothing foreign is touched, any step may fail."""

import asyncio

import pytest

from orlop_agent.network import names
from orlop_agent.network.adapter import Networks
from orlop_agent.network.errors import NetworkError
from orlop_agent.network.node import Node
from support import frames
from support.fakenode import NOTHING, FakeNode, Wire, nic
from support.talk import Speaker

pytestmark = [pytest.mark.component, pytest.mark.timeout(120)]
Lab = tuple[FakeNode, FakeNode, FakeNode]


@pytest.mark.parametrize("restarted", [False, True], ids=["same agent", "new agent"])
async def test_detach_leaves_nothing(lab: Lab, restarted: bool):
    node, *_ = lab
    networks = node.networks()
    nics = [nic(4097, "10.10.0.20"), nic(4098, "10.10.0.20", name="eth1", egress="None", dhcp="Disabled")]
    await networks.prepare("web-1", "web-1", nics)
    wires = [Wire(node, networks.tap_name("web-1", each.name)) for each in nics]
    await networks.plug("web-1", nics)
    for wire in wires:
        wire.close()
    if restarted:
        networks = node.networks()
    await networks.detach("web-1")
    assert node.traces() == NOTHING
    await networks.detach("web-1")


async def test_detach_before_plug_leaves_nothing(lab: Lab):
    node, *_ = lab
    networks = node.networks()
    await networks.prepare("web-1", "web-1", [nic(4097, "10.10.0.20")])
    await networks.detach("web-1")
    assert node.traces() == NOTHING


async def test_every_step_twice(lab: Lab):
    node, *_ = lab
    networks = node.networks()
    order = nic(4097, "10.10.0.20")
    await networks.prepare("web-1", "web-1", [order])
    await networks.prepare("web-1", "web-1", [order])
    guest = Speaker(Wire(node, networks.tap_name("web-1", "eth0")), order)
    await networks.plug("web-1", [order])
    await networks.plug("web-1", [order])
    assert guest.ping("10.10.0.1")
    # The guest runs: to prepare it again changes nothing, whoever does it.
    await networks.prepare("web-1", "web-1", [order])
    await node.networks().prepare("web-1", "web-1", [order])
    assert guest.ping("10.10.0.1")
    assert "tap" not in " ".join(node.traces()["links"])


async def test_a_guest_that_ended_is_prepared_anew(lab: Lab):
    node, *_ = lab
    networks = node.networks()
    order = nic(4097, "10.10.0.20")
    for agent in (networks, networks, node.networks()):
        guest = await Speaker.start(agent, node, "web-1", order)
        assert guest.ping("10.10.0.1")
        guest.wire.close()
    await networks.detach("web-1")
    assert node.traces() == NOTHING


class Fault:
    """Lets the agent's n-th command on the node fail, after it was done or instead."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.countdown = -1
        self.done_anyway = False
        original = Node._run

        async def faulty(node: Node, *arguments: object) -> tuple[int, str, str]:
            self.countdown -= 1
            if self.countdown == 0:
                if self.done_anyway:
                    await original(node, *arguments)  # type: ignore[arg-type]
                raise NetworkError("Killed", "the agent was killed here")
            return await original(node, *arguments)  # type: ignore[arg-type]

        monkeypatch.setattr(Node, "_run", faulty)


async def _through(networks: Networks, node: FakeNode, uid: str) -> None:
    order = nic(4097, "10.10.0.20" if uid == "first" else "10.10.0.21")
    await networks.prepare(uid, uid, [order])
    wire = Wire(node, networks.tap_name(uid, "eth0"))
    try:
        await networks.plug(uid, [order])
    finally:
        # A paused domain whose NICs cannot be plugged is destroyed.
        wire.close()
    await networks.detach(uid)


@pytest.mark.parametrize(
    ("done_anyway", "restarted"),
    [(False, False), (True, True)],
    ids=["a command was refused", "the agent was killed after a command"],
)
async def test_a_failure_anywhere_is_made_good(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, done_anyway: bool, restarted: bool
):
    """The n-th command fails, for each n until there is none; then all is done again and works."""
    node, *_ = lab
    fault = Fault(monkeypatch)
    fault.done_anyway = done_anyway
    networks = node.networks()
    unnoticed = 0
    for number in range(1, 60):
        fault.countdown = number
        try:
            await _through(networks, node, "first")
        except NetworkError as error:
            assert error.reason == "Killed"  # noqa: PT017 - not failing ends the loop
        else:
            if fault.countdown > 0:
                break
            unnoticed += 1
        fault.countdown = -1
        if restarted:
            networks = node.networks()
        await _through(networks, node, "first")
        assert node.traces() == NOTHING, number
    assert number > 10
    # The DHCP server's start, which is tried again before the guest runs.
    assert unnoticed <= 1


async def test_resync_removes_what_nobody_wants(lab: Lab):
    node, *_ = lab
    networks = node.networks()
    stays = await Speaker.start(networks, node, "stays", nic(4097, "10.10.0.20"))
    await Speaker.start(networks, node, "goes", nic(4097, "10.10.0.21"))
    await Speaker.start(networks, node, "alone", nic(4099, "10.10.0.21"))
    # As if records were lost, and a tap that was made and never plugged.
    lost = networks.tap_name("lost", "eth0")
    node.run("ip", "tuntap", "add", lost, "mode", "tap")
    node.run("ip", "link", "set", lost, "alias", names.alias("lost"))
    node.run("ip", "netns", "add", "orlop-5000")

    await node.networks().resync({"stays": ("stays", [nic(4097, "10.10.0.20")])})

    traces = node.traces()
    assert traces["namespaces"][0] == "orlop-4097"
    assert [link.split("@")[0] for link in traces["links"]] == ["orlop-4097"]
    assert len(traces["servers"]) == 1
    assert names.tap("goes", "eth0") not in node.run("ip", "link", inside=4097)
    assert stays.ping("10.10.0.1")


async def test_resync_leaves_alone_what_is_not_ours(lab: Lab):
    node, *_ = lab
    node.run("ip", "netns", "add", "cni-1234")
    node.run("ip", "tuntap", "add", "tap0123456789a", "mode", "tap")
    node.run("ip", "link", "add", "br-foreign", "type", "bridge")
    node.run("nft", "add", "table", "inet", "foreign")
    (node.run_dir / "net" / "notes").mkdir(parents=True)
    before = node.traces()
    networks = node.networks()
    await networks.resync({})
    await Speaker.start(networks, node, "web-1", nic(4097, "10.10.0.20"))
    await networks.resync({})
    assert node.traces() == before


async def test_resync_rebuilds_what_is_missing(lab: Lab):
    node, *_ = lab
    networks = node.networks()
    order = nic(4097, "10.10.0.20")
    guest = await Speaker.start(networks, node, "web-1", order)
    tap = networks.tap_name("web-1", "eth0")
    node.run("nft", "flush", "ruleset", inside=4097)
    node.run("nft", "delete", "table", "inet", "orlop")
    node.run("ip", "link", "delete", "orlop-4097")
    node.run("ip", "link", "set", tap, "nomaster", inside=4097)
    node.run("ip", "link", "delete", "vx0", inside=4097)
    await networks.resync({"web-1": ("web-1", [order])})
    assert guest.ping("192.0.2.254")
    guest.wire.send(frames.arp(frames.REQUEST, "02:00:10:01:00:63", "10.10.0.99", "10.10.0.1"))
    assert node.dropped(4097, "forged_mac") > 0
    assert "vx0" in node.run("ip", "link", inside=4097)


async def test_resync_interrupts_nobody(lab: Lab):
    node, *_ = lab
    networks = node.networks()
    order = nic(4097, "10.10.0.20")
    guest = await Speaker.start(networks, node, "web-1", order)
    assert guest.ping("192.0.2.254")
    wanted = {"web-1": ("web-1", [order])}
    repeated = asyncio.create_task(_resync_often(node.networks(), wanted))
    answers = [await asyncio.to_thread(guest.ping, "192.0.2.254") for _ in range(100)]
    await repeated
    assert answers == [True] * 100


async def _resync_often(networks: Networks, wanted: dict[str, tuple[str, list[object]]]) -> None:
    for _ in range(3):
        await networks.resync(wanted)  # type: ignore[arg-type]


async def test_an_instance_prepared_meanwhile_survives_an_older_view(lab: Lab):
    node, *_ = lab
    networks = node.networks()
    order = nic(4097, "10.10.0.20")
    await asyncio.gather(networks.resync({}), networks.prepare("new", "new", [order]))
    assert networks.tap_name("new", "eth0") in " ".join(node.traces()["links"])


async def test_many_at_once(lab: Lab):
    node, *_ = lab
    networks = node.networks()
    orders = {f"web-{low}": nic(4097 + low % 3, f"10.10.0.{low}") for low in range(20, 32)}
    speakers = await asyncio.gather(
        *(Speaker.start(networks, node, uid, order) for uid, order in orders.items())
    )
    assert all(speaker.ping("10.10.0.1") for speaker in speakers)
    await asyncio.gather(*map(networks.detach, orders))
    assert node.traces() == NOTHING


async def test_values_that_are_none_of_their_kind_reach_no_command(lab: Lab):
    node, *_ = lab
    networks = node.networks()
    bad = [
        ("web\ndhcp-script=/bin/sh", nic(4097, "10.10.0.20")),
        ("web-1", nic(4097, "10.10.0.20", addresses=["10.0.0.2\nflush"])),
        ("web-1", nic(4097, "10.10.0.20", dns=["1.1.1.1,3"])),
        ("web-1", nic(4097, "10.10.0.20", gateway="10.10.0.1; exit")),
    ]
    for hostname, order in bad:
        with pytest.raises(NetworkError) as raised:
            await networks.prepare("uid", hostname, [order])
        assert raised.value.reason == "InvalidNIC"
    assert node.traces() == NOTHING


async def test_one_bad_order_stops_nobodys_repair(lab: Lab):
    node, *_ = lab
    networks = node.networks()
    good, other = nic(4097, "10.10.0.20"), nic(4097, "10.10.0.21")
    guest = await Speaker.start(networks, node, "good", good)
    bad = await Speaker.start(networks, node, "bad", other)
    node.run("nft", "flush", "ruleset", inside=4097)
    with pytest.raises(NetworkError):
        await networks.resync({"bad": ("not a name", [other]), "good": ("good", [good])})
    assert guest.ping("192.0.2.254")
    assert bad.ping("10.10.0.1")


async def test_a_name_without_a_namespace_is_made_anew(lab: Lab):
    """What an `ip netns` leaves that is killed between its two steps."""
    node, *_ = lab
    networks = node.networks()
    order = nic(4097, "10.10.0.20")
    node.run("touch", f"/run/netns/{names.namespace(4097)}")
    await networks.prepare("web-1", "web-1", [order])
    guest = Speaker(Wire(node, networks.tap_name("web-1", "eth0")), order)
    await networks.plug("web-1", [order])
    assert guest.ping("10.10.0.1")


@pytest.mark.parametrize("step", ["detach", "resync"])
async def test_what_had_a_namespace_goes_without_one(lab: Lab, step: str):
    """The same, of an agent that was killed while it took the namespace away."""
    node, *_ = lab
    await node.networks().prepare("web-1", "web-1", [nic(4097, "10.10.0.20")])
    name = names.namespace(4097)
    node.run("ip", "netns", "delete", name)
    node.run("touch", f"/run/netns/{name}")
    networks = node.networks()
    if step == "detach":
        await networks.detach("web-1")
    else:
        await networks.resync({})
    assert node.traces() == NOTHING
