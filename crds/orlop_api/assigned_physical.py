"""What a node is told of the physical network that a NIC is on."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from orlop_api.resource import ApiModel, DnsLabel


class AssignedPhysical(ApiModel):
    """Where a VLAN or Bridge Network is."""

    network: DnsLabel
    """The physical network, by its name in orlop-config."""
    vlan_id: Annotated[int, Field(ge=1, le=4094)] | None = None
    """The VLAN; what is untagged on a bridge when absent."""
