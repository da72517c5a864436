"""A Network of IPv6 alone on a node: no IPv4 anywhere, and all that guests need."""

from pathlib import Path

import pytest

from orlop_agent.network import firewall, identities, leases, links, resolver, routing
from orlop_agent.network.book import Book
from orlop_agent.network.errors import NetworkError
from orlop_agent.network.segment import Attachment
from orlop_agent.seed.content import network_config
from orlop_api.port import Port
from orlop_api.router import Router

IPV6 = {
    "address": "fd00:10::14",
    "cidr": "fd00:10::/64",
    "gateway": "fd00:10::1",
    "dns": ["fd00:53::1", "fd00:10::1"],
}


@pytest.fixture
def alone(attach):
    def made(mode: str = "DHCPv6", **fields: object) -> Attachment:
        usual = {"addresses": [], "cidr": None, "gateway": None, "ipv6": IPV6 | {"mode": mode}}
        return attach(**(usual | fields))

    return made


def test_nothing_of_it_is_of_ipv4(alone):
    nic = alone()
    segment = nic.segment
    assert not segment.egress
    assert segment.gateway_mac == "02:00:10:01:00:00"
    lines = [
        line.text
        for line in (*links.bridge(segment), *links.ways(segment, links.UPLINKS), *links.inside6(segment))
    ]
    assert [line for line in lines if line.startswith("address")] == [
        "address add fd00:10::1/64 dev brq0 nodad",
        "address add fe80::10ff:fe01:0/64 dev brq0 nodad",
    ]
    assert not any("169.254" in line for line in lines)
    rules = firewall.gateway(segment)
    assert "masquerade" not in rules
    assert " ip saddr" not in rules
    assert "sport 68" not in rules
    assert "ip6 saddr fd00:10::/64 ip6 daddr fd00:10::1 udp dport 53 accept" in rules


def test_ipv4_and_arp_are_dropped_whoever_says_them(alone):
    rules = firewall.anti_spoofing(alone().segment)
    for chain in ("ipv4_from_guests", "arp_from_guests"):
        assert f"  chain {chain} {{\n    meta mark set 19 goto dropped\n  }}\n" in rules
    assert "ether type { ip6 } accept" in rules
    assert "None" not in rules
    filled = {name for name, found in identities.elements([alone()]).items() if found}
    assert filled == {"macs", "chaddrs", "addresses6", "targets6"}


def test_the_server_says_by_dhcpv6_and_advertisements_what_there_is(alone):
    told = leases.configuration(alone(domain="six.example").segment, Path("/run/x")).splitlines()
    assert "dhcp-range=fd00:10::,static,64,1h" in told
    assert "dhcp-option=option6:dns-server,[fd00:10::1],[fd00:53::1]" in told
    assert "dhcp-option=option6:domain-search,six.example" in told
    assert not [line for line in told if "option:" in line]
    assert leases.host(alone()) == "02:00:10:01:00:14,[fd00:10::14],web-1\n"
    assert "dhcp-range=fd00:10::,ra-only,64,24h" in leases.configuration(
        alone("SLAAC").segment, Path("/run/x")
    )


def test_the_gateway_answers_for_names_at_its_ipv6_address(alone):
    segment = alone(domain="six.example", network_namespace="demo").segment
    told = resolver.configuration(segment, Path("/run/x")).splitlines()
    assert [line for line in told if line.startswith(("listen", "server"))] == ["listen-address=fd00:10::1"]
    assert not [line for line in told if "in-addr" in line]
    binding = {"instanceName": "web", "instanceUID": "u", "nodeName": "n", "hostAddress": "192.0.2.1"}
    port = Port.model_validate(
        {
            "metadata": {"name": "p", "namespace": "demo"},
            "spec": {"networkRef": {"name": "six"}},
            "status": {"addresses": ["fd00:10::14"], "binding": binding},
        }
    )
    files = resolver.hosts(segment, Book.of([port]))
    assert list(files.values()) == ["fd00:10::14 web.six.example web.demo.six.example web\n"]
    nobody = alone(ipv6={**IPV6, "dns": ["fd00:53::1"]}).segment
    assert not resolver.answers(nobody)
    assert [str(server) for server in resolver.told6(nobody)] == ["fd00:53::1"]


def test_the_seed_says_the_way_to_metadata_where_nothing_is_advertised(alone):
    nic = alone(dhcp="Disabled", metadata="Enabled").nic
    told = network_config([nic, nic.model_copy(update={"name": "eth1"})])["ethernets"]
    to = {"to": "fd00:ec2::254/128", "via": "fd00:10::1"}
    assert told["eth0"]["routes"] == [to, {"to": "::/0", "via": "fd00:10::1"}]
    assert told["eth1"]["routes"] == [to]


def test_the_way_to_metadata_is_advertised_as_an_address_on_the_link(alone):
    for mode in ("SLAAC", "DHCPv6"):
        lines = leases.configuration(alone(mode, metadata="Enabled").segment, Path("/run/x")).splitlines()
        assert "dhcp-range=fd00:ec2::254,static,128,24h" in lines
        assert "dhcp-duid=32473,02:00:10:01:00:00" in lines
    assert "fd00:ec2" not in leases.configuration(alone().segment, Path("/run/x"))


@pytest.mark.parametrize(
    ("fields", "config"),
    [
        ({"mode": "DHCPv6"}, {"dhcp4": False, "dhcp6": True, "accept-ra": True}),
        ({"mode": "SLAAC"}, {"dhcp4": False, "dhcp6": False, "accept-ra": True}),
        (
            {"dhcp": "Disabled", "domain": "six.example"},
            {
                "dhcp4": False, "addresses": ["fd00:10::14/64"], "mtu": 1450,
                "routes": [{"to": "::/0", "via": "fd00:10::1"}],
                "nameservers": {"addresses": ["fd00:10::1", "fd00:53::1"], "search": ["six.example"]},
            },
        ),
    ],
)  # fmt: skip
def test_the_seed_says_no_ipv4(alone, fields, config):
    told = network_config([alone(**fields).nic])["ethernets"]["eth0"]
    assert told == {"match": {"macaddress": "02:00:10:01:00:14"}, **config}


def test_a_router_joins_it_by_ipv6_alone(alone):
    networks = [
        {"name": "six", "networkUID": "a", "segmentID": 4097, "mtu": 1450,
         "ipv6": {"cidr": "fd00:10::/64", "gateway": "fd00:10::1"}},
        {"name": "both", "networkUID": "b", "segmentID": 4098, "mtu": 1450, "cidr": "10.20.0.0/24",
         "gateway": "10.20.0.1", "ipv6": {"cidr": "fd00:20::/64", "gateway": "fd00:20::1"}},
        {"name": "four", "networkUID": "c", "segmentID": 4099, "mtu": 1450, "cidr": "10.30.0.0/24",
         "gateway": "10.30.0.1"},
    ]  # fmt: skip
    static = [{"destination": "192.168.0.0/16", "via": "10.20.0.9"}]
    router = Router.model_validate(
        {
            "metadata": {"name": "r", "namespace": "demo", "uid": "r"},
            "spec": {"networks": [{"name": each["name"]} for each in networks]},
            "status": {"networks": networks, "routes": static},
        }
    )
    places = routing.places(router)
    assert (places[4097].ways, places[4097].behind) == ((), ())
    assert [str(way) for way, _ in places[4097].ways6] == ["fd00:20::/64"]
    assert [str(way) for way in places[4098].ways] == ["10.30.0.0/24"]
    assert [str(way) for way in places[4099].ways] == ["10.20.0.0/24", "192.168.0.0/16"]
    assert routing.forward_rules(places[4097]) == ""
    assert routing.recorded(places[4097].told) == places[4097]


def test_a_subnet_without_its_gateway_is_none(attach):
    with pytest.raises(NetworkError, match="an IPv4 subnet and its gateway go together"):
        attach(gateway=None)
    with pytest.raises(NetworkError, match="a Network has a subnet"):
        attach(gateway=None, cidr=None, addresses=[])
    physical = {"network": "lab", "vlanID": 100}
    with pytest.raises(NetworkError, match="a Network on a physical network has an IPv4 subnet"):
        attach(gateway=None, cidr=None, addresses=[], ipv6=IPV6, physical=physical)
