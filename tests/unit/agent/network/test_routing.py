"""Where Networks shall be for their Routers, and what that means for a namespace."""

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network

from orlop_agent.network import leases, names, routing
from orlop_agent.network.firewall import anti_spoofing, gateway
from orlop_agent.network.segment import Segment
from support.routed import HOME, NETWORKS, on, router

BLUE, GREEN, RED = NETWORKS
VPC = router(BLUE, GREEN, routes={"192.168.0.0/16": "10.20.0.30"})


def test_a_network_knows_the_others_and_what_is_behind_them():
    blue, green = routing.places(VPC)[BLUE], routing.places(VPC)[GREEN]
    assert blue.ways == (IPv4Network("10.20.0.0/24"), IPv4Network("192.168.0.0/16"))
    assert blue.behind == (IPv4Network("10.10.0.0/24"),)
    assert green.ways == (IPv4Network("10.10.0.0/24"),)
    assert green.local_ways == ((IPv4Network("192.168.0.0/16"), IPv4Address("10.20.0.30")),)
    assert blue.others == {f"net-{GREEN}"}


def test_what_is_recorded_is_the_same_again():
    for place in routing.places(VPC).values():
        assert routing.recorded(place.told) == place


def test_all_networks_of_a_router_are_here_while_one_has_a_nic():
    here = {BLUE: f"net-{BLUE}"}
    want, wrong = routing.wanted({}, here, {HOME: [VPC, router(RED, name="other")]})
    assert (sorted(want), wrong) == ([BLUE, GREEN], [])
    # The number is another Network's by now.
    assert routing.wanted({}, {BLUE: "another"}, {HOME: [VPC]}) == ({}, [])
    # Nobody told yet: it stays for those that are here, and goes with the last.
    assert routing.wanted(want, here, {})[0] == want
    assert routing.wanted(want, {}, {})[0] == {}
    # It is told that there is none.
    assert routing.wanted(want, here, {HOME: []})[0] == {}


def test_one_router_that_is_none_does_not_hold_back_another():
    bad = router(RED, name="bad", routes={"nonsense": "10.30.0.7"})
    want, wrong = routing.wanted({}, {BLUE: f"net-{BLUE}", RED: f"net-{RED}"}, {HOME: [bad, VPC]})
    assert sorted(want) == [BLUE, GREEN]
    [(which, _)] = wrong
    assert which is bad
    # Where none of its Networks is, it is nobody's matter.
    assert routing.wanted({}, {BLUE: f"net-{BLUE}"}, {HOME: [bad, VPC]})[1] == []


def test_routes_that_nobody_wants_go():
    place = routing.places(VPC)[BLUE]
    there = [{"dst": "10.99.0.0/24"}, {"dst": "10.20.0.0/24"}]
    lines = [line.text for line in routing.in_network(place, there)]
    assert "route delete 10.99.0.0/24 proto 88" in lines
    assert not [line for line in lines if line.startswith("route delete 10.20")]
    assert [line.text for line in routing.without(there)] == [
        "route delete 10.99.0.0/24 proto 88",
        "route delete 10.20.0.0/24 proto 88",
    ]


def test_only_addresses_of_the_router_pass():
    place = routing.places(VPC)[BLUE]
    link, rules = names.router_link("uid-vpc"), gateway(place.segment, place)
    ways = "{ 10.20.0.0/24, 192.168.0.0/16 }"
    assert f'iifname "brq0" oifname "{link}" ip saddr {{ 10.10.0.0/24 }} ip daddr {ways} accept' in rules
    assert f'iifname "{link}" oifname "brq0" ip saddr {ways} ip daddr {{ 10.10.0.0/24 }} accept' in rules
    frames = anti_spoofing(place.segment, place)
    assert f"ether saddr {place.segment.gateway_mac} ip saddr {ways} accept" in frames
    assert "ip saddr { 10" not in anti_spoofing(place.segment)
    assert link not in gateway(place.segment)


def test_a_routed_network_names_its_gateway_though_there_is_no_way_out(tmp_path):
    segment = Segment.of(on(BLUE, 20, egress="None"))
    assert "dhcp-option=option:router\n" in leases.configuration(segment, tmp_path)
    routed = leases.configuration(replace(segment, routed=True), tmp_path)
    assert "dhcp-option=option:router,10.10.0.1\n" in routed


def test_names_fit_in_an_interface():
    assert len(names.router_link("u" * 64)) <= 15
    assert names.segment_of(names.router_namespace("uid")) is None
