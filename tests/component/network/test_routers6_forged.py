"""Nobody speaks by IPv6 as another through a Router, nor as a gateway from another node."""

import re
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from orlop_agent.network import names
from orlop_api.address6 import link_local
from support import frames6
from support.fakenode import FakeNode
from support.joined import Cloud
from support.joined6 import address6, inject, received, routed, wait
from support.routed import NETWORKS, dual, gateway6, router
from support.stack import PATIENT, QUICK

pytestmark = [pytest.mark.component, pytest.mark.timeout(300)]
Lab = tuple[FakeNode, FakeNode, FakeNode]
BLUE, GREEN, RED = NETWORKS
BOTH = (BLUE, GREEN)


@pytest.fixture
def cloud(lab: Lab) -> Iterator[Cloud]:
    with ExitStack() as close:
        yield Cloud(lab, close)


async def test_nobody_speaks_as_another_through_a_router(cloud: Cloud):
    await cloud.join(router(*NETWORKS, with6=NETWORKS))
    blue = await cloud.start("blue", 0, dual(BLUE, 20))
    green = await cloud.start("green", 1, dual(GREEN, 20))
    thief = await cloud.start("thief", 0, dual(BLUE, 66))
    assert all(wait(each, led=True) for each in (blue, green, thief))
    assert thief.pings(address6(green), PATIENT)
    for forged in (address6(blue), "fd00:20::77", gateway6(GREEN), "fd00:30::5"):
        thief.own("address", "add", f"{forged}/128", "dev", "lo", "nodad")
        before = cloud.nodes[0].dropped(BLUE, "forged_address")
        assert not thief.pings(address6(green), QUICK, source=forged)
        assert cloud.nodes[0].dropped(BLUE, "forged_address") > before
        thief.own("address", "delete", f"{forged}/128", "dev", "lo")

    # The Router takes from each link its own Network's addresses alone, whatever comes in there.
    node, link = cloud.nodes[0], names.router_link("uid-vpc")
    inside = ["ip", "netns", "exec", names.router_namespace("uid-vpc")]

    def refused() -> int:
        listed = node.run(*inside, "nft", "list", "table", "ip6", "orlop")
        return int(re.findall(r"packets (\d+)", listed)[0])

    for source, is_taken in (
        (address6(blue), True),
        ("fd00:30::5", False),
        ("fd00:20::5", False),
        ("2001:db8::1", False),
        (str(link_local(blue.mac)), False),
    ):
        before, heard = refused(), received(green)
        inject(node, BLUE, link, routed("02:00:00:00:00:02", "02:00:00:00:00:01", source, address6(green)))
        assert (received(green) - heard, refused() - before) == ((1, 0) if is_taken else (0, 1)), source


async def test_from_the_overlay_the_gateways_mac_brings_only_what_is_routed(cloud: Cloud):
    await cloud.join(router(*BOTH, with6=BOTH))
    green = await cloud.start("green", 0, dual(GREEN, 20))
    far = await cloud.start("far", 1, dual(GREEN, 21))
    assert wait(green, led=True)
    node, beyond = cloud.nodes
    mac, to = "02:00:10:02:00:01", address6(green)

    def dropped() -> int:
        return sum(node.dropped(GREEN, cause) for cause in ("forged_overlay", "rogue_router", "rogue_dhcp"))

    advert = frames6.link_layer(2, mac)
    frames = {
        "routed": routed(mac, green.mac, "fd00:10::5", to),
        "of a Network that is not joined": routed(mac, green.mac, "fd00:30::5", to),
        "from outside": routed(mac, green.mac, "2001:db8::1", to),
        "of the same Network": routed(mac, green.mac, address6(far), to),
        "as the gateway": routed(mac, green.mac, gateway6(GREEN), to),
        "an advertisement": frames6.discovery(mac, green.mac, "fd00:10::5", to, frames6.NA, to, advert),
        "a solicitation": frames6.discovery(mac, green.mac, "fd00:10::5", to, frames6.NS, to),
        "a redirect": frames6.icmp(mac, green.mac, "fd00:10::5", to, frames6.REDIRECT, bytes(36)),
        "a router's": frames6.icmp(mac, green.mac, "fd00:10::5", to, frames6.RA, bytes(12)),
        "a DHCPv6 server's": frames6.udp(mac, green.mac, "fd00:10::5", to, (547, 546), b"x"),
    }
    for what, frame in frames.items():
        before, heard = dropped(), received(green)
        inject(beyond, GREEN, names.OVERLAY, frame)
        is_taken = what == "routed"
        # The guest's count after a moment, the node's after that.
        assert (received(green) - heard, dropped() - before) == ((1, 0) if is_taken else (0, 1)), what
