"""What a NIC has of IPv6, as its node is told."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from orlop_api.network import Ipv6Mode
from orlop_api.resource import LIST_ATOMIC, ApiModel, Ip


class AssignedIpv6(ApiModel):
    """What a NIC has of IPv6."""

    address: Ip
    """The guest's address."""
    cidr: Annotated[str, Field(max_length=43)]
    """The subnet."""
    gateway: Ip
    """The subnet's router: an anycast address on every node."""
    dns: Annotated[list[Ip], Field(max_length=4, json_schema_extra=LIST_ATOMIC)] = []
    """Name servers for the guest."""
    mode: Ipv6Mode = Ipv6Mode.DHCPV6
    """How the guest comes to its address, where dhcp is Enabled."""
