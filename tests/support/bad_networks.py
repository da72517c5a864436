"""Networks and Ports that must be refused."""

from __future__ import annotations

from typing import Any

from support.bad import Bad
from support.manifests import ABSENT

IPV4 = "must be an IPv4 address, for example 10.10.0.20"
IPV6 = "must be an IPv6 address, for example fd00:10::20"
IP = "must be an IPv4 or IPv6 address, for example 10.10.0.20 or fd00:10::20"
MAC = "must be a unicast, locally administered MAC address in lower case, for example 02:00:00:00:00:2a"
CIDR = "must be a network address with its prefix, for example 10.10.0.0/24 or fd00:10::/64"
PREFIX = "must have a prefix from /16 to /29"
RESERVED = (
    "must not be in a reserved range (0.0.0.0/8, 127.0.0.0/8, 169.254.0.0/16, 224.0.0.0/4, 240.0.0.0/4)"
)
GATEWAY = "gateway must be a host address inside cidr: not outside it, not its first, not its last"
POOLS = "pools must start and end at host addresses inside cidr: not outside it, not its first, not its last"
POOL_ORDER = "a pool's start must not be above its end"
REST = "must be a duration from 0s to 24h, for example 60s"
POOL_OVERLAP = "pools must not overlap: an address may be in one pool only"


def _subnet(**values: Any) -> dict[str, Any]:
    return {f"spec.subnets.0.{name}": value for name, value in values.items()}


def _second(**values: Any) -> dict[str, Any]:
    return {"spec.subnets.+": {"name": "b", "cidr": "fd00:10::/64", **values}}


def _pools(*pools: tuple[str, str]) -> dict[str, Any]:
    return {"spec.subnets.0.pools": [{"start": start, "end": end} for start, end in pools]}


def _pair(*addresses: str) -> dict[str, Any]:
    return {"spec.allowedAddressPairs": [{"address": address} for address in addresses]}


SUBNET = "spec.subnets[0]"
SECOND = "spec.subnets[1]"
ONE_OF_EACH = "subnets must be one of IPv4, one of IPv6, or one of IPv4 and then one of IPv6"
ALIKE = "dhcp must be the same in both subnets"
PREFIX6 = "must have a prefix from /64 to /120"
ROUTED6 = "must be in a range that guests can use (2000::/3, fd00::/8)"
SLAAC = (
    "ipv6Mode SLAAC needs a prefix of /64: a guest makes the other half of the address from its MAC address"
)
GATEWAY6 = "gateway must be an address inside cidr, and not its first, which is every router's"
DNS4 = "dns of an IPv4 subnet must be IPv4 addresses; IPv6 ones go with the IPv6 subnet"
DNS6 = "dns of an IPv6 subnet must be IPv6 addresses; IPv4 ones go with the IPv4 subnet"
OF_IPV4 = "pools, ntp and routes are of an IPv4 subnet: leave them out of the IPv6 one"
TOLD_ONCE = "domain and search are of the first subnet, and hold for both: leave them out of the second"
IPV6_ALONE = {"name": "b", "cidr": "fd00:10::/64"}
PAIR = "spec.allowedAddressPairs[0]"
ADDRESS_OR_RANGE = (
    "must be an IPv4 address or a range from /16 to /32, for example 10.10.0.100 or 10.10.1.0/24"
)

NETWORKS = [
    Bad("no subnet", "Network", {"spec.subnets": []}, "spec.subnets"),
    Bad("two of IPv4", "Network", _second(cidr="10.11.0.0/24"), "spec.subnets", ONE_OF_EACH),
    Bad(
        "IPv6 before IPv4",
        "Network",
        {"spec.subnets": [IPV6_ALONE, {"name": "a", "cidr": "10.10.0.0/24"}]},
        "spec.subnets",
        ONE_OF_EACH,
    ),
    Bad(
        "two of IPv6",
        "Network",
        {"spec.subnets": [IPV6_ALONE, {"name": "a", "cidr": "fd00:11::/64"}]},
        "spec.subnets",
        ONE_OF_EACH,
    ),
    Bad(
        "a subnet around metadata's address",
        "Network",
        {"spec.subnets": [{**IPV6_ALONE, "cidr": "fd00:ec2::/64"}], "spec.metadata": "Enabled"},
        "spec",
        "subnets must not hold fd00:ec2::254 with metadata Enabled: the gateway answers there",
    ),
    Bad(
        "mtu too small for IPv6 alone",
        "Network",
        {"spec.subnets": [IPV6_ALONE], "spec.mtu": 1279},
        "spec",
        "mtu must be at least 1280 with an IPv6 subnet (RFC 8200)",
    ),
    Bad(
        "pools of IPv6 alone",
        "Network",
        {"spec.subnets": [{**IPV6_ALONE, "pools": [{"start": "10.10.0.9", "end": "10.10.0.20"}]}]},
        SUBNET,
        OF_IPV4,
    ),
    Bad("dhcp of one subnet", "Network", _second(dhcp="Disabled"), "spec.subnets", ALIKE),
    Bad("IPv6 too wide", "Network", _second(cidr="fd00::/48"), f"{SECOND}.cidr", PREFIX6),
    Bad("IPv6 too narrow", "Network", _second(cidr="fd00::/124"), f"{SECOND}.cidr", PREFIX6),
    Bad("IPv6 host bits", "Network", _second(cidr="fd00::5/64"), f"{SECOND}.cidr", CIDR),
    Bad("IPv6 link-local", "Network", _second(cidr="fe80::/64"), f"{SECOND}.cidr", ROUTED6),
    Bad("SLAAC in half a /64", "Network", _second(cidr="fd00::/80", ipv6Mode="SLAAC"), SECOND, SLAAC),
    Bad("SLAAC of IPv4", "Network", _subnet(ipv6Mode="SLAAC"), SUBNET, "ipv6Mode goes with an IPv6 cidr"),
    Bad("another mode", "Network", _second(ipv6Mode="Stateless"), f"{SECOND}.ipv6Mode"),
    Bad("IPv6 gateway outside", "Network", _second(gateway="fd01::1"), SECOND, GATEWAY6),
    Bad("every router's address as gateway", "Network", _second(gateway="fd00:10::"), SECOND, GATEWAY6),
    Bad("the same in full", "Network", _second(gateway="fd00:10:0:0:0:0:0:0"), SECOND, GATEWAY6),
    Bad("IPv4 gateway of IPv6", "Network", _second(gateway="10.10.0.1"), SECOND, GATEWAY6),
    Bad("IPv4 dns of IPv6", "Network", _second(dns=["192.0.2.53"]), SECOND, DNS6),
    Bad("IPv6 dns of IPv4", "Network", _subnet(dns=["fd00::53"]), SUBNET, DNS4),
    Bad("domain of IPv6", "Network", _second(domain="lab.example"), "spec.subnets", TOLD_ONCE),
    Bad("IPv6 ntp", "Network", _second(ntp=["192.0.2.1"]), SECOND, OF_IPV4),
    Bad("prefix 33", "Network", _subnet(cidr="10.0.0.0/33"), f"{SUBNET}.cidr", CIDR),
    Bad("three octets", "Network", _subnet(cidr="10.0.0/24"), f"{SUBNET}.cidr", CIDR),
    Bad("host bits", "Network", _subnet(cidr="10.0.0.5/24"), f"{SUBNET}.cidr", CIDR),
    Bad("no prefix", "Network", _subnet(cidr="10.0.0.0"), f"{SUBNET}.cidr", CIDR),
    Bad("octet of 256", "Network", _subnet(cidr="10.0.256.0/24"), f"{SUBNET}.cidr", CIDR),
    Bad("leading zero", "Network", _subnet(cidr="010.0.0.0/24"), f"{SUBNET}.cidr", CIDR),
    Bad("too wide", "Network", _subnet(cidr="10.0.0.0/8"), f"{SUBNET}.cidr", PREFIX),
    Bad("too narrow", "Network", _subnet(cidr="10.0.0.0/30"), f"{SUBNET}.cidr", PREFIX),
    Bad("loopback", "Network", _subnet(cidr="127.0.0.0/24"), f"{SUBNET}.cidr", RESERVED),
    Bad("link-local", "Network", _subnet(cidr="169.254.169.0/24"), f"{SUBNET}.cidr", RESERVED),
    Bad("multicast", "Network", _subnet(cidr="239.1.0.0/16"), f"{SUBNET}.cidr", RESERVED),
    Bad("this network", "Network", _subnet(cidr="0.0.0.0/16"), f"{SUBNET}.cidr", RESERVED),
    Bad("class E", "Network", _subnet(cidr="255.255.0.0/16"), f"{SUBNET}.cidr", RESERVED),
    Bad("rest of a week", "Network", _subnet(reuseAfter="168h"), f"{SUBNET}.reuseAfter", REST),
    Bad("gateway outside", "Network", _subnet(gateway="10.1.0.1"), SUBNET, GATEWAY),
    Bad("gateway is the network", "Network", _subnet(gateway="10.10.0.0"), SUBNET, GATEWAY),
    Bad("gateway is the broadcast", "Network", _subnet(gateway="10.10.0.255"), SUBNET, GATEWAY),
    Bad("broadcast of a /29", "Network", _subnet(cidr="10.10.0.8/29", gateway="10.10.0.15"), SUBNET, GATEWAY),
    Bad("gateway no address", "Network", _subnet(gateway="router"), f"{SUBNET}.gateway", IP),
    Bad("pool outside", "Network", _pools(("10.10.1.1", "10.10.1.9")), SUBNET, POOLS),
    Bad("pool ends outside", "Network", _pools(("10.10.0.9", "10.10.1.9")), SUBNET, POOLS),
    Bad("pool from the network", "Network", _pools(("10.10.0.0", "10.10.0.9")), SUBNET, POOLS),
    Bad("pool to the broadcast", "Network", _pools(("10.10.0.9", "10.10.0.255")), SUBNET, POOLS),
    Bad("pool backwards", "Network", _pools(("10.10.0.100", "10.10.0.20")), SUBNET, POOL_ORDER),
    Bad(
        "pools overlap",
        "Network",
        _pools(("10.10.0.10", "10.10.0.50"), ("10.10.0.50", "10.10.0.60")),
        SUBNET,
        POOL_OVERLAP,
    ),
    Bad(
        "one pool in another",
        "Network",
        _pools(("10.10.0.9", "10.10.0.200"), ("10.10.0.20", "10.10.0.30")),
        SUBNET,
        POOL_OVERLAP,
    ),
    Bad(
        "the same pool twice",
        "Network",
        _pools(("10.10.0.9", "10.10.0.20"), ("10.10.0.9", "10.10.0.20")),
        SUBNET,
        POOL_OVERLAP,
    ),
    Bad("pool without end", "Network", _subnet(pools=[{"start": "10.10.0.9"}]), f"{SUBNET}.pools[0].end"),
    Bad("pool of words", "Network", _pools(("first", "10.10.0.9")), f"{SUBNET}.pools[0].start", IPV4),
    Bad(
        "nine pools",
        "Network",
        _pools(*((f"10.10.0.{n}", f"10.10.0.{n}") for n in range(1, 10))),
        f"{SUBNET}.pools",
    ),
    Bad("dns by name", "Network", _subnet(dns=["dns.example"]), f"{SUBNET}.dns[0]", IP),
    Bad("five dns servers", "Network", _subnet(dns=[f"10.10.0.{n}" for n in range(5)]), f"{SUBNET}.dns"),
    Bad("dhcp as a boolean", "Network", _subnet(dhcp=True), f"{SUBNET}.dhcp"),
    Bad("egress of another kind", "Network", {"spec.egress": "Routed"}, "spec.egress"),
    Bad("mtu too small", "Network", {"spec.mtu": 500}, "spec.mtu"),
    Bad(
        "mtu too small for IPv6",
        "Network",
        {"spec.mtu": 1279, **_second()},
        "spec",
        "mtu must be at least 1280 with an IPv6 subnet (RFC 8200)",
    ),
    Bad("mtu too large", "Network", {"spec.mtu": 9001}, "spec.mtu"),
    # Port
    Bad("no network", "Port", {"spec.networkRef": ABSENT}, "spec.networkRef"),
    Bad("address and prefix", "Port", {"spec.address": "10.10.0.9/24"}, "spec.address", IPV4),
    Bad("IPv6 address", "Port", {"spec.address": "fd00::1"}, "spec.address", IPV4),
    Bad("IPv4 as IPv6", "Port", {"spec.ipv6Address": "10.10.0.9"}, "spec.ipv6Address", IPV6),
    Bad("IPv6 and prefix", "Port", {"spec.ipv6Address": "fd00::9/64"}, "spec.ipv6Address", IPV6),
    Bad("multicast MAC", "Port", {"spec.macAddress": "01:00:5e:00:00:01"}, "spec.macAddress", MAC),
    Bad("a vendor's MAC", "Port", {"spec.macAddress": "00:16:3e:00:00:01"}, "spec.macAddress", MAC),
    Bad("broadcast MAC", "Port", {"spec.macAddress": "ff:ff:ff:ff:ff:ff"}, "spec.macAddress", MAC),
    Bad("upper-case MAC", "Port", {"spec.macAddress": "02:00:00:00:00:AA"}, "spec.macAddress", MAC),
    Bad("MAC of five bytes", "Port", {"spec.macAddress": "02:00:00:00:00"}, "spec.macAddress", MAC),
    Bad("MAC with dashes", "Port", {"spec.macAddress": "02-00-00-00-00-01"}, "spec.macAddress", MAC),
    Bad("pair of host bits", "Port", _pair("10.10.0.5/24"), f"{PAIR}.address", ADDRESS_OR_RANGE),
    Bad("pair of everything", "Port", _pair("0.0.0.0/0"), f"{PAIR}.address"),
    Bad("pair too wide", "Port", _pair("10.0.0.0/8"), f"{PAIR}.address", ADDRESS_OR_RANGE),
    Bad("pair of IPv6", "Port", _pair("fd00::1"), f"{PAIR}.address", ADDRESS_OR_RANGE),
    Bad("pair of a word", "Port", _pair("vip"), f"{PAIR}.address", ADDRESS_OR_RANGE),
    Bad("pair for metadata", "Port", _pair("169.254.169.254"), f"{PAIR}.address", RESERVED),
    Bad("pair of multicast", "Port", _pair("224.0.0.0/24"), f"{PAIR}.address", RESERVED),
    Bad("nine pairs", "Port", _pair(*(f"10.10.0.{n}" for n in range(9))), "spec.allowedAddressPairs"),
    Bad("a pair twice", "Port", _pair("10.10.0.9", "10.10.0.9"), "spec.allowedAddressPairs[1]"),
]
