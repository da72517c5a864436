"""What a second subnet adds on a node, as text."""

from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

import yaml

from orlop_agent.network import firewall, forwarding, groups, kernel, leases, resolver
from orlop_agent.network.book import Book
from orlop_agent.seed import content
from orlop_api.port import Port
from orlop_api.security_group import SecurityGroup

IPV6 = {"address": "fd00:10::14", "cidr": "fd00:10::/64", "gateway": "fd00:10::1", "dns": ["fd00:53::1"]}
SLAAC = IPV6 | {"address": "fd00:10::10ff:fe01:14", "mode": "SLAAC"}
OWN = (IPv6Address("fd00:10::14"), IPv6Address("fe80::10ff:fe01:14"))


def port(*addresses, mac="02:00:10:01:00:15", host="192.0.2.9", **status):
    binding = {"instanceName": "web-1", "instanceUID": "u", "nodeName": "n", "hostAddress": host}
    status = {"macAddress": mac, "addresses": list(addresses), "binding": binding, **status}
    meta = {"name": "port", "namespace": "demo"}
    return Port.model_validate({"metadata": meta, "spec": {"networkRef": {"name": "b"}}, "status": status})


def test_a_nic_speaks_as_its_address_and_the_link_local_one(attach):
    assert attach().addresses6 == ()
    assert attach(ipv6=IPV6).addresses6 == OWN


def test_without_a_second_subnet_nothing_of_it_is_let_in(attach):
    for text in (firewall.anti_spoofing(attach().segment), firewall.gateway(attach().segment)):
        assert "ip6" not in text.replace("ether saddr . ip6 saddr;", "").replace("ether type ip6 goto", "")
    assert "disable_ipv6 ipv6/conf/default" in kernel.settings(attach().segment, is_new=True)
    assert "all/disable_ipv6" not in kernel.settings(attach(ipv6=IPV6).segment, is_new=True)


def test_dhcp_tells_the_address_or_leaves_it_to_the_guest(attach):
    told = leases.configuration(attach(ipv6=IPV6).segment, Path("/run/d"))
    assert "dhcp-range=fd00:10::,static,64,1h\n" in told
    assert "dhcp-duid=32473,02:00:10:01:00:01\n" in told
    assert "dhcp-option=option6:dns-server,[fd00:53::1]\n" in told
    made = leases.configuration(attach(ipv6=SLAAC).segment, Path("/run/d"))
    assert "dhcp-range=fd00:10::,ra-only,64,24h\n" in made
    assert "dhcp-duid" not in made
    assert "ipv6" not in leases.configuration(attach().segment, Path("/run/d")).replace("option6", "ipv6")
    assert leases.host(attach(ipv6=IPV6)) == "02:00:10:01:00:14,10.10.0.20,[fd00:10::14],web-1\n"


def test_a_peer_is_reached_by_all_its_addresses():
    book = Book.of([port("10.10.0.21", "fd00:10::15")])
    found = forwarding.wanted(book, IPv4Address("192.0.2.1"), frozenset())
    assert not book.wrong
    assert set(map(str, found.neighbours)) == {"10.10.0.21", "fd00:10::15", "fe80::10ff:fe01:15"}


def test_names_have_an_address_of_each_family(attach):
    segment = attach(dns=["10.10.0.1"], ipv6=IPV6).segment
    book = Book.of([port("10.10.0.21", "fd00:10::15", "fd00:99::1")])
    files = resolver.hosts(segment, book)
    called = "web-1.orlop.internal web-1.demo.orlop.internal web-1"
    assert not book.wrong
    assert files == {
        "10.10.0": f"10.10.0.21 {called}\n",
        "fd00-0010-0000-0000-0000-0000-0000-00": f"fd00:10::15 {called}\n",
    }
    assert "local=/0.0.0.0.0.0.0.0.0.1.0.0.0.0.d.f.ip6.arpa/\n" in resolver.configuration(
        segment, Path("/run/n")
    )


def test_a_zone_in_the_middle_of_four_bits_is_several(attach):
    segment = attach(dns=["10.10.0.1"], ipv6=IPV6 | {"cidr": "fd00:10::/66"}).segment
    zones = [line for line in resolver.configuration(segment, Path("/r")).splitlines() if "ip6.arpa" in line]
    assert len(zones) == 4


def test_rules_are_of_the_family_of_their_range_and_groups_of_both(attach):
    rules = [
        {"cidr": "::/0"},
        {"cidr": "0.0.0.0/0"},
        {"protocol": "ICMP", "securityGroupRef": {"name": "web"}},
    ]
    group = SecurityGroup.model_validate(
        {"metadata": {"name": "web", "namespace": "demo", "uid": "u-1"}, "spec": {"ingress": rules}}
    )
    security = {"namespace": "demo", "groups": ["u-1"]}
    member = port("10.10.0.21", "fd00:10::15", securityGroups=["u-1"])
    found = groups.guard([attach(ipv6=IPV6, security=security)], Book.of([member]), {"u-1": group})
    assert found.rules["u-1"].ingress == (
        "meta nfproto ipv6 accept",
        "meta nfproto ipv4 accept",
        "ct original ip saddr @of_u-1 meta l4proto icmp accept",
        "ct original ip6 saddr @of_u-1_6 meta l4proto icmpv6 accept",
    )
    assert set(map(str, found.members["u-1"])) == {"10.10.0.21", "fd00:10::15", "fe80::10ff:fe01:15"}
    assert set(map(str, found.nics)) == {"10.10.0.20", *map(str, OWN)}
    alone = groups.guard([attach(security=security)], Book.of([member]), {"u-1": group}).rules["u-1"]
    assert not [line for line in alone.ingress if "6" in line]


def test_the_seed_has_the_guest_ask_or_listen_or_tells_it(attach):
    def ethernet(**fields):
        nics = [attach(**fields).nic]
        config = yaml.safe_load(content.files("u", "web-1", nics, b"")["network-config"])
        return config["ethernets"]["eth0"]

    assert "dhcp6" not in ethernet()
    assert ethernet(ipv6=IPV6)["dhcp6"] is True
    assert (ethernet(ipv6=SLAAC)["dhcp6"], ethernet(ipv6=SLAAC)["accept-ra"]) == (False, True)
    static = ethernet(ipv6=IPV6, dhcp="Disabled")
    assert static["addresses"] == ["10.10.0.20/24", "fd00:10::14/64"]
    assert static["nameservers"]["addresses"] == ["fd00:53::1"]
