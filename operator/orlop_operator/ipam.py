"""Which address a NIC may get, and the MAC address that follows from it. Pure."""

from __future__ import annotations

from collections.abc import Container, Iterator
from ipaddress import IPv4Address, IPv4Network

from orlop_api.network import Subnet

FIRST_SEGMENT = 4096
LAST_SEGMENT = 16777215
"""VXLAN network identifiers have 24 bits (RFC 7348)."""
OVERHEAD = 50
"""Bytes that VXLAN over IPv4 takes from the underlay's MTU (RFC 7348: 14 + 20 + 8 + 8)."""


def gateway(subnet: Subnet) -> str:
    """The router's address."""
    return subnet.gateway or str(IPv4Network(subnet.cidr)[1])


def candidates(subnet: Subnet, begin: int = 0) -> Iterator[str]:
    """Addresses to hand out, in order, from a number on: of the pools, or all hosts of the range; never the gateway."""
    network = IPv4Network(subnet.cidr)
    taken = {gateway(subnet), str(network.network_address), str(network.broadcast_address)}
    ranges = [(int(IPv4Address(p.start)), int(IPv4Address(p.end))) for p in subnet.pools] or [
        (int(network.network_address), int(network.broadcast_address))
    ]
    for first, last in ranges:
        for number in range(max(first, begin), last + 1):
            address = str(IPv4Address(number))
            if address not in taken:
                yield address


def why_not(subnet: Subnet, address: str) -> str | None:
    """Why a requested address cannot be had in this subnet; None when it can."""
    network = IPv4Network(subnet.cidr)
    number = IPv4Address(address)
    if number not in network:
        return f"{address} is not in {subnet.cidr}"
    if number in {network.network_address, network.broadcast_address}:
        return f"{address} is not a host address of {subnet.cidr}"
    if address == gateway(subnet):
        return f"{address} is the gateway"
    return None


def pair_why_not(subnet: Subnet, address: str) -> str | None:
    """Why a guest may not speak as this address or range; None when it may."""
    router = gateway(subnet)
    if IPv4Address(router) in IPv4Network(address):
        return f"{address} is the gateway" if address == router else f"{address} holds the gateway, {router}"
    return None


def derived_mac(segment: int, address: str) -> str:
    """02 (locally administered), 24 bits of the segment, the low 16 bits of the address."""
    return numbered_mac(segment, int(IPv4Address(address)) & 0xFFFF)


def numbered_mac(segment: int, number: int) -> str:
    """The same of a number below 65536."""
    return bytes([2, *segment.to_bytes(3, "big"), *number.to_bytes(2, "big")]).hex(":")


def mac_is_reserved(segment: int, mac: str, derived: str | None) -> bool:
    """Whether a requested MAC address is one that Orlop derives on the segment, but for the asker's own address."""
    return mac[:11] == numbered_mac(segment, 0)[:11] and mac != derived


def next_segment(taken: Container[str]) -> int | None:
    """The lowest segment number that no Claim holds."""
    return next((n for n in range(FIRST_SEGMENT, LAST_SEGMENT + 1) if str(n) not in taken), None)
