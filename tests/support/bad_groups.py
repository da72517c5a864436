"""SecurityGroups that must be refused, and lists of them."""

from __future__ import annotations

from typing import Any

from support.bad import Bad
from support.manifests import ABSENT

REMOTE = (
    "must be a network with its prefix, for example 10.10.0.0/24 or fd00:10::7/128; 0.0.0.0/0 and ::/0 are all of"
    " IPv4 and of IPv6"
)
ONE_REMOTE = (
    "exactly one of cidr and securityGroupRef must be set; cidr: 0.0.0.0/0 is everybody by IPv4, ::/0 by IPv6"
)
PORTS = "port goes with protocol TCP or UDP"
RANGE = "endPort goes with port, and must not be below it: port 8000, endPort 8099 is a range"
ICMP = "icmpType goes with protocol ICMP"
RULE = "spec.ingress[0]"
KIND = "SecurityGroup"


def _rule(**values: Any) -> dict[str, Any]:
    return {f"spec.ingress.0.{name}": value for name, value in values.items()}


def _listed(*names: str) -> list[dict[str, str]]:
    return [{"name": name} for name in names]


GROUPS = [
    Bad("a host without a prefix", KIND, _rule(cidr="10.10.0.7"), f"{RULE}.cidr", REMOTE),
    Bad("host bits", KIND, _rule(cidr="10.10.0.7/24"), f"{RULE}.cidr", REMOTE),
    Bad("prefix 33", KIND, _rule(cidr="10.10.0.0/33"), f"{RULE}.cidr", REMOTE),
    Bad("IPv6 host bits", KIND, _rule(cidr="fd00::5/64"), f"{RULE}.cidr", REMOTE),
    Bad("a name", KIND, _rule(cidr="web"), f"{RULE}.cidr", REMOTE),
    Bad("neither", KIND, _rule(cidr=ABSENT), RULE, ONE_REMOTE),
    Bad("both", KIND, _rule(securityGroupRef={"name": "web"}), RULE, ONE_REMOTE),
    Bad("egress to nobody", KIND, {"spec.egress": [{"protocol": "TCP"}]}, "spec.egress[0]", ONE_REMOTE),
    Bad("a port of ICMP", KIND, _rule(protocol="ICMP"), RULE, PORTS),
    Bad("a port of all", KIND, _rule(protocol="All"), RULE, PORTS),
    Bad("a port of no protocol", KIND, _rule(protocol=ABSENT), RULE, PORTS),
    Bad("a range backwards", KIND, _rule(endPort=21), RULE, RANGE),
    Bad("an end without a start", KIND, _rule(port=ABSENT, endPort=90), RULE, RANGE),
    Bad("ICMP type of TCP", KIND, _rule(icmpType="EchoRequest"), RULE, ICMP),
    Bad("a number for ICMP type", KIND, _rule(protocol="ICMP", port=ABSENT, icmpType=8), f"{RULE}.icmpType"),
    Bad(
        "an answer as ICMP type",
        KIND,
        _rule(protocol="ICMP", port=ABSENT, icmpType="EchoReply"),
        f"{RULE}.icmpType",
    ),
    Bad("port 0", KIND, _rule(port=0), f"{RULE}.port"),
    Bad("port 65536", KIND, _rule(port=65536), f"{RULE}.port"),
    Bad("a small protocol", KIND, _rule(protocol="tcp"), f"{RULE}.protocol"),
    Bad("a protocol by number", KIND, _rule(protocol=6), f"{RULE}.protocol"),
    Bad("group by no name", KIND, _rule(cidr=ABSENT, securityGroupRef={}), f"{RULE}.securityGroupRef.name"),
    Bad("65 rules", KIND, {"spec.ingress": [{"cidr": "0.0.0.0/0"}] * 65}, "spec.ingress"),
    Bad("six groups", "Port", {"spec.securityGroupRefs": _listed(*"abcdef")}, "spec.securityGroupRefs"),
    Bad("a group twice", "Port", {"spec.securityGroupRefs": _listed("a", "a")}, "spec.securityGroupRefs[1]"),
    Bad(
        "six groups",
        "Instance",
        {"spec.networks.0.securityGroupRefs": _listed(*"abcdef")},
        "spec.networks[0].securityGroupRefs",
    ),
    Bad(
        "groups beside a Port",
        "Instance",
        {"spec.networks.0": {"name": "eth0", "portRef": {"name": "a"}, "securityGroupRefs": _listed("web")}},
        "spec.networks[0]",
        "securityGroupRefs goes with networkRef: a Port has its own",
    ),
]
CHANGED_GROUPS = [
    Bad(
        "another Network",
        "Instance",
        {"spec.networks": [{"name": "eth0", "networkRef": {"name": "red"}}]},
        "spec.networks[0]",
        "only securityGroupRefs and qos of a NIC may change while it is listed: add a NIC with another name,"
        " or remove this one first",
    ),
    Bad(
        "a NIC before one that stays",
        "Instance",
        {
            "spec.networks": [
                {"name": "eth1", "networkRef": {"name": "red"}},
                {"name": "eth0", "networkRef": {"name": "blue"}},
            ]
        },
        "spec.networks",
        "NICs that stay keep their order, and new ones come after them: a guest knows them by it",
    ),
]
