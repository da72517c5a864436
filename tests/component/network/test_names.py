"""Names within a Network, asked for by a guest of the real server."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from orlop_agent.network.book import Book
from orlop_api.assignment import AssignedNic
from orlop_api.port import Port
from support import frames
from support.fakenode import FakeNode, nic
from support.questions import CHAOS, NO_ERROR, NO_SUCH_NAME, REFUSED, TXT, Answer, question, reverse
from support.talk import Speaker

pytestmark = [pytest.mark.component, pytest.mark.timeout(60)]
Lab = tuple[FakeNode, FakeNode, FakeNode]
GATEWAY = "10.10.0.1"


def named(address: str, **fields: Any) -> AssignedNic:
    """A NIC on a Network whose gateway knows names."""
    fields = {"dns": [GATEWAY], "domain": "lab.example", "network_namespace": "demo"} | fields
    return nic(4097, address, **fields)


def port(order: AssignedNic, node: FakeNode, instance: str, namespace: str = "demo") -> Port:
    binding = {"instanceName": instance, "instanceUID": "x", "nodeName": "x", "hostAddress": node.address}
    status = {"macAddress": order.mac_address, "addresses": order.addresses, "binding": binding}
    metadata = {"name": f"{instance}-eth0", "namespace": namespace, "uid": order.addresses[0]}
    return Port.model_validate(
        {"metadata": metadata, "spec": {"networkRef": {"name": "b"}}, "status": status}
    )


async def until(ask: Callable[[], Answer | None], wanted: Answer) -> None:
    """dnsmasq sees a file when the kernel tells it."""
    deadline = time.monotonic() + 5
    while (said := ask()) != wanted:
        assert time.monotonic() < deadline, said
        await asyncio.sleep(0.05)


async def test_the_networks_instances_are_known_on_every_node(lab: Lab):
    first, second, _ = lab
    here, there = named("10.10.0.20"), named("10.10.0.21")
    agents = first.networks(), second.networks()
    ports = [port(here, first, "web-1"), port(there, second, "web-2")]
    guests = [
        await Speaker.start(agents[0], first, "web-1", here),
        await Speaker.start(agents[1], second, "web-2", there),
    ]
    for agent, guest in zip(agents, guests, strict=True):
        await agent.set_peers("net-4097", Book.of(ports))
        for name, address in (("web-1", "10.10.0.20"), ("web-2", "10.10.0.21")):
            for form in (f"{name}.lab.example", f"{name}.demo.lab.example", name, f"{name}.LAB.example"):
                await until(lambda g=guest, f=form: g.ask_dns(question(f)), Answer(NO_ERROR, (address,)))
            assert guest.ask_dns(reverse(address)) == Answer(NO_ERROR, (f"{name}.lab.example",))
        assert guest.ask_dns(question("web-3.lab.example")) == Answer(NO_SUCH_NAME)
        assert guest.ask_dns(question("web-3")) == Answer(NO_SUCH_NAME)
        assert guest.ask_dns(reverse("10.10.0.22")) == Answer(NO_SUCH_NAME)


async def test_the_guest_is_told_of_the_gateway_and_the_domain(lab: Lab):
    node, *_ = lab
    guest = await Speaker.start(node.networks(), node, "web-1", named("10.10.0.20"))
    offer = guest.ask_dhcp(frames.DISCOVER)
    assert offer
    assert offer[1][6] == bytes([10, 10, 0, 1])
    assert offer[1][15] == b"lab.example"


async def test_names_come_and_go_while_both_servers_run_on(lab: Lab):
    node, *_ = lab
    networks = node.networks()
    orders = [named(f"10.10.0.{n}") for n in (20, 21)]
    guest = await Speaker.start(networks, node, "web-1", orders[0])
    ports = [port(order, node, f"web-{n}") for n, order in enumerate(orders, 1)]
    servers = node.dhcp_server(), node.name_server()
    confirmed = guest.ask_dhcp(frames.DHCP_REQUEST, options=frames.requested("10.10.0.20"))
    assert confirmed
    ask = lambda name: lambda: guest.ask_dns(question(f"{name}.lab.example"))  # noqa: E731

    book = Book.of(ports)
    await networks.set_peers("net-4097", book)
    await until(ask("web-2"), Answer(NO_ERROR, ("10.10.0.21",)))
    # The address goes to another Instance.
    book.replace([ports[0], port(orders[1], node, "web-3")])
    await networks.set_peers("net-4097", book)
    await until(ask("web-3"), Answer(NO_ERROR, ("10.10.0.21",)))
    await until(ask("web-2"), Answer(NO_SUCH_NAME))
    book.replace(ports[:1])
    await networks.set_peers("net-4097", book)
    await until(ask("web-3"), Answer(NO_SUCH_NAME))
    book.replace([])
    await networks.set_peers("net-4097", book)
    await until(ask("web-1"), Answer(NO_SUCH_NAME))

    assert (node.dhcp_server(), node.name_server()) == servers
    renewed = guest.ask_dhcp(frames.DHCP_REQUEST, has="10.10.0.20")
    assert renewed
    assert renewed[1][53] == bytes([frames.ACK])


async def test_a_new_agent_leaves_the_server_and_its_names_alone(lab: Lab):
    node, *_ = lab
    order = named("10.10.0.20")
    guest = await Speaker.start(node.networks(), node, "web-1", order)
    await (agent := node.networks()).resync({"web-1": ("web-1", [order])})
    await agent.set_peers("net-4097", Book.of([port(order, node, "web-1")]))
    known = Answer(NO_ERROR, ("10.10.0.20",))
    await until(lambda: guest.ask_dns(question("web-1.lab.example")), known)
    before = node.name_server()
    await (agent := node.networks()).resync({"web-1": ("web-1", [order])})
    # It has not heard of the Ports yet.
    assert guest.ask_dns(question("web-1.lab.example")) == known
    assert node.name_server() == before


async def test_a_name_cannot_be_taken_by_whom_the_network_is_lent_to(lab: Lab):
    node, *_ = lab
    networks = node.networks()
    order, stranger = named("10.10.0.20"), named("10.10.0.66")
    guest = await Speaker.start(networks, node, "web-1", order)
    ports = [port(order, node, "web-1"), port(stranger, node, "web-1", "guest")]
    await networks.set_peers("net-4097", Book.of(ports))
    theirs = Answer(NO_ERROR, ("10.10.0.66",))
    await until(lambda: guest.ask_dns(question("web-1.guest.lab.example")), theirs)
    for name in ("web-1", "web-1.lab.example", "web-1.demo.lab.example"):
        assert guest.ask_dns(question(name)) == Answer(NO_ERROR, ("10.10.0.20",))


def upstream(outside: FakeNode) -> None:
    """A server outside, that would lie about the Network's own names. It ends with the node."""
    outside.run(
        "dnsmasq", "--conf-file=/dev/null", f"--pid-file={outside.run_dir}/outside.pid", "--user=root",
        "--listen-address=192.0.2.254", "--bind-interfaces", "--no-resolv", "--no-hosts",
        "--address=/example.org/198.51.100.7", "--address=/lab.example/198.51.100.66",
        "--ptr-record=99.0.10.10.in-addr.arpa,lies.example.org", "--address=/plain/198.51.100.66",
    )  # fmt: skip


async def test_other_names_are_asked_of_the_other_servers(lab: Lab):
    node, _, outside = lab
    upstream(outside)
    guest = await Speaker.start(
        node.networks(), node, "web-1", named("10.10.0.20", dns=[GATEWAY, "192.0.2.254"])
    )
    assert guest.ask_dns(question("www.example.org")) == Answer(NO_ERROR, ("198.51.100.7",))
    # What is the Network's own is asked of nobody.
    for own in (
        question("web-9.lab.example"),
        question("lab.example"),
        question("plain"),
        reverse("10.10.0.99"),
    ):
        said = guest.ask_dns(own)
        assert said is not None
        assert said.found == ()
    # The guest could have asked by itself.
    assert guest.ask_dns(question("www.example.org"), at="192.0.2.254") == Answer(NO_ERROR, ("198.51.100.7",))


async def test_without_a_way_out_nobody_else_is_asked(lab: Lab):
    node, _, outside = lab
    upstream(outside)
    order = named("10.10.0.20", dns=[GATEWAY, "192.0.2.254"], egress="None")
    guest = await Speaker.start(node.networks(), node, "web-1", order)
    assert guest.ask_dns(question("www.example.org")) == Answer(REFUSED)


async def test_it_answers_the_networks_guests_and_nobody_else(lab: Lab):
    node, _, outside = lab
    upstream(outside)
    networks = node.networks()
    order = named("10.10.0.20", dns=[GATEWAY, "192.0.2.254"])
    guest = await Speaker.start(networks, node, "web-1", order)
    assert guest.ask_dns(question("www.example.org")) == Answer(NO_ERROR, ("198.51.100.7",))
    # Says nothing about itself.
    version = guest.ask_dns(question("version.bind", TXT, of=CHAOS))
    assert version is not None
    assert version.found == ()
    # The gateway's other address is no server, for the guest and for the node.
    assert guest.ask_dns(question("www.example.org"), at="169.254.64.1", seconds=0.5) is None
    outside.run("ip", "route", "add", "10.10.0.0/24", "via", "192.0.2.1")
    node.run("ip", "route", "add", "10.10.0.0/24", "via", "169.254.64.1")
    assert asked(outside, "192.0.2.254") == "12"
    for asker, server in ((node, GATEWAY), (node, "169.254.64.1"), (outside, GATEWAY)):
        assert asked(asker, server) == "nothing", (asker.address, server)
    # Another source than the NIC's own never gets as far.
    gateway = guest.who_has(GATEWAY)
    assert gateway
    datagram = frames.udp(4000, 53, question("www.example.org"))
    guest.wire.send(frames.ipv4(guest.mac, gateway, "192.0.2.254", GATEWAY, frames.UDP, datagram))
    assert node.dropped(4097, "forged_address") == 1


async def test_a_gateway_that_is_not_listed_answers_no_questions(lab: Lab):
    node, *_ = lab
    guest = await Speaker.start(node.networks(), node, "web-1", nic(4097, "10.10.0.20"))
    assert guest.ping(GATEWAY)
    assert guest.ask_dns(question("web-1"), seconds=0.5) is None
    assert len(node.traces()["servers"]) == 1


async def test_it_answers_where_dhcp_is_disabled_and_goes_with_the_network(lab: Lab):
    node, *_ = lab
    networks = node.networks()
    order = named("10.10.0.20", dhcp="Disabled")
    guest = await Speaker.start(networks, node, "web-1", order)
    await networks.set_peers("net-4097", Book.of([port(order, node, "web-1")]))
    await until(lambda: guest.ask_dns(question("web-1")), Answer(NO_ERROR, ("10.10.0.20",)))
    guest.wire.close()
    await networks.detach("web-1")
    assert (node.traces()["servers"], node.traces()["files"]) == ([], [])


def asked(node: FakeNode, server: str) -> str:
    """What is answered to a socket of the node itself."""
    said = node.run(
        "timeout", "1", "bash", "-c",
        f"exec 3<>/dev/udp/{server}/53; printf '{_escaped(question('www.example.org'))}' >&3;"
        " head -c 12 <&3 | wc -c",
        check=False,
    )  # fmt: skip
    return "nothing" if said.strip() in {"", "0"} else said.strip()


def _escaped(message: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in message)
