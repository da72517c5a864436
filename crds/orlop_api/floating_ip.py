"""FloatingIP: an address of an external Network that leads to a Port, as Neutron's; it moves with the Port's guest."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from orlop_api.address import IPV4
from orlop_api.condition import Conditions
from orlop_api.resource import (
    API_VERSION,
    ApiModel,
    DnsLabel,
    DnsSubdomain,
    Ipv4,
    LocalRef,
    Metadata,
    ObjectRef,
    ObjectUid,
    PortNumber,
    list_map,
    rule,
    rules,
    unchanged,
)

MOST_FORWARDS = 32


class ForwardProtocol(StrEnum):
    """What has ports."""

    TCP = "TCP"
    UDP = "UDP"


class PortForward(ApiModel):
    """One port of the address that is let in."""

    protocol: ForwardProtocol = ForwardProtocol.TCP
    """TCP or UDP."""
    port: PortNumber
    """Port of the floating address."""
    target_port: PortNumber | None = None
    """The guest's port that it leads to; the same when absent."""


class FloatingIPSpec(ApiModel):
    """The address that is wanted, and where it leads."""

    network_ref: ObjectRef
    """The external Network (segment Flat) that the address is of; of another namespace with the right to `use` it."""
    address: Annotated[Ipv4, Field(json_schema_extra=rules(IPV4))] | None = None
    """The address that is wanted; the next free one of the Network's pools when absent."""
    port_ref: LocalRef | None = None
    """The Port of this namespace that it leads to; it may change at any time. Absent: the address is reserved. A Port
    has one FloatingIP at a time."""
    ports: Annotated[
        list[PortForward],
        Field(max_length=MOST_FORWARDS, json_schema_extra=list_map("protocol", "port")),
    ] = []
    """The ports that are let in, at most 32, each led to the guest's targetPort; they may change at any time. None
    listed: everything is let in that the guest's SecurityGroups allow. Those judge the port of the guest."""


class FloatingTarget(ApiModel):
    """The Port that a FloatingIP leads to, with everything resolved."""

    name: DnsSubdomain
    """The Port, of the FloatingIP's namespace."""
    uid: ObjectUid
    """Its uid."""
    network_uid: ObjectUid
    """The Port's Network."""
    segment_id: Annotated[int, Field(ge=1, le=16777215)]
    """That one's VXLAN network identifier."""
    address: Ipv4
    """The Port's own address, Neutron's fixed address."""


class FloatingIPStatus(ApiModel):
    """What was allocated, and where it leads; operator only. Agents announce by this."""

    observed_generation: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] = 0
    """The metadata.generation that this status is about."""
    address: Ipv4 | None = None
    """The floating address: claimed, and nobody else's."""
    network_uid: ObjectUid | None = None
    """The external Network."""
    physical_network: DnsLabel | None = None
    """The physical network that the address is announced on."""
    target: FloatingTarget | None = None
    """Where it leads; absent while it is only reserved, or while something is in the way."""
    node_name: DnsSubdomain | None = None
    """Node that has the Port's Instance, and announces the address."""
    conditions: Conditions = []
    """Ready: the address is claimed, and leads to the Port where one is named. QuotaReserved: only while the
    namespace's Quota has no room for it."""


class FloatingIP(ApiModel):
    """An address of an external Network that leads to a Port, on the node where its Instance is."""

    api_version: Literal["orlop.dev/v1alpha1"] = API_VERSION
    kind: Literal["FloatingIP"] = "FloatingIP"
    metadata: Metadata = Metadata()
    spec: Annotated[
        FloatingIPSpec,
        Field(
            json_schema_extra=rules(
                rule(
                    unchanged(FloatingIPSpec, but={"port_ref", "ports"}),
                    "only portRef and ports of spec may change: create another FloatingIP",
                )
            )
        ),
    ]
    """The address that is wanted, and where it leads."""
    status: FloatingIPStatus | None = None
    """What was allocated, and where it leads by now."""
