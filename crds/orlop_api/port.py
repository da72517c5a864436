"""Port: one NIC's identity. It outlives restarts, and an Instance too when its user made it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from orlop_api.address import ADDRESS_OR_RANGE, IPV4, MAC
from orlop_api.address6 import IPV6
from orlop_api.bandwidth import PortQos
from orlop_api.condition import Conditions
from orlop_api.resource import (
    API_VERSION,
    LIST_ATOMIC,
    ApiModel,
    DnsSubdomain,
    Ip,
    Ipv4,
    LocalRef,
    MacAddress,
    Metadata,
    ObjectUid,
    list_map,
    rule,
    rules,
    unchanged,
)
from orlop_api.security_group import MOST_GROUPS, SecurityGroupRefs


class AddressPair(ApiModel):
    """What the guest may send from, and answer for, beside its own address; as Neutron's allowed address pairs."""

    address: Annotated[str, Field(max_length=18, json_schema_extra=rules(*ADDRESS_OR_RANGE))]
    """An IPv4 address, or a range from /16 to /32, without the gateway's address. The MAC is the Port's own."""


AddressPairs = Annotated[list[AddressPair], Field(max_length=8, json_schema_extra=list_map("address"))]


class PortSpec(ApiModel):
    """The identity that is wanted."""

    network_ref: LocalRef
    """The Network to be on."""
    address: Annotated[Ipv4, Field(json_schema_extra=rules(IPV4))] | None = None
    """The IPv4 address that is wanted; the next free one when absent."""
    ipv6_address: Annotated[Ip, Field(json_schema_extra=rules(IPV6))] | None = None
    """The IPv6 address that is wanted, in a Network whose IPv6 subnet tells guests theirs: with ipv6Mode DHCPv6, or
    dhcp Disabled. The next free one when absent. With SLAAC it follows from the MAC address."""
    mac_address: Annotated[MacAddress, Field(json_schema_extra=rules(MAC))] | None = None
    """The MAC address that is wanted; derived from segment and address when absent."""
    allowed_address_pairs: AddressPairs = []
    """Addresses that the guest may use beside its own, at most 8. Several Ports may name the same one: whoever answers
    for it has it, on any node, as VRRP wants it. They are not claimed: one that Orlop may hand out needs a Port too."""
    security_group_refs: SecurityGroupRefs = []
    """The SecurityGroups that the Port is in; at most 5, and they may change at any time.

    Where none is listed, the namespace's SecurityGroup `default` holds; where there is none of that name, nothing is
    filtered.
    """
    qos: PortQos | None = None
    """Limits on what the guest sends and receives; they may change at any time."""


class PortBinding(ApiModel):
    """Who uses the Port, and where."""

    instance_name: DnsSubdomain
    """The Instance."""
    instance_uid: ObjectUid
    """The Instance's uid."""
    node_name: DnsSubdomain
    """Node where it runs."""
    host_address: Ipv4
    """That node's underlay address: where the other nodes send what is for this Port."""


class PortStatus(ApiModel):
    """The identity that was allocated; operator only."""

    observed_generation: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] = 0
    """The metadata.generation that this status is about."""
    network_uid: ObjectUid | None = None
    """The Network's uid; agents select Ports by it."""
    segment_id: Annotated[int, Field(ge=1, le=16777215)] | None = None
    """The VXLAN network identifier."""
    mac_address: MacAddress | None = None
    """The MAC address."""
    addresses: Annotated[list[Ip], Field(max_length=4, json_schema_extra=LIST_ATOMIC)] = []
    """The addresses: that of IPv4, and that of IPv6 after it; in a Network with one subnet one of them."""
    security_groups: (
        Annotated[list[ObjectUid], Field(max_length=MOST_GROUPS, json_schema_extra=LIST_ATOMIC)] | None
    ) = None
    """Uids of the SecurityGroups in force; none: nothing is filtered. Agents find a group's members by it."""
    qos: PortQos | None = None
    """The limits in force of a Port that Orlop made; its Instance says them. Where absent, those of spec are."""
    binding: PortBinding | None = None
    """Who uses the Port, and where."""
    conditions: Conditions = []
    """Ready: address and MAC are claimed. QuotaReserved: only while the namespace's Quota has no room for it."""


_LITTLE_CHANGES = rule(
    unchanged(PortSpec, but={"security_group_refs", "qos"}),
    "only securityGroupRefs and qos of spec may change: create another Port",
)


class Port(ApiModel):
    """One NIC's MAC and addresses on a Network; made by its user, or by Orlop for an Instance."""

    api_version: Literal["orlop.dev/v1alpha1"] = API_VERSION
    kind: Literal["Port"] = "Port"
    metadata: Metadata = Metadata()
    spec: Annotated[
        PortSpec,
        Field(json_schema_extra=rules(_LITTLE_CHANGES)),
    ]
    """The identity that is wanted."""
    status: PortStatus | None = None
    """The identity that was allocated."""
