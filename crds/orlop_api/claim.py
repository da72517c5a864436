"""Claim: something that only one may hold. Its name is the thing, so etcd itself lets only one create win."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from orlop_api.resource import API_VERSION, ApiModel, DnsLabel, DnsSubdomain, Metadata, ObjectUid, rule, rules

CLAIM_NAMESPACE = "orlop-system"


class ClaimType(StrEnum):
    """What is claimed."""

    ADDRESS = "Address"
    MAC = "MAC"
    SEGMENT = "Segment"


class Holder(ApiModel):
    """The object that holds the Claim."""

    kind: Literal["Network", "Port"]
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
    """Address, MAC or Segment."""
    value: Annotated[str, Field(max_length=64)]
    """The address, MAC address or segment number."""
    network_uid: ObjectUid
    """The Network that it belongs to."""
    holder: Holder
    """The object that holds it."""


class Claim(ApiModel):
    """An address, MAC or segment number that is taken: `<network uid>-<address>`, `vni-<number>`."""

    api_version: Literal["orlop.dev/v1alpha1"] = API_VERSION
    kind: Literal["Claim"] = "Claim"
    metadata: Metadata = Metadata()
    spec: Annotated[
        ClaimSpec,
        Field(
            json_schema_extra=rules(rule("self == oldSelf", "spec is immutable: a Claim is made or deleted"))
        ),
    ]
    """What is held, and by whom."""


def address_claim(network_uid: str, address: str) -> str:
    """Name of the Claim on an address."""
    return f"{network_uid}-{address}"


def mac_claim(network_uid: str, mac: str) -> str:
    """Name of the Claim on a MAC address (a colon is not allowed in names)."""
    return f"{network_uid}-{mac.replace(':', '-')}"


def segment_claim(number: int) -> str:
    """Name of the Claim on a segment number."""
    return f"vni-{number}"
