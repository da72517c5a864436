"""Which IPv6 address a NIC may get. Pure.

A /64 has more addresses than anybody can list: the next one is found by counting up past those that are taken.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from ipaddress import IPv6Address, IPv6Network

from orlop_api.address6 import eui64
from orlop_api.claim import Claim, ClaimType
from orlop_api.network import Dhcp, Ipv6Mode, Network, Subnet
from orlop_operator.ipam import numbered_mac

DERIVED = 1 << 16
"""MAC addresses that Orlop derives on a segment; the first is the gateway's in a Network of IPv6 alone."""


def is_ipv6(claim: Claim) -> bool:
    """Whether an address of IPv6 is claimed."""
    return claim.spec.type is ClaimType.ADDRESS and ":" in claim.spec.value


def subnet6(network: Network) -> Subnet | None:
    """The IPv6 subnet, where there is one."""
    return next((subnet for subnet in network.spec.subnets if ":" in subnet.cidr), None)


def subnet4(network: Network) -> Subnet | None:
    """The IPv4 subnet, where there is one."""
    return next((subnet for subnet in network.spec.subnets if ":" not in subnet.cidr), None)


def subnet_of(network: Network, address: str) -> Subnet | None:
    """The subnet of the address's family."""
    return subnet6(network) if ":" in address else subnet4(network)


def gateway6(subnet: Subnet) -> str:
    """The router's address; the first of all is every router's (RFC 4291, section 2.6.1)."""
    return str(IPv6Address(subnet.gateway) if subnet.gateway else IPv6Network(subnet.cidr)[1])


def slaac(subnet: Subnet, mac: str) -> str:
    """The address that a guest with this MAC address gives itself."""
    return str(eui64(IPv6Network(subnet.cidr), mac))


def mac_for(segment: int, subnet: Subnet, address: str) -> tuple[str, bool]:
    """The MAC address that follows from an address in a Network of IPv6 alone, and whether nobody else can get it.

    The first 65536 addresses are told apart by their last 16 bits, as those of IPv4 are. Others, which somebody
    asked for, have a random-looking MAC, of those that are given locally, and that is claimed. So have all that
    somebody asked for where other guests make their addresses of derived MACs.
    """
    number = int(IPv6Address(address)) - int(IPv6Network(subnet.cidr).network_address)
    if number < DERIVED and subnet.ipv6_mode is not Ipv6Mode.SLAAC:
        return numbered_mac(segment, number), True
    digest = hashlib.sha256(f"{segment}/{address}".encode()).digest()
    return (b"\x06" + digest[:5]).hex(":"), False


def why_not6(subnet: Subnet, address: str) -> str | None:
    """Why a requested address cannot be had in this subnet; None when it can."""
    network, wanted = IPv6Network(subnet.cidr), IPv6Address(address)
    if subnet.ipv6_mode is Ipv6Mode.SLAAC and subnet.dhcp is Dhcp.ENABLED:
        return (
            f"{address} cannot be asked for: with ipv6Mode SLAAC guests make their address from their MAC address,"
            " so ask for that, or leave ipv6Address out"
        )
    if wanted not in network:
        return f"{address} is not in {subnet.cidr}"
    if wanted == network.network_address:
        return f"{address} is every router's of {subnet.cidr} (RFC 4291, section 2.6.1)"
    return f"{address} is the gateway" if str(wanted) == gateway6(subnet) else None


def next_free6(subnet: Subnet, is_taken: Callable[[str], bool]) -> str | None:
    """The first address that is not taken; None when all are."""
    network, router = IPv6Network(subnet.cidr), gateway6(subnet)
    for number in range(1, network.num_addresses):
        address = str(network.network_address + number)
        if address != router and not is_taken(address):
            return address
    return None
