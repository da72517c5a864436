"""The addresses of a NIC as it is ordered. Pure."""

from __future__ import annotations

from orlop_api.assignment import AssignedNic


def addresses_of(nic: AssignedNic) -> list[str]:
    """Of both families, that of IPv4 first; at least one."""
    return [*nic.addresses, *([nic.ipv6.address] if nic.ipv6 is not None else [])]
