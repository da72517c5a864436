"""What a Router adds by IPv6 on a node, as text."""

from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path
from types import SimpleNamespace

import yaml

from orlop_agent.network import groups, kernel, leases, names, routing, routing6
from orlop_agent.network.book import Book
from orlop_agent.network.firewall import anti_spoofing, gateway
from orlop_agent.network.segment import Attachment, Segment
from orlop_agent.seed import content
from orlop_api.security_group import SecurityGroup
from support.routed import HOME, NETWORKS, dual, port, router

BLUE, GREEN, RED = NETWORKS
VPC = router(*NETWORKS, with6=(BLUE, GREEN), mtus={GREEN: 1400})
LINK = names.router_link("uid-vpc")


def test_those_with_ipv6_know_each_other():
    blue, red = routing.places(VPC)[BLUE], routing.places(VPC)[RED]
    assert blue.segment.ipv6
    assert (blue.segment.ipv6.cidr, blue.segment.ipv6.gateway) == (
        IPv6Network("fd00:10::/64"),
        IPv6Address("fd00:10::1"),
    )
    assert blue.ways6 == ((IPv6Network("fd00:20::/64"), 1400),)
    assert (red.segment.ipv6, red.ways6) == (None, ())
    assert [link for link, _ in red.sources6] == ["n4097", "n4098"]
    for place in (blue, red):
        assert routing.recorded(place.told) == place
    # As an operator of before tells it.
    assert routing.places(router(*NETWORKS))[BLUE].ways6 == ()


def test_routes_lead_there_and_no_longer_elsewhere():
    place = routing.places(VPC)[BLUE]
    there = [{"dst": "fd00:99::/64"}, {"dst": "fd00:20::/64"}]
    lines = [line.text for line in routing6.in_network(place, there)]
    assert lines[1:] == [
        "route delete fd00:99::/64 proto 88",
        f"route replace fd00:20::/64 via fe80::1 dev {LINK} src fd00:10::1 mtu lock 1400 proto 88",
    ]
    lines = [line.text for line in routing6.in_router(place, [{"dst": "fd00:20::/64", "dev": "n4098"}])]
    assert lines[1:] == ["route replace fd00:10::/64 via fe80::2 dev n4097 proto 88"]


def test_from_each_link_its_own_networks_addresses():
    text = routing6.taken(routing.places(VPC)[RED])
    assert 'add element ip6 orlop sources { "n4097" . fd00:10::/64, "n4098" . fd00:20::/64 }' in text
    assert "add element" not in routing6.taken(routing.places(router(*NETWORKS))[BLUE])


def test_only_addresses_of_the_router_pass():
    place = routing.places(VPC)[BLUE]
    rules, frames = gateway(place.segment, place), anti_spoofing(place.segment, place)
    ways = "{ fd00:20::/64 }"
    assert f'iifname "brq0" oifname "{LINK}" ip6 saddr fd00:10::/64 ip6 daddr {ways} accept' in rules
    assert f'iifname "{LINK}" oifname "brq0" ip6 saddr {ways} ip6 daddr fd00:10::/64 accept' in rules
    assert f"ip6 saddr {ways} ip6 daddr fd00:10::1 icmpv6 type echo-request accept" in rules
    let_in = f"ether saddr {place.segment.gateway_mac} ip6 saddr {ways} accept"
    # What only a gateway says is dropped before.
    assert frames.index("jump ipv6_from_nodes") < frames.index(let_in)
    alone = routing.places(router(BLUE, RED, with6=(BLUE,)))[BLUE]
    assert LINK not in "".join(line for line in gateway(alone.segment, alone).splitlines() if "ip6" in line)


def test_the_gateway_is_a_router_while_it_leads_somewhere():
    segment = Segment.of(dual(BLUE, 20))
    told = leases.configuration(segment, Path("/run/d"))
    assert "ra-param=brq0,mtu:1450,60,0\n" in told
    told = leases.configuration(routing.in_place(segment, routing.places(VPC)[BLUE]), Path("/run/d"))
    assert "ra-param=brq0,mtu:1450,low,60,1800\n" in told
    alone = routing.places(router(BLUE, RED, with6=(BLUE,)))[BLUE]
    assert routing.in_place(segment, alone) == replace(segment, routed=True)


def test_without_dhcp_the_seed_names_the_gateway():
    nics = [dual(BLUE, 20, dhcp="Disabled"), dual(GREEN, 20, dhcp="Disabled", name="eth1")]
    found = yaml.safe_load(content.files("u", "web-1", nics, b"")["network-config"])["ethernets"]
    assert {"to": "::/0", "via": "fd00:10::1"} in found["eth0"]["routes"]
    assert "routes" not in found["eth1"]


def test_a_router_has_ipv6_on_the_links_of_those_that_have_it():
    assert "echo 0 > disable_ipv6" in kernel.router("n4097", has_ipv6=True)
    assert "ipv6/conf/n4099/disable_ipv6" in kernel.router("n4099", has_ipv6=False)


def test_members_of_other_networks_have_no_link_local_address_here():
    node = SimpleNamespace(address="192.0.2.1")
    rule = {"securityGroupRef": {"name": "web"}}
    meta = {"name": "web", "namespace": HOME, "uid": "uid-web"}
    group = SecurityGroup.model_validate({"metadata": meta, "spec": {"ingress": [rule]}})
    nic = dual(BLUE, 20, security={"namespace": HOME, "groups": ["uid-web"]})
    me, beside = Attachment.of("u", "web-1", nic), dual(GREEN, 21)
    own, other = (Book.of([port(each, node, "web")]) for each in (nic, beside))
    found = groups.guard([me], own, {"uid-web": group}, [other])
    assert set(found.members["uid-web"]) == {
        *me.all_addresses,
        *Attachment.of("v", "web-2", beside).addresses,
        *[a for a in Attachment.of("v", "web-2", beside).addresses6 if not a.is_link_local],
    }
