"""Claim: something that only one may hold. Its name is the thing, so etcd itself lets only one create win."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv6Address
from typing import Annotated, Literal

from pydantic import Field

from orlop_api.resource import (
    API_VERSION,
    ApiModel,
    DnsLabel,
    DnsSubdomain,
    Metadata,
    ObjectUid,
    rule,
    rules,
    unchanged,
)

CLAIM_NAMESPACE = "orlop-system"
Moment = Annotated[str, Field(max_length=32, json_schema_extra={"format": "date-time"})]


class ClaimType(StrEnum):
    """What is claimed."""

    ADDRESS = "Address"
    MAC = "MAC"
    SEGMENT = "Segment"
    ROUTER = "Router"
    """A Network, by the Router that joins it with others."""
    FLOATING = "Floating"
    """A Port, by the FloatingIP that leads to it."""
    LAN = "LAN"
    """A VLAN of a physical network, or what is untagged there, by the Network that is there."""


class Holder(ApiModel):
    """The object that holds the Claim."""

    kind: Literal["FloatingIP", "Network", "Port", "Router"]
    """Kind of the holder."""
    namespace: DnsLabel
    """Namespace of the holder."""
    name: DnsSubdomain
    """Name of the holder."""
    uid: ObjectUid
    """For a Port that Orlop makes for an Instance this is the Instance's uid: the Port does not exist yet."""


class ClaimSpec(ApiModel):
    """What is held, and by whom."""

    type: ClaimType
    """Address, MAC, Segment, Router, Floating or LAN."""
    value: Annotated[str, Field(max_length=80)]
    """The address, MAC address or segment number; with Router the Network's uid, with Floating the Port's, with LAN
    the physical network and the VLAN."""
    network_uid: ObjectUid
    """The Network that it belongs to; with Floating the external one."""
    holder: Holder
    """The object that holds it, or held it last."""
    quarantined_until: Moment | None = None
    """Set once, when the address is given back: nobody holds it any more, and until then others are preferred."""


class Claim(ApiModel):
    """An address, MAC, segment number or Network that is taken: `<network uid>-<address>`, `vni-<number>`, …"""

    api_version: Literal["orlop.dev/v1alpha1"] = API_VERSION
    kind: Literal["Claim"] = "Claim"
    metadata: Metadata = Metadata()
    spec: Annotated[
        ClaimSpec,
        Field(
            json_schema_extra=rules(
                rule(
                    unchanged(ClaimSpec, but={"quarantined_until"}),
                    "spec is immutable, but for quarantinedUntil: a Claim is made, given back or deleted",
                ),
                rule(
                    "!has(oldSelf.quarantinedUntil)"
                    " || has(self.quarantinedUntil) && self.quarantinedUntil == oldSelf.quarantinedUntil",
                    "quarantinedUntil may be set once: who takes the address deletes this Claim and makes another",
                ),
            )
        ),
    ]
    """What is held, and by whom."""

    @property
    def is_held(self) -> bool:
        """Whether somebody has it; what was given back waits in quarantine, and is nobody's."""
        return self.spec.quarantined_until is None


def address_claim(network_uid: str, address: str) -> str:
    """Name of the Claim on an address; one of IPv6 in full, so that each has one name, and without colons."""
    if ":" in address:
        address = IPv6Address(address).exploded.replace(":", "-")
    return f"{network_uid}-{address}"


def mac_claim(network_uid: str, mac: str) -> str:
    """Name of the Claim on a MAC address (a colon is not allowed in names)."""
    return f"{network_uid}-{mac.replace(':', '-')}"


def segment_claim(number: int) -> str:
    """Name of the Claim on a segment number."""
    return f"vni-{number}"


def router_claim(network_uid: str) -> str:
    """Name of the Claim on a Network, by the Router that it is in."""
    return f"router-{network_uid}"


def floating_claim(port_uid: str) -> str:
    """Name of the Claim on a Port, by the FloatingIP that leads to it."""
    return f"floating-{port_uid}"


def lan_claim(physical_network: str, vlan_id: int | None) -> str:
    """Name of the Claim on a VLAN of a physical network, or on what is untagged there."""
    return f"lan-{physical_network}-{'untagged' if vlan_id is None else vlan_id}"
