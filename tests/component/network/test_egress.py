"""The way out, and what is not to be reached by it."""

import pytest

from support.fakenode import FakeNode, nic
from support.talk import Speaker

pytestmark = [pytest.mark.component, pytest.mark.timeout(60)]
Lab = tuple[FakeNode, FakeNode, FakeNode]


async def test_the_outside_sees_the_node(lab: Lab):
    node, _, outside = lab
    guest = await Speaker.start(node.networks(), node, "web-1", nic(4097, "10.10.0.20"))
    assert guest.ping("192.0.2.254")
    # There is no way back to the guest's own address: an answer shows that the node's was used.
    assert "10.10.0" not in outside.run("ip", "route")


async def test_without_egress_there_is_no_way_out(lab: Lab):
    node, *_ = lab
    guest = await Speaker.start(node.networks(), node, "web-1", nic(4097, "10.10.0.20", egress="None"))
    assert guest.ping("10.10.0.1")
    assert not guest.ping("192.0.2.254", seconds=0.3)
    assert node.traces()["links"] == []


@pytest.mark.parametrize(
    "address", ["192.0.2.1", "169.254.64.0", "169.254.64.1", "169.254.169.254", "127.0.0.1", "10.96.0.1"]
)
async def test_the_node_itself_is_not_reached(lab: Lab, address: str):
    node, *_, outside = lab
    # As kube-proxy does for a service: here one that would lead back out to a neighbour.
    node.run("nft", "add table ip services; add chain ip services prerouting"
             " { type nat hook prerouting priority dstnat; };"
             " add rule ip services prerouting ip daddr 10.96.0.1 dnat to 192.0.2.254")  # fmt: skip
    outside.run("ip", "address", "add", "169.254.169.254/32", "dev", "fabric")
    node.run("ip", "route", "add", "169.254.169.254/32", "via", "192.0.2.254")
    guest = await Speaker.start(node.networks(), node, "web-1", nic(4097, "10.10.0.20"))
    assert guest.ping("192.0.2.254")
    assert not guest.ping(address, seconds=0.3)


async def test_a_guest_cannot_speak_vxlan_with_the_nodes_address(lab: Lab):
    node, *_, outside = lab
    guest = await Speaker.start(node.networks(), node, "web-1", nic(4097, "10.10.0.20"))
    outside.run("nft", "add table inet seen; add counter inet seen vxlan; add counter inet seen other;"
                " add chain inet seen input { type filter hook input priority 0; };"
                " add rule inet seen input udp dport 4789 counter name vxlan;"
                " add rule inet seen input udp dport 4790 counter name other")  # fmt: skip
    gateway = guest.who_has("10.10.0.1")
    assert gateway
    for port in (4789, 4790):
        guest.say(gateway, "192.0.2.254", port, b"\x08\0\0\0\0\x10\x02\0" + bytes(60))
    assert guest.ping("192.0.2.254")
    assert "packets 0 " in outside.run("nft", "list", "counter", "inet", "seen", "vxlan")
    assert "packets 1 " in outside.run("nft", "list", "counter", "inet", "seen", "other")


async def test_nobody_outside_comes_in(lab: Lab):
    node, *_, outside = lab
    guest = await Speaker.start(node.networks(), node, "web-1", nic(4097, "10.10.0.20"))
    assert guest.ping("10.10.0.1")
    outside.run("ip", "route", "add", "10.10.0.0/24", "via", "192.0.2.1")
    # Even if the node had a way in.
    node.run("ip", "route", "add", "10.10.0.0/24", "via", "169.254.64.1")
    outside.run("ping", "-c", "1", "-W", "1", "10.10.0.20", check=False)
    assert not guest.hears(b"", 0.3)


async def test_guests_of_two_networks_do_not_meet_on_the_node(lab: Lab):
    node, *_ = lab
    networks = node.networks()
    blue = await Speaker.start(networks, node, "blue", nic(4097, "10.10.0.20"))
    await Speaker.start(networks, node, "red", nic(4098, "10.10.0.20"))
    # The pair of the second Network is the next one: 169.254.64.2 and .3.
    assert "169.254.64.2" in node.run("ip", "address")
    assert not blue.ping("169.254.64.3", seconds=0.3)
