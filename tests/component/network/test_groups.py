"""SecurityGroups: packets of real network stacks on one node and on two, by real rules."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from orlop_agent.network import group_rules
from orlop_agent.network.errors import NetworkError
from support.fakenode import FakeNode
from support.guarded import Cloud
from support.guarding import EVERYBODY, group, guarded
from support.stack import QUICK, passes

pytestmark = [pytest.mark.component, pytest.mark.timeout(300)]
Lab = tuple[FakeNode, FakeNode, FakeNode]
SSH = {"protocol": "TCP", "port": 22}


@pytest.fixture
def cloud(lab: Lab) -> Iterator[Cloud]:
    with ExitStack() as close:
        yield Cloud(lab, close)


WEB = group(
    "web", ingress=[{"protocol": "TCP", "port": 80, "endPort": 89, "securityGroupRef": {"name": "app"}}]
)
APP = group(
    "app",
    ingress=[{**SSH, "cidr": "10.10.0.50/32"}, {"protocol": "ICMP", "icmpType": "EchoRequest", **EVERYBODY}],
)
SHUT = group("shut", egress=[{"protocol": "UDP", "port": 53, **EVERYBODY}])


@pytest.mark.parametrize("other", [0, 1], ids=["same node", "other node"])
async def test_what_a_group_allows_passes_and_nothing_else(cloud: Cloud, other: int):
    await cloud.say(WEB, APP, SHUT)
    web = await cloud.start("web", 0, 20, "web")
    app = await cloud.start("app", other, 21, "app")
    stranger = await cloud.start("stranger", other, 22)
    shut = await cloud.start("shut", other, 23, "shut")
    trusted = await cloud.start("trusted", other, 50)
    listeners = {number: web.listen(number) for number in (80, 89, 90)}

    # By remote group, in a range of ports.
    for number in (80, 89):
        made = app.connect(web.address, number)
        assert made
        taken = web.accept(listeners[number])
        assert passes(made, taken)
        assert passes(taken, made)
    assert app.connect(web.address, 90, QUICK) is None
    assert stranger.connect(web.address, 80, QUICK) is None
    assert not app.pings(web.address)
    assert cloud.dropped(0, "denied_ingress") >= 3
    # What has no answer is asked again, also between two looks.
    before = cloud.dropped(0, "denied_ingress")
    (counted,) = await cloud.agents[0].counts()
    assert before <= counted.groups_dropped["denied_ingress"] <= cloud.dropped(0, "denied_ingress")
    assert counted.groups_dropped.keys() == {*group_rules.COUNTERS, *group_rules.BRIDGE_COUNTERS}
    # By address.
    app.listen(22)
    assert trusted.connect(app.address, 22)
    assert stranger.connect(app.address, 22, QUICK) is None
    # By type of ICMP; who lists nothing is free.
    assert web.pings(app.address)
    assert stranger.pings(trusted.address)
    # What goes out.
    assert not shut.pings(app.address)
    assert not shut.pings("10.10.0.1")
    assert not shut.pings("192.0.2.254")
    assert cloud.dropped(other, "denied_egress") >= 3
    server = trusted.socket(socket.SOCK_DGRAM)
    server.bind(("0.0.0.0", 53))
    asked = shut.socket(socket.SOCK_DGRAM)
    asked.sendto(b"who?", (trusted.address, 53))
    word, where = server.recvfrom(100)
    server.sendto(b"me", where)
    assert (word, asked.recv(100)) == (b"who?", b"me")
    # The gateway and the way out, for those that may.
    for guest in (web, app, stranger):
        assert guest.pings("10.10.0.1")
        assert guest.pings("192.0.2.254")


@pytest.mark.parametrize("other", [0, 1], ids=["same node", "other node"])
async def test_a_change_cuts_what_is_not_allowed_any_more_and_nothing_else(cloud: Cloud, other: int):
    both = [{**SSH, **EVERYBODY}, {"protocol": "TCP", "port": 80, **EVERYBODY}]
    await cloud.say(group("web", ingress=both))
    web = await cloud.start("web", 0, 20, "web")
    peer = await cloud.start("peer", other, 21)
    flows = {}
    for number in (22, 80):
        listener = web.listen(number)
        made = peer.connect(web.address, number)
        assert made
        flows[number] = (made, web.accept(listener))
        assert passes(*flows[number])

    await cloud.say(group("web", ingress=[{**SSH, **EVERYBODY}]))

    assert passes(*flows[22])
    assert passes(*reversed(flows[22]))
    # Both directions at once: who answers is not let through for having been asked.
    assert not passes(*flows[80], QUICK)
    assert not passes(*reversed(flows[80]), QUICK)
    # Allowed again, it goes on: TCP had only to wait.
    await cloud.say(group("web", ingress=both))
    assert passes(*flows[80])
    # Another group that allows it takes over, without a pause.
    await cloud.say(group("web", ingress=both), group("new", ingress=[{**SSH, **EVERYBODY}]))
    await cloud.move("web", "new")
    assert passes(*flows[22])
    assert not passes(*flows[80], QUICK)


def first_number(rules: str) -> int:
    """Which ones these are: what they allow bears it."""
    return int(rules.split("ct mark ", 1)[1].split(maxsplit=1)[0], 16)


async def test_a_new_agent_counts_on_from_the_rules_that_it_finds(cloud: Cloud):
    """What older rules allowed bears an older number; whichever agent changes them, it must not pass."""
    await cloud.say(WEB, APP)
    web = await cloud.start("web", 0, 20, "web")
    peer = await cloud.start("peer", 1, 21, "app")
    listener = web.listen(80)
    made = peer.connect(web.address, 80)
    assert made
    accepted = web.accept(listener)
    assert passes(made, accepted)
    before = first_number(cloud.rules(0))
    cloud.agents[0] = cloud.nodes[0].networks()
    await cloud.say(WEB, APP)
    await cloud.tell()
    await cloud.agents[0].resync({"web": ("web", [web.nic])})
    assert first_number(cloud.rules(0)) == before + 1
    assert passes(made, accepted)
    await cloud.move("peer")
    assert first_number(cloud.rules(0)) == before + 2
    assert not passes(made, accepted, QUICK)


async def test_a_member_that_comes_or_goes_is_one_element(cloud: Cloud):
    await cloud.say(WEB, APP)
    web = await cloud.start("web", 0, 20, "web")
    peer = await cloud.start("peer", 1, 21)
    web.listen(80)
    assert peer.connect(web.address, 80, QUICK) is None
    asked: list[str] = []
    agent = cloud.agents[0]
    node = agent._node
    run = node.nft

    async def noted(ruleset: str, *, inside: int | None = None) -> None:
        asked.append(ruleset)
        await run(ruleset, inside=inside)

    node.nft = noted
    await cloud.move("peer", "app")
    # And one more in that it is in a group at all: nobody else passes for it from now on.
    owned = "element bridge orlop_groups owned { 10.10.0.21 }\n"
    number = first_number(asked[0])
    came = f"add element inet orlop_groups of_uid-app {{ 10.10.0.21 }}\nadd {owned}"
    assert asked == [came + group_rules.judged(number)]
    made = peer.connect(web.address, 80)
    assert made
    await cloud.move("peer")
    went = f"delete element inet orlop_groups of_uid-app {{ 10.10.0.21 }}\ndelete {owned}"
    assert asked[1:] == [went + group_rules.judged(number + 1)]
    assert peer.connect(web.address, 80, QUICK) is None


async def test_broadcast_does_not_reach_a_guarded_guest(cloud: Cloud):
    await cloud.say(group("all", ingress=[EVERYBODY]))
    some = await cloud.start("some", 0, 20, "all")
    free = await cloud.start("free", 0, 21)
    loud = await cloud.start("loud", 0, 22)
    heard = {}
    for guest in (some, free):
        heard[guest] = guest.socket(socket.SOCK_DGRAM, QUICK)
        heard[guest].bind(("0.0.0.0", 5000))
    voice = loud.socket(socket.SOCK_DGRAM)
    voice.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    voice.sendto(b"to all", ("10.10.0.255", 5000))
    assert heard[free].recv(100) == b"to all"
    with pytest.raises(TimeoutError):
        heard[some].recv(100)
    assert cloud.dropped(0, "denied_broadcast", "bridge")
    voice.sendto(b"to you", (some.address, 5000))
    assert heard[some].recv(100) == b"to you"


async def test_no_tap_before_its_rules(cloud: Cloud):
    agent, node = cloud.agents[0], cloud.nodes[0]
    nic = guarded("10.10.0.20", "web")
    with pytest.raises(NetworkError, match="not known yet"):
        await agent.prepare("web", "web", [nic])
    await cloud.tell()
    with pytest.raises(NetworkError, match="not known yet"):
        await agent.prepare("web", "web", [nic])
    # A group that is not there allows nothing.
    await cloud.say()
    web = await cloud.start("web", 0, 20, "web")
    peer = await cloud.start("peer", 0, 21)
    assert not peer.pings(web.address)
    assert not web.pings(peer.address)
    await cloud.say(group("web", ingress=[EVERYBODY]))
    assert peer.pings(web.address)
    assert "orlop_groups" in node.run("nft", "list", "tables", inside=4097)


async def test_a_new_agent_leaves_the_rules_until_it_knows_all(cloud: Cloud):
    web_allows = group("web", ingress=[{**SSH, **EVERYBODY}])
    await cloud.say(web_allows)
    web = await cloud.start("web", 0, 20, "web")
    peer = await cloud.start("peer", 0, 21, "web")
    listener = web.listen(22)
    made = peer.connect(web.address, 22)
    assert made
    taken = web.accept(listener)
    denied = cloud.dropped(0, "denied_ingress")
    assert not peer.pings(web.address)
    before = cloud.rules(0)

    new = cloud.agents[0] = cloud.nodes[0].networks()
    wanted = {name: (name, [stack.nic]) for name, (stack, _, _) in cloud.guests.items()}
    await new.resync(wanted)
    assert cloud.rules(0) == before
    assert passes(made, taken)
    assert not peer.pings(web.address)

    # It knows, and has it so again: what nobody wants any more goes, counters stay.
    await cloud.move("peer")
    await cloud.say(web_allows)
    assert cloud.dropped(0, "denied_ingress") > denied
    assert passes(made, taken)
    assert not peer.pings(web.address)
    await new.resync(wanted)
    assert passes(made, taken)

    # Somebody took all of it away.
    cloud.nodes[0].run("nft", "delete", "table", "inet", "orlop_groups", inside=4097)
    assert peer.pings(web.address)
    await new.resync(wanted)
    assert not peer.pings(web.address)
    assert passes(made, taken)


async def test_nothing_is_judged_where_nobody_lists_a_group(cloud: Cloud):
    first = await cloud.start("first", 0, 20)
    second = await cloud.start("second", 0, 21)
    assert first.pings(second.address)
    node = cloud.nodes[0]
    assert node.run("cat", "/proc/sys/net/bridge/bridge-nf-call-iptables", inside=4097) == "0\n"
    assert "orlop_groups" not in node.run("nft", "list", "tables", inside=4097)

    # `default` is made: it is in force at once, and gone when the last Port left it.
    default = group("default", ingress=[{"securityGroupRef": {"name": "default"}}])
    listener = first.listen(80)
    made = second.connect(first.address, 80)
    assert made
    taken = first.accept(listener)
    await cloud.say(default)
    for name in ("first", "second"):
        await cloud.move(name, "default")
    assert passes(made, taken)
    assert first.pings(second.address)
    stranger = await cloud.start("stranger", 0, 22)
    assert not stranger.pings(first.address)
    assert first.pings(stranger.address)
    for name in ("first", "second"):
        await cloud.move(name)
    assert stranger.pings(first.address)
    assert node.run("cat", "/proc/sys/net/bridge/bridge-nf-call-iptables", inside=4097) == "0\n"


async def test_a_guest_that_goes_leaves_no_rule_behind(cloud: Cloud):
    await cloud.say(WEB, APP)
    await cloud.start("web", 0, 20, "web")
    await cloud.start("app", 0, 21, "app", "web")
    del cloud.guests["app"]
    await cloud.agents[0].detach("app")
    await cloud.tell()
    rules = cloud.rules(0)
    assert "10.10.0.21" not in rules
    assert "in_uid-app" not in rules
    assert "in_uid-web" in rules


async def test_what_the_node_begins_with_its_own_guest_is_not_judged(cloud: Cloud):
    await cloud.say(group("shut", egress=()))
    shut = await cloud.start("shut", 0, 20, "shut")
    shut.listen(7)
    node = cloud.nodes[0]
    asked = ["timeout", "5", "bash", "-c", f"exec 3<>/dev/tcp/{shut.address}/7 && echo connected"]
    assert node.run(*asked, inside=4097) == "connected\n"
    assert not shut.pings("10.10.0.1")
