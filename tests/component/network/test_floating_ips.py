"""FloatingIPs: the outside talks to guests by ARP and IP, on two nodes, and to nobody else."""

import re
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from orlop_agent.network.errors import NetworkError
from orlop_agent.network.node import Node
from support.fakenode import NOTHING
from support.floating import Cloud, floating
from support.guarding import group
from support.joined import Lab
from support.routed import HOME, NETWORKS, on
from support.stack import QUICK, passes

pytestmark = [pytest.mark.component, pytest.mark.timeout(300)]
BLUE, GREEN, _ = NETWORKS
ONE, TWO = "192.0.2.64", "192.0.2.65"


@pytest.fixture
def cloud(lab: Lab) -> Iterator[Cloud]:
    with ExitStack() as close:
        yield Cloud(lab, close)


async def test_the_outside_reaches_the_guest_and_hears_it_by_its_floating_address(cloud: Cloud):
    web = await cloud.start("web", 0, on(BLUE, 20))
    other = await cloud.start("other", 0, on(BLUE, 21))
    assert not cloud.pings(ONE, QUICK)
    await cloud.lead(floating(ONE, web.nic), floating(TWO, None))
    assert cloud.pings(ONE)
    assert not cloud.pings(TWO, QUICK)
    listener = web.listen(80)
    made = cloud.connect(ONE, 80)
    assert made
    taken = web.accept(listener)
    # Each sees who it speaks with, translated by nobody on the way.
    assert taken.getpeername()[0] == "192.0.2.254"
    assert made.getpeername()[0] == ONE
    assert passes(made, taken)
    assert passes(taken, made)

    outside = cloud.listen(8000)
    for guest, seen in ((web, ONE), (other, "192.0.2.1")):
        assert guest.connect("192.0.2.254", 8000)
        assert cloud.heard(outside) == seen

    # A new agent changes nothing, before and after it was told.
    await cloud.anew(0)
    assert passes(made, taken)
    assert cloud.pings(ONE)
    await cloud.lead(floating(ONE, web.nic))
    assert passes(taken, made)

    # What goes takes its connections with it, and is nobody's.
    await cloud.lead()
    assert not cloud.pings(ONE, QUICK)
    assert not passes(taken, made, QUICK)
    assert web.connect("192.0.2.254", 8000)
    assert cloud.heard(outside) == "192.0.2.1"
    await cloud.lead(floating(ONE, web.nic))
    for name in ("web", "other"):
        await cloud.end(name)
    assert [node.traces() for node in cloud.nodes] == [NOTHING, NOTHING]
    assert cloud.nodes[0].run("ip", "neigh", "show", "proxy") == ""
    assert cloud.nodes[0].run("ip", "route", "show", "proto", "137") == ""


async def test_it_moves_with_its_guest_and_between_guests_and_neighbours_follow(cloud: Cloud):
    web = await cloud.start("web", 0, on(BLUE, 20))
    there = await cloud.start("there", 1, on(BLUE, 21))
    await cloud.lead(floating(ONE, web.nic))
    assert cloud.pings(ONE)
    assert cloud.known_as(ONE) == cloud.mac(0)

    # To another Port, on the other node: nobody asks again, gratuitous ARP says so.
    await cloud.lead(floating(ONE, there.nic))
    assert cloud.known_as(ONE) == cloud.mac(1)
    assert cloud.pings(ONE)
    listener = there.listen(80)
    assert cloud.connect(ONE, 80)
    there.accept(listener)

    # And with the Port, to where its guest is started next.
    await cloud.end("there")
    assert not cloud.pings(ONE, QUICK)
    again = await cloud.start("there", 0, there.nic)
    assert cloud.known_as(ONE) == cloud.mac(0)
    assert cloud.pings(ONE)

    # Within one Network of one node: what was open with the first guest is not open with the second.
    listener = again.listen(80)
    made = cloud.connect(ONE, 80)
    assert made
    taken = again.accept(listener)
    assert passes(made, taken)
    await cloud.lead(floating(ONE, web.nic))
    assert not passes(taken, made, QUICK)
    assert not passes(made, taken, QUICK)
    assert cloud.pings(ONE)


async def test_ports_let_in_what_they_name_and_nothing_else(cloud: Cloud):
    web = await cloud.start("web", 0, on(BLUE, 20))
    await cloud.lead(floating(ONE, web.nic, [("TCP", 80, 8080), ("UDP", 53, None)]))
    eighty, translated, direct = web.listen(80), web.listen(8080), web.listen(443)
    assert not cloud.pings(ONE, QUICK)
    made = cloud.connect(ONE, 80)
    assert made
    taken = web.accept(translated)
    assert taken.getpeername()[0] == "192.0.2.254"
    assert passes(made, taken)
    assert passes(taken, made)
    assert not cloud.connect(ONE, 8080, QUICK)
    assert not cloud.connect(ONE, 443, QUICK)
    outside = cloud.listen(8000)
    assert web.connect("192.0.2.254", 8000)
    assert cloud.heard(outside) == ONE

    # A port that is taken away ends what was open by it.
    await cloud.lead(floating(ONE, web.nic, [("TCP", 443, None)]))
    assert not passes(made, taken, QUICK)
    assert cloud.connect(ONE, 443)
    web.accept(direct)
    await cloud.lead(floating(ONE, web.nic))
    assert cloud.connect(ONE, 80)
    web.accept(eighty)
    assert cloud.pings(ONE)


async def test_groups_judge_who_is_outside_and_the_port_of_the_guest(cloud: Cloud):
    await cloud.say(group("web"))
    order = on(BLUE, 20, security={"namespace": HOME, "groups": ["uid-web"]})
    web = await cloud.start("web", 0, order, "web")
    await cloud.lead(floating(ONE, web.nic, [("TCP", 80, 8080)]))
    web.listen(8080)
    for rule, allowed in (
        ({"protocol": "TCP", "port": 8080, "cidr": "192.0.2.254/32"}, True),
        ({"protocol": "TCP", "port": 80, "cidr": "0.0.0.0/0"}, False),
        ({"protocol": "TCP", "port": 8080, "cidr": "192.0.2.1/32"}, False),
        ({"protocol": "TCP", "port": 8080, "cidr": "0.0.0.0/0"}, True),
    ):
        await cloud.say(group("web", ingress=[rule]))
        assert bool(cloud.connect(ONE, 80, 3.0 if allowed else QUICK)) == allowed, rule


async def test_guests_reach_each_other_by_it_too(cloud: Cloud):
    web = await cloud.start("web", 0, on(BLUE, 20))
    same = await cloud.start("same", 0, on(BLUE, 21))
    beside = await cloud.start("beside", 0, on(GREEN, 20))
    far = await cloud.start("far", 1, on(GREEN, 21))
    known = [floating(ONE, web.nic)]
    for each in (known, [*known, floating(TWO, same.nic)], [*known, floating(TWO, beside.nic)]):
        await cloud.lead(*each)
        listener = web.listen(80)
        for guest in (same, beside, far, web):
            made = guest.connect(ONE, 80)
            assert made, guest.address
            taken = web.accept(listener)
            assert passes(made, taken)
            assert passes(taken, made)
        listener.close()
    assert not beside.pings(web.address, QUICK)


async def test_nobody_else_speaks_as_it_and_the_node_stays_shut(cloud: Cloud):
    web = await cloud.start("web", 0, on(BLUE, 20))
    await cloud.start("other", 0, on(GREEN, 20))
    await cloud.lead(floating(ONE, web.nic))
    assert cloud.pings(ONE)
    node = cloud.nodes[0]
    cloud.listen(8001, node)
    assert cloud.connect("192.0.2.1", 8001)
    assert not web.connect("192.0.2.1", 8001, QUICK)
    assert not cloud.connect(ONE, 8001, QUICK), "it leads to the guest, and not to its node"
    # From the namespace of another Network, as if its own rules had failed: the node's hold.
    node.run("ip", "address", "add", f"{ONE}/32", "dev", "up0", inside=GREEN)
    node.run("nft", "flush", "chain", "inet", "orlop", "postrouting", inside=GREEN)
    node.run("ping", "-c", "1", "-W", "0.4", "-I", ONE, "192.0.2.254", inside=GREEN, check=False)
    (dropped,) = re.findall(
        r"saddr != @floating counter packets (\d+)", node.run("nft", "list", "table", "inet", "orlop")
    )
    assert int(dropped) == 1
    assert cloud.pings(ONE)
    await cloud.end("other")


async def test_whatever_step_fails_the_next_try_has_it(cloud: Cloud, monkeypatch: pytest.MonkeyPatch):
    web = await cloud.start("web", 0, on(BLUE, 20))
    run, calls, broken = Node._run, 0, -1

    async def failing(self: Node, argv, inside, given):
        nonlocal calls
        calls += 1
        if calls - 1 == broken:
            return 1, "", "no"
        return await run(self, argv, inside, given)

    monkeypatch.setattr(Node, "_run", failing)
    whole = [floating(ONE, web.nic)]
    await cloud.agents[0].set_floating_ips(HOME, whole)
    steps = calls
    assert steps > 4
    for broken in range(steps):
        for known in ([], whole):
            calls = 0
            for _ in range(2):
                try:
                    await cloud.agents[0].set_floating_ips(HOME, known)
                    break
                except NetworkError:
                    calls = 1000
            assert cloud.pings(ONE, QUICK if not known else 2) == bool(known), broken
