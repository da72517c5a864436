"""A node's interface on a physical network."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from orlop_api.resource import ApiModel, DnsLabel, list_map


class InterfaceType(StrEnum):
    """What a node's interface is."""

    BRIDGE = "Bridge"
    OTHER = "Other"


class PhysicalInterface(ApiModel):
    """The node's interface on a physical network."""

    name: DnsLabel
    """Name of the physical network in orlop-config."""
    mtu: Annotated[int, Field(ge=68, le=65535)]
    """The interface's MTU, in bytes."""
    type: InterfaceType
    """Bridge: a bridge of Linux, which Bridge Networks need. Other: anything else, for VLANs."""


PhysicalInterfaces = Annotated[
    list[PhysicalInterface], Field(max_length=16, json_schema_extra=list_map("name"))
]
