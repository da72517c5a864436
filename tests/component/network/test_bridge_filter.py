"""br_netfilter, there and lacking: nobody in a SecurityGroup goes unjudged, and nobody else loses a packet."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from orlop_agent.network.errors import NetworkError
from orlop_agent.network.node import Node
from support.fakenode import FakeNode
from support.guarded import Cloud
from support.guarding import EVERYBODY, group, guarded
from support.stack import QUICK, Stack

pytestmark = [pytest.mark.component, pytest.mark.timeout(300)]
Lab = tuple[FakeNode, FakeNode, FakeNode]
SEGMENT = 4097
SWITCHES = "/proc/sys/net/bridge"
LETS_PING = group("web", ingress=[{"protocol": "ICMP", "icmpType": "EchoRequest", **EVERYBODY}])
LETS_NOBODY = group("web")


@pytest.fixture
def cloud(lab: Lab) -> Iterator[Cloud]:
    with ExitStack() as close:
        yield Cloud(lab, close)


ENTER = ("nsenter", f"--net=/run/netns/orlop-{SEGMENT}")
"""Another network namespace with the node's mounts; `ip netns exec` would have mounts of its own."""


def lacks(node: FakeNode) -> None:
    """The module's switches are hidden, as where it is not loaded, from the node and in the Network's namespace."""
    for into in ((), ENTER):
        node.run(*into, "mount", "-t", "tmpfs", "tmpfs", SWITCHES)


def modprobe(node: FakeNode, directory: Path, does: str, called: str = "modprobe") -> Path:
    """A stand-in for the node's own, first in its path; each call is in the file that is returned."""
    calls = directory / "calls"
    program = directory / called
    program.write_text(f'#!/bin/sh\necho "$@" >>{calls}\n{does}\n')
    program.chmod(0o755)
    node.shell = [*node.shell, "env", f"PATH={directory}:{os.environ['PATH']}"]
    return calls


def shown(node: FakeNode, segment: int | None) -> str:
    return node.run("cat", f"{SWITCHES}/bridge-nf-call-iptables", inside=segment).strip()


def closed(node: FakeNode) -> str:
    return node.run("nft", "list", "set", "bridge", "orlop_groups", "closed", inside=SEGMENT)


async def test_others_lose_nothing_when_a_guest_gets_its_first_group_and_leaves_its_last(cloud: Cloud):
    """Each time all that is bridged begins to be shown to the rules, or is so no more."""
    await cloud.say(LETS_NOBODY)
    web = await cloud.start("web", 0, 20)
    near = await cloud.start("near", 0, 21)
    other = await cloud.start("other", 0, 22)
    far = await cloud.start("far", 1, 23)
    with ExitStack() as ends:
        asking = [asks_on(ends, near, to.address) for to in (other, far)]
        for _ in range(10):
            await cloud.move("web", "web")
            assert not near.pings(web.address, QUICK)
            await cloud.move("web")
            assert near.pings(web.address)
        for each in asking:
            each.send_signal(signal.SIGINT)
            said, _ = each.communicate(timeout=30)
            counted = re.search(r"(\d+) packets transmitted, (\d+) received", said)
            assert counted, said
            sent, answered = map(int, counted.groups())
            assert sent > 100
            assert answered >= sent - 1, said  # the last one may be on its way


def asks_on(ends: ExitStack, guest: Stack, to: str) -> subprocess.Popen[str]:
    """A hundred times a second, until told to end."""
    asked = [*guest.into, "ping", "-q", "-n", "-i", "0.01", to]
    started = ends.enter_context(subprocess.Popen(asked, stdout=subprocess.PIPE, text=True))
    ends.callback(started.kill)
    return started


async def test_a_guest_whose_first_group_cannot_be_kept_is_cut_off_until_it_can(cloud: Cloud, tmp_path: Path):
    node = cloud.nodes[0]
    calls = modprobe(node, tmp_path, "exit 1")
    cloud.agents[0] = node.networks()
    await cloud.say(LETS_PING)
    web = await cloud.start("web", 0, 20)
    near = await cloud.start("near", 0, 21)
    far = await cloud.start("far", 1, 22)
    assert near.pings(web.address)
    assert far.pings(web.address)
    lacks(node)

    with pytest.raises(NetworkError, match="br_netfilter is not there") as refused:
        await cloud.move("web", "web")
    assert refused.value.reason == "BridgeFilterMissing"
    assert calls.read_text() == "br_netfilter\n"
    # Also what its group would let in, from its own node and from another; the others go on.
    assert not near.pings(web.address)
    assert not web.pings(near.address)
    assert not far.pings(web.address)
    assert near.pings(far.address)
    assert cloud.dropped(0, "denied_unjudged", "bridge") >= 3

    # Once more, and by a new agent: no packet passes in between.
    with pytest.raises(NetworkError):
        await cloud.tell()
    cloud.agents[0] = node.networks()
    await cloud.agents[0].resync(
        {name: (name, [stack.nic]) for name, (stack, at, _) in cloud.guests.items() if at == 0}
    )
    assert not near.pings(web.address)
    await cloud.say(LETS_PING)
    with pytest.raises(NetworkError):
        await cloud.tell()
    assert not near.pings(web.address)

    # Somebody loads it.
    node.run("umount", SWITCHES)
    node.run(*ENTER, "umount", SWITCHES)
    await cloud.tell()
    assert "tap" not in closed(node)
    assert near.pings(web.address)
    assert far.pings(web.address)
    await cloud.say(LETS_NOBODY)
    assert not near.pings(web.address)


async def test_no_guest_starts_in_a_group_where_none_can_be_kept(cloud: Cloud, tmp_path: Path):
    node = cloud.nodes[0]
    modprobe(node, tmp_path, "exit 1")
    cloud.agents[0] = node.networks()
    await cloud.say(LETS_PING)
    near = await cloud.start("near", 0, 21)
    lacks(node)
    with pytest.raises(NetworkError, match="br_netfilter is not there"):
        await cloud.start("web", 0, 20, "web")
    # Who is in none does. The Network's Ports are told all the same, and it is said again.
    other = await Stack.start(cloud.agents[0], node, "other", guarded("10.10.0.22"))
    cloud.also(other)
    assert near.pings(other.address)
    with pytest.raises(NetworkError, match="br_netfilter is not there"):
        await cloud.tell()


async def test_what_can_be_loaded_is_and_changes_nothing_else(cloud: Cloud, tmp_path: Path):
    """A module begins with its switches on everywhere: they are off before anybody's packet is judged by it."""
    node = cloud.nodes[0]
    enter = " ".join(ENTER)
    on = f"for each in {SWITCHES}/bridge-nf-call-*; do echo 1 > $each; done"
    loads = f"umount {SWITCHES}; {enter} umount {SWITCHES}\n{on}; {enter} sh -c '{on}'"
    calls = modprobe(node, tmp_path, loads, "systemctl")
    cloud.agents[0] = node.networks()
    await cloud.say(LETS_NOBODY)
    web = await cloud.start("web", 0, 20)
    near = await cloud.start("near", 0, 21)
    lacks(node)

    # As the agent does at its start: the node's systemd may load modules, the agent may not.
    asked = Node(node.shell, Path(f"/proc/{node.pid}/root/run/netns"), systemd=True)
    await asked.load_bridge_filter()
    assert (shown(node, None), shown(node, SEGMENT)) == ("0", "0")
    await asked.load_bridge_filter()
    assert calls.read_text() == "start modprobe@br_netfilter.service\n"
    assert near.pings(web.address)

    await cloud.move("web", "web")
    assert (shown(node, None), shown(node, SEGMENT)) == ("0", "1")
    assert not near.pings(web.address)


async def test_what_was_not_there_at_the_agents_start_is_loaded_when_a_group_needs_it(
    cloud: Cloud, tmp_path: Path
):
    node = cloud.nodes[0]
    enter = " ".join(ENTER)
    calls = modprobe(node, tmp_path, f"umount {SWITCHES}; {enter} umount {SWITCHES}")
    cloud.agents[0] = node.networks()
    await cloud.say(LETS_NOBODY)
    web = await cloud.start("web", 0, 20)
    near = await cloud.start("near", 0, 21)
    lacks(node)
    await cloud.move("web", "web")
    assert calls.read_text() == "br_netfilter\n"
    assert not near.pings(web.address)
    assert web.pings(near.address)
