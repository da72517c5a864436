"""FloatingIPs, and Networks that they are of, that must be refused."""

from __future__ import annotations

from support.bad import Bad

_POOLS = [{"start": "10.10.0.100", "end": "10.10.0.110"}]
_FLAT = {"type": "Flat", "physicalNetwork": "public"}
PHYSICAL = (
    "segment.physicalNetwork goes with segment.type VLAN, Bridge and Flat, and these with it: it says which"
    " physical network"
)

FLOATING_IPS = [
    Bad(
        "no address",
        "FloatingIP",
        {"spec.address": "web"},
        "spec.address",
        "must be an IPv4 address, for example 10.10.0.20",
    ),
    Bad(
        "no such port",
        "FloatingIP",
        {"spec.ports": [{"port": 70000}]},
        "spec.ports[0].port",
        "spec.ports[0].port in body should be less than or equal to 65535",
    ),
    Bad(
        "flat without a physical network",
        "Network",
        {"spec.segment": {"type": "Flat"}, "spec.subnets.0.pools": _POOLS},
        "spec",
        PHYSICAL,
    ),
    Bad(
        "physical network without flat",
        "Network",
        {"spec.segment": {"physicalNetwork": "public"}},
        "spec",
        PHYSICAL,
    ),
    Bad(
        "flat without pools",
        "Network",
        {"spec.segment": _FLAT},
        "spec",
        "a Flat Network needs pools in its subnet: the addresses there that nobody else has",
    ),
    Bad(
        "flat with two subnets",
        "Network",
        {
            "spec.segment": _FLAT,
            "spec.subnets": [
                {
                    "name": "v4",
                    "cidr": "10.10.0.0/24",
                    "pools": _POOLS,
                },
                {
                    "name": "v6",
                    "cidr": "fd00:10::/64",
                },
            ],
        },
        "spec",
        "a Flat Network has one subnet, of IPv4: FloatingIPs have its addresses",
    ),
]
