"""What a subnet may not have its guests told."""

from __future__ import annotations

from typing import Any

from support.bad import Bad

DOMAIN = "must be a DNS domain in lower case, without a dot at its end, for example lab.example"
TAKEN = "must be a domain whose names can be given: arpa and localhost mean something else"
IPV4 = "must be an IPv4 address, for example 10.10.0.20"
DESTINATION = "must be a network address with its prefix, for example 10.20.0.0/16"
EVERYWHERE = "must be narrower than everything: the way there is the gateway, by egress NAT"
NOWHERE = "must not be in a range that nobody routes (0.0.0.0/8, 127.0.0.0/8, 224.0.0.0/4, 240.0.0.0/4)"
VIA = "routes must go via host addresses inside cidr: not outside it, not its first, not its last"
OUT = "routes must lead out of cidr: all addresses inside it are on the link"
NTP = "ntp servers are told by DHCP alone: leave them out, or set dhcp to Enabled"
TOGETHER = "domain and search must have at most 80 characters altogether"
SUBNET = "spec.subnets[0]"


def _subnet(**values: Any) -> dict[str, Any]:
    return {f"spec.subnets.0.{name}": value for name, value in values.items()}


def _way(destination: str, via: str = "10.10.0.9") -> dict[str, Any]:
    return _subnet(routes=[{"destination": destination, "via": via}])


def _bad(name: str, changes: dict[str, Any], field: str, message: str | None = None) -> Bad:
    return Bad(name, "Network", changes, f"{SUBNET}{field}", message)


_LONG = [f"{letter * 13}.example" for letter in "abcd"]
_NINE = [{"destination": f"10.{n}.0.0/16", "via": "10.10.0.9"} for n in range(20, 29)]

OPTIONS = [
    *(
        _bad(f"domain {name!r}", _subnet(domain=name), ".domain", DOMAIN)
        for name in (
            "lab.example.", ".lab", "lab..example", "-lab", "lab-", "Lab.example", "lab example", "lab_1", "10.10.0.1",
            "lab.example\n", "lab\ndhcp-script=/bin/sh", "lab,10.0.0.1", "lab/10.0.0.1", "#lab", "lab\t", "läb",
            "a" * 64,
        )
    ),
    _bad("empty domain", _subnet(domain=""), ".domain"),
    _bad("domain too long", _subnet(domain=".".join(["a" * 63] * 2)), ".domain"),
    _bad("reverse domain", _subnet(domain="10.in-addr.arpa"), ".domain", TAKEN),
    _bad("localhost", _subnet(domain="localhost"), ".domain", TAKEN),
    _bad("search with a line end", _subnet(search=["lab.example", "x\nserver=1"]), ".search[1]", DOMAIN),
    _bad("search twice", _subnet(search=["lab.example", "lab.example"]), ".search[1]"),
    _bad("five to search", _subnet(search=[f"d{n}.example" for n in range(5)]), ".search"),
    _bad("too much to search", _subnet(search=_LONG), "", TOGETHER),
    _bad("ntp by name", _subnet(ntp=["time.example"]), ".ntp[0]", IPV4),
    _bad("ntp with an option", _subnet(ntp=["10.0.0.1,1.1.1.1"]), ".ntp[0]"),
    _bad("ntp and a line end", _subnet(ntp=["10.0.0.1\n"]), ".ntp[0]", IPV4),
    _bad("five ntp servers", _subnet(ntp=[f"10.10.0.{n}" for n in range(5)]), ".ntp"),
    _bad("ntp without DHCP", _subnet(ntp=["10.10.0.5"], dhcp="Disabled"), "", NTP),
    _bad("route to a host without prefix", _way("10.20.0.1"), ".routes[0].destination", DESTINATION),
    _bad("route with host bits", _way("10.20.0.1/16"), ".routes[0].destination", DESTINATION),
    _bad("route of IPv6", _way("fd00::/8"), ".routes[0].destination", DESTINATION),
    _bad("route with more", _way("10.2.0.0/16,1.1"), ".routes[0].destination", DESTINATION),
    _bad("default route", _way("0.0.0.0/0"), ".routes[0].destination", EVERYWHERE),
    _bad("route to loopback", _way("127.0.0.0/8"), ".routes[0].destination", NOWHERE),
    _bad("route to multicast", _way("239.0.0.0/8"), ".routes[0].destination", NOWHERE),
    _bad("route via a name", _way("10.20.0.0/16", "router"), ".routes[0].via", IPV4),
    _bad("route via outside", _way("10.20.0.0/16", "10.11.0.1"), "", VIA),
    _bad("route via the network", _way("10.20.0.0/16", "10.10.0.0"), "", VIA),
    _bad("route via the broadcast", _way("10.20.0.0/16", "10.10.0.255"), "", VIA),
    _bad("route to the subnet itself", _way("10.10.0.0/24"), "", OUT),
    _bad("route to a part of it", _way("10.10.0.128/25"), "", OUT),
    _bad("a route twice", _subnet(routes=[_way("10.20.0.0/16")["spec.subnets.0.routes"][0]] * 2), ".routes[1]"),
    Bad(
        "route to metadata", "Network", _way("169.254.169.254/32") | {"spec.metadata": "Enabled"}, "spec",
        "routes must not lead to 169.254.169.254/32 with metadata Enabled: the gateway answers there",
    ),
    Bad("metadata on", "Network", {"spec.metadata": "On"}, "spec.metadata"),
    _bad("nine routes", _subnet(routes=_NINE), ".routes"),
]  # fmt: skip
