"""What a guest is told by DHCP, and that it is told so whatever happens to the server."""

import os
import signal

import pytest

from orlop_agent.network.adapter import Networks
from support import frames
from support.fakenode import FakeNode, Wire, nic
from support.talk import Speaker

pytestmark = [pytest.mark.component, pytest.mark.timeout(60)]
Lab = tuple[FakeNode, FakeNode, FakeNode]


async def test_offers_what_the_order_says(lab: Lab):
    node, *_ = lab
    order = nic(4097, "10.10.0.20", dns=["192.0.2.53", "10.10.0.1"], mtu=1400)
    guest = await Speaker.start(node.networks(), node, "web-1", order)

    offer = guest.ask_dhcp(frames.DISCOVER)
    assert offer
    address, options = offer
    assert address == "10.10.0.20"
    assert options[53] == bytes([frames.OFFER])
    assert options[1] == bytes([255, 255, 255, 0])
    assert options[3] == bytes([10, 10, 0, 1])
    # The gateway asks the other server: the guest is not told of that.
    assert options[6] == bytes([10, 10, 0, 1])
    assert options[15] == b"orlop.internal"
    assert options[12] == b"web-1"
    assert options[26] == (1400).to_bytes(2, "big")
    assert int.from_bytes(options[51], "big") == 3600

    confirmed = guest.ask_dhcp(frames.DHCP_REQUEST, options=frames.requested("10.10.0.20"))
    assert confirmed
    assert confirmed[1][53] == bytes([frames.ACK])


async def test_offers_what_the_subnet_has_its_guests_told(lab: Lab):
    node, *_ = lab
    order = nic(
        4097, "10.10.0.20", dns=["10.10.0.1"], domain="lab.example", search=["example.org", "corp.lab.example"],
        ntp=["192.0.2.1", "10.10.0.9"],
        routes=[
            {"destination": "10.20.0.0/15", "via": "10.10.0.9"}, {"destination": "192.0.2.7/32", "via": "10.10.0.8"},
        ],
    )  # fmt: skip
    guest = await Speaker.start(node.networks(), node, "web-1", order)
    offer = guest.ask_dhcp(frames.DISCOVER)
    assert offer
    options = offer[1]
    assert options[15] == b"lab.example"
    assert options[42] == bytes([192, 0, 2, 1, 10, 10, 0, 9])
    # RFC 3442: width, the octets that count, router; the gateway's way among them, or the guest would have none.
    to_lab, to_host = bytes([15, 10, 20, 10, 10, 0, 9]), bytes([32, 192, 0, 2, 7, 10, 10, 0, 8])
    assert options[121] == to_lab + to_host + bytes([0, 10, 10, 0, 1])
    # RFC 3397, with names that end as an earlier one pointing there.
    assert options[119] == (b"\x03lab\x07example\0\x07example\x03org\0\x04corp\xc0\x00")


async def test_without_a_way_out_the_routes_are_told_alone(lab: Lab):
    node, *_ = lab
    ways = [{"destination": "10.20.0.0/16", "via": "10.10.0.9"}]
    guest = await Speaker.start(
        node.networks(), node, "web-1", nic(4097, "10.10.0.20", egress="None", routes=ways)
    )
    offer = guest.ask_dhcp(frames.DISCOVER)
    assert offer
    assert offer[1][121] == bytes([16, 10, 20, 10, 10, 0, 9])
    assert 3 not in offer[1]


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    ("domain", "search"),
    [("d" * 50, ["a.example", "b.test", "c.zone", "d.lan7777"]), (f"{'d' * 61}.{'d' * 18}", [])],
)
async def test_the_most_that_a_subnet_may_say_is_said_whole(
    lab: Lab, backwards: bool, domain: str, search: list[str]
):
    """To a client that takes no more than every client must, and asks for things in any order."""
    node, *_ = lab
    ways = [{"destination": f"203.100.{n}.128/32", "via": "10.10.0.250"} for n in range(100, 108)]
    servers = [f"10.10.0.{n}" for n in (1, 5, 6, 7)]
    order = nic(4097, "10.10.0.20", search=search, domain=domain, routes=ways, dns=servers, ntp=servers)
    await node.networks().prepare("uid", "h" * 63, [order])
    guest = Speaker(Wire(node, Networks.tap_name("uid", "eth0")), order)
    await node.networks().plug("uid", [order])
    asked = sorted(frames.ASKED, reverse=backwards)
    offer = guest.ask_dhcp(frames.DISCOVER, asked=asked)
    assert offer
    options = offer[1]
    assert set(frames.ASKED) - options.keys() == (set() if search else {119})
    assert options[15].decode() == domain
    assert (len(options[6]), len(options[42])) == (16, 16)
    assert options[12] == b"h" * 63
    assert len(options[121]) == 8 * 9 + 5
    assert not search or len(options[119]) == sum(len(name) + 2 for name in (domain, *search))


async def test_without_a_way_out_there_is_no_router(lab: Lab):
    node, *_ = lab
    guest = await Speaker.start(node.networks(), node, "web-1", nic(4097, "10.10.0.20", egress="None"))
    offer = guest.ask_dhcp(frames.DISCOVER)
    assert offer
    assert not {3, 6, 15} & offer[1].keys()


async def test_says_nothing_where_dhcp_is_disabled(lab: Lab):
    node, *_ = lab
    guest = await Speaker.start(node.networks(), node, "web-1", nic(4097, "10.10.0.20", dhcp="Disabled"))
    assert guest.ask_dhcp(frames.DISCOVER) is None
    assert node.traces()["servers"] == []


async def test_a_server_that_was_killed_comes_back_and_renews(lab: Lab):
    node, *_ = lab
    networks = node.networks()
    order = nic(4097, "10.10.0.20")
    guest = await Speaker.start(networks, node, "web-1", order)
    assert guest.ask_dhcp(frames.DHCP_REQUEST, options=frames.requested("10.10.0.20"))
    before = node.dhcp_server()
    os.kill(before, signal.SIGKILL)

    await networks.resync({"web-1": ("web-1", [order])})

    assert node.dhcp_server() != before
    renewed = guest.ask_dhcp(frames.DHCP_REQUEST, has="10.10.0.20")
    assert renewed
    assert renewed[0] == "10.10.0.20"
    assert renewed[1][53] == bytes([frames.ACK])


async def test_a_new_agent_leaves_the_server_alone(lab: Lab):
    node, *_ = lab
    order = nic(4097, "10.10.0.20")
    await Speaker.start(node.networks(), node, "web-1", order)
    before = node.dhcp_server()
    await node.networks().resync({"web-1": ("web-1", [order])})
    await node.networks().prepare("web-1", "web-1", [order])
    assert node.dhcp_server() == before


async def test_guests_come_and_go_at_a_running_server(lab: Lab):
    node, *_ = lab
    networks = node.networks()
    await Speaker.start(networks, node, "stays", nic(4097, "10.10.0.20"))
    server = node.dhcp_server()
    second = await Speaker.start(networks, node, "comes", nic(4097, "10.10.0.21"))
    offer = second.ask_dhcp(frames.DISCOVER)
    assert offer
    assert offer[0] == "10.10.0.21"
    await networks.detach("comes")
    assert node.dhcp_server() == server


async def test_an_address_that_comes_back_with_another_mac_is_leased_again(lab: Lab):
    node, *_ = lab
    networks = node.networks()
    await Speaker.start(networks, node, "stays", nic(4097, "10.10.0.20"))
    for mac in ("02:aa:aa:aa:aa:01", "02:aa:aa:aa:aa:02"):
        guest = await Speaker.start(networks, node, "goes", nic(4097, "10.10.0.21", mac_address=mac))
        confirmed = guest.ask_dhcp(frames.DHCP_REQUEST, options=frames.requested("10.10.0.21"))
        assert confirmed
        assert confirmed[1][53] == bytes([frames.ACK])
        await networks.detach("goes")
