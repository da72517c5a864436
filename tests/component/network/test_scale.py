"""A node with many NICs and Ports of other nodes: what one more costs, at a size and at ten times that.

What programs of the node are told is counted, for it is the same on a machine that is busy; times are shown.
ORLOP_BENCH makes it 1,000 NICs and 20,000 Ports elsewhere.
"""

import os
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from orlop_agent.network.adapter import Networks
from orlop_agent.network.book import Book
from orlop_api.assignment import AssignedNic
from orlop_api.port import Port
from support.fakenode import FakeNode, nic
from support.guarding import EVERYBODY, HOME, by_uid, group

pytestmark = [pytest.mark.component, pytest.mark.timeout(1800)]
LONG = "ORLOP_BENCH" in os.environ
NICS, PEERS = (1000, 20000) if LONG else (40, 800)
TRIES = 15 if LONG else 5
SEGMENT, NETWORK = 4097, "net-4097"
SAME = group("same", ingress=[{"securityGroupRef": {"name": "same"}}], egress=[EVERYBODY])


def order(number: int, name: str = "eth0") -> AssignedNic:
    """In a /15, so that 10.10 has those here and 10.11 those elsewhere."""
    address = f"10.10.{number // 250 + 1}.{number % 250 + 2}"
    security = {"namespace": HOME, "groups": ["uid-same"]}
    return nic(SEGMENT, address, cidr="10.10.0.0/15", gateway="10.10.0.1", security=security, name=name)


def port(of: AssignedNic, host: str, instance: str) -> Port:
    binding = {"instanceName": instance, "instanceUID": instance, "nodeName": "n", "hostAddress": host}
    status = {
        "networkUID": NETWORK, "segmentID": SEGMENT, "macAddress": of.mac_address, "addresses": of.addresses,
        "securityGroups": ["uid-same"], "binding": binding,
    }  # fmt: skip
    meta = {"name": of.port_name, "namespace": HOME}
    return Port.model_validate({"metadata": meta, "spec": {"networkRef": {"name": "blue"}}, "status": status})


def elsewhere(number: int) -> Port:
    """On one of 200 other nodes."""
    address = f"10.11.{number // 250}.{number % 250 + 2}"
    mac = f"02:00:10:02:{number >> 8:02x}:{number & 255:02x}"
    of = nic(SEGMENT, address, cidr="10.10.0.0/15", mac_address=mac)
    return port(of, f"198.51.100.{number % 200 + 1}", f"far-{number}")


class Site:
    """An agent and all that it was told."""

    def __init__(self, node: FakeNode) -> None:
        self.node = node
        self.agent: Networks = node.networks()
        self.book = Book()
        self.nics = 0

    @contextmanager
    def told(self) -> Iterator[list[str]]:
        """What programs of the node are given meanwhile."""
        node, given = self.agent._node, []
        run = node._run

        async def noted(argv: Sequence[str], inside: object, text: str) -> tuple[int, str, str]:
            given.append(text)
            return await run(argv, inside, text)

        node._run = noted
        try:
            yield given
        finally:
            node._run = run

    def comes(self, uid: str = "", name: str = "eth0") -> tuple[str, AssignedNic]:
        """The next NIC, of an Instance of its own where none is named, and its Port."""
        self.nics += 1
        uid, made = uid or f"near-{self.nics}", order(self.nics, name)
        self.book.put(port(made, self.node.address, uid))
        return uid, made

    async def local(self) -> float:
        """Seconds for one more here, from its order to when it may speak."""
        uid, made = self.comes()
        began = time.monotonic()
        await self.agent.prepare(uid, uid, [made])
        await self.agent.plug(uid, [made])
        await self.agent.set_peers(NETWORK, self.book)
        return time.monotonic() - began

    async def remote(self, number: int) -> float:
        began = time.monotonic()
        self.book.put(elsewhere(number))
        await self.agent.set_peers(NETWORK, self.book)
        return time.monotonic() - began


def memory() -> float:
    """MiB of this process (proc_pid_status(5))."""
    text = Path("/proc/self/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0]) / 1024


async def one_more(site: Site, first: int) -> list[float]:
    """Milliseconds and bytes told: here, and elsewhere. Not of the first: a new agent asks, and says all."""
    await site.local()
    await site.remote(first)
    with site.told() as here:
        local = [await site.local() for _ in range(TRIES)]
    with site.told() as there:
        remote = [await site.remote(first + 1 + n) for n in range(TRIES)]
    times = (statistics.median(each) * 1000 for each in (local, remote))
    return [*times, *(sum(map(len, each)) // TRIES for each in (here, there))]


async def grown(node: FakeNode, nics: int, peers: int) -> list[float]:
    """A row: sizes, seconds for the first apply, seconds of a new agent, milliseconds for one more, MiB.

    All but those are NICs of one Instance: what the node is told is the same, at once instead of one by one.
    """
    had, site = memory(), Site(node)
    orders = [site.comes("many", f"nic{number}")[1] for number in range(nics)]
    for number in range(peers):
        site.book.put(elsewhere(number))
    began = time.monotonic()
    await site.agent.set_groups(HOME, by_uid(SAME))
    await site.agent.set_peers(NETWORK, site.book)
    await site.agent.prepare("many", "many", orders)
    await site.agent.plug("many", orders)
    first = time.monotonic() - began
    began = time.monotonic()
    site.agent = node.networks()
    await site.agent.set_groups(HOME, by_uid(SAME))
    await site.agent.set_peers(NETWORK, site.book)
    await site.agent.resync({"many": ("many", orders)})
    anew = time.monotonic() - began
    return [nics, peers, first, anew, *await one_more(site, peers), memory() - had]


async def test_one_more_costs_the_same_on_a_node_with_ten_times_as_many(lab, show_table):
    few = await grown(lab[0], NICS // 10, PEERS // 10)
    many = await grown(lab[1], NICS, PEERS)
    names = ("NICs", "elsewhere", "first s", "new agent s", "one more here ms", "elsewhere ms",
             "here bytes", "elsewhere bytes", "MiB")  # fmt: skip
    show_table("a node with few and with many Ports", names, [few, many])
    # An address more may have a digit more.
    assert 0 < many[6] < 1.1 * few[6]
    assert 0 < many[7] < 1.1 * few[7]
