"""Network: an L2 segment with a subnet, as Neutron has it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from orlop_api.address import CIDR, IP, IPV4, SUBNET
from orlop_api.address6 import ALIKE, CIDR6, MTU6, ONE_OF_EACH, SUBNET6, TOLD_ONCE
from orlop_api.condition import Conditions
from orlop_api.duration import Duration, lasting
from orlop_api.placement import NodeSelector
from orlop_api.resource import (
    API_VERSION,
    LIST_ATOMIC,
    LIST_SET,
    ApiModel,
    DnsLabel,
    Ip,
    Ipv4,
    Metadata,
    list_map,
    rule,
    rules,
)
from orlop_api.subnet_options import MOST_ROUTES, MOST_SEARCHED, SUBNET_OPTIONS, Domain, Route


class SegmentType(StrEnum):
    """What carries the Network between nodes."""

    OVERLAY = "Overlay"
    FLAT = "Flat"
    VLAN = "VLAN"
    BRIDGE = "Bridge"


ON_PHYSICAL = frozenset({SegmentType.VLAN, SegmentType.BRIDGE})
"""Guests are on a physical network."""


class Dhcp(StrEnum):
    """Whether guests are told their address by DHCP."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"


class Ipv6Mode(StrEnum):
    """How guests of an IPv6 subnet come to their address, where dhcp is Enabled; in Neutron's words."""

    SLAAC = "SLAAC"
    """They make it from their MAC address and what the gateway advertises (RFC 4862)."""
    DHCPV6 = "DHCPv6"
    """They are told it by DHCPv6 (RFC 8415)."""


class Egress(StrEnum):
    """How guests reach what is outside the Network."""

    NAT = "NAT"
    NONE = "None"


class MetadataService(StrEnum):
    """Whether guests may ask for their metadata at METADATA_ADDRESS and METADATA_ADDRESS6."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"


METADATA_ADDRESS, METADATA_PORT = "169.254.169.254", 80
"""Where EC2 and OpenStack have it."""
METADATA_ADDRESS6 = "fd00:ec2::254"
"""Where EC2 has it for those who have IPv6."""


_NOT_PHYSICAL = "!has(self.segment) || !(self.segment.type in ['VLAN', 'Bridge'])"


class Segment(ApiModel):
    """What carries the Network between nodes."""

    type: SegmentType = SegmentType.OVERLAY
    """Overlay: VXLAN between the nodes, with a segment number that Orlop picks. VLAN: the VLAN vlanID of a physical
    network, IEEE 802.1Q. Bridge: what is untagged on a physical network that is a bridge of each node. On these two the
    gateway is that network's own router. Flat: a physical network outside of Orlop, whose addresses FloatingIPs have;
    no guest joins it."""
    physical_network: DnsLabel | None = None
    """With VLAN, Bridge and Flat: its name, which orlop-config leads to an interface of each node
    (node.physicalNetworks). It takes the right to `use` physicalnetworks.orlop.dev of this name."""
    vlan_id: Annotated[int, Field(ge=1, le=4094)] | None = None
    """With VLAN: its number, 1 to 4094. One Network has it at a time."""
    node_selector: NodeSelector = {}
    """With VLAN and Bridge: labels that a node must have to run its guests, beside an interface of the physical
    network."""


EXTERNAL = (
    rule(
        "!has(self.segment) || (self.segment.type != 'Overlay') == has(self.segment.physicalNetwork)",
        "segment.physicalNetwork goes with segment.type VLAN, Bridge and Flat, and these with it: it says which"
        " physical network",
    ),
    rule(
        "!has(self.segment) || (self.segment.type == 'VLAN') == has(self.segment.vlanID)",
        "segment.vlanID goes with segment.type VLAN, and VLAN with it: a number from 1 to 4094",
    ),
    rule(
        "!has(self.segment) || self.segment.type in ['VLAN', 'Bridge'] || !has(self.segment.nodeSelector)"
        " || self.segment.nodeSelector.size() == 0",
        "segment.nodeSelector goes with segment.type VLAN or Bridge: other Networks are on every node",
    ),
    rule(
        f"{_NOT_PHYSICAL} || self.subnets.size() == 1 && !self.subnets[0].cidr.contains(':')",
        "a VLAN or Bridge Network has one subnet, of IPv4",
    ),
    rule(
        f"{_NOT_PHYSICAL} || has(self.egress) && self.egress == 'None'",
        "a VLAN or Bridge Network needs egress None: the physical network's own router, the subnet's gateway, leads"
        " out, and no node translates",
    ),
    rule(
        f"{_NOT_PHYSICAL} || !has(self.metadata) || self.metadata == 'Disabled'",
        "a VLAN or Bridge Network needs metadata Disabled: guests get their seed, and no gateway of Orlop is there",
    ),
    rule(
        "!has(self.segment) || self.segment.type != 'Flat' || self.subnets.size() == 1"
        " && !self.subnets[0].cidr.contains(':')",
        "a Flat Network has one subnet, of IPv4: FloatingIPs have its addresses",
    ),
    rule(
        "!has(self.segment) || self.segment.type != 'Flat'"
        " || has(self.subnets[0].pools) && self.subnets[0].pools.size() > 0",
        "a Flat Network needs pools in its subnet: the addresses there that nobody else has",
    ),
)


class Pool(ApiModel):
    """A range of addresses that Orlop may hand out."""

    start: Annotated[Ipv4, Field(json_schema_extra=rules(IPV4))]
    """First address."""
    end: Annotated[Ipv4, Field(json_schema_extra=rules(IPV4))]
    """Last address, included."""


class Subnet(ApiModel):
    """The addresses of a Network."""

    name: DnsLabel
    """Name of the subnet within the Network."""
    cidr: Annotated[str, Field(max_length=43, json_schema_extra=rules(*CIDR, *CIDR6))]
    """The range in CIDR form: of IPv4, prefix 16 to 29, for example 10.10.0.0/24; or of IPv6, prefix 64 to 120, for
    example fd00:10::/64."""
    gateway: Annotated[Ip, Field(json_schema_extra=rules(IP))] | None = None
    """The router's address; the first of the range when absent. On a VLAN or Bridge Network it is a router that is
    there already."""
    pools: Annotated[list[Pool], Field(max_length=8, json_schema_extra=LIST_ATOMIC)] = []
    """Ranges to hand out; all but the gateway when empty. They must not overlap."""
    dns: Annotated[
        list[Annotated[Ip, Field(json_schema_extra=rules(IP))]],
        Field(max_length=4, json_schema_extra=LIST_ATOMIC),
    ] = []
    """Name servers for the guests. Where the gateway is one of them it resolves the names of the Network's Instances,
    and with egress NAT asks the others that are outside the subnet for all other names: guests are told the gateway in
    their place."""
    domain: Domain | None = None
    """Domain of the names of Instances on this Network, told to guests as theirs: web-1 is web-1.<domain> and
    web-1.<namespace>.<domain>. orlop.internal when absent and the gateway is listed in dns."""
    search: Annotated[list[Domain], Field(max_length=MOST_SEARCHED, json_schema_extra=LIST_SET)] = []
    """Further domains in which guests look for names that have none, after domain."""
    ntp: Annotated[
        list[Annotated[Ipv4, Field(json_schema_extra=rules(IPV4))]],
        Field(max_length=4, json_schema_extra=LIST_ATOMIC),
    ] = []
    """Time servers to tell the guests; with dhcp Enabled only."""
    routes: Annotated[
        list[Route], Field(max_length=MOST_ROUTES, json_schema_extra=list_map("destination"))
    ] = []
    """Ways that guests are told beside the gateway's."""
    dhcp: Dhcp = Dhcp.ENABLED
    """Enabled: guests get their address by DHCP, an IPv6 one as ipv6Mode says. Disabled: only by the NoCloud seed, and
    on a VLAN or Bridge Network by a DHCP server that is there and knows their MAC addresses. The same in both
    subnets."""
    ipv6_mode: Ipv6Mode | None = None
    """Of an IPv6 subnet. SLAAC: guests make their address from their MAC address; prefix 64 only. DHCPv6, also when
    absent: they are told it."""
    reuse_after: Annotated[Duration, Field(json_schema_extra=rules(lasting("0s", "24h", "60s")))] = "60s"
    """How long an address that was freed is kept from others, 0s to 24h, so that nobody takes its next user for its
    last one. It is given out before only to who asks for it by name, or when no other address is left."""


class NetworkSpec(ApiModel):
    """The segment that is wanted."""

    segment: Segment = Segment()
    """What carries the Network between nodes."""
    mtu: Annotated[int, Field(ge=576, le=9000)] | None = None
    """Largest packet in bytes, 576 to 9000; derived from the underlay, or the physical network, when absent."""
    subnets: Annotated[
        list[Annotated[Subnet, Field(json_schema_extra=rules(*SUBNET, *SUBNET_OPTIONS, *SUBNET6))]],
        Field(
            min_length=1,
            max_length=2,
            json_schema_extra=list_map("name") | rules(ONE_OF_EACH, ALIKE, TOLD_ONCE),
        ),
    ]
    """The addresses: one subnet, of IPv4 or of IPv6; for dual stack one of IPv4, and one of IPv6 after it. A guest has
    an address of each."""
    egress: Egress = Egress.NAT
    """NAT: guests reach the outside by their node's address, which is of IPv4. None: they do not, but by the router of
    the physical network where they are on one."""
    metadata: MetadataService = MetadataService.DISABLED
    """Enabled: guests may ask for their own metadata, keys and user data at http://169.254.169.254, with an IPv6 subnet
    at http://[fd00:ec2::254], as with OpenStack and EC2. They get their seed (NoCloud) all the same."""


METADATA6 = rule(
    "!has(self.metadata) || self.metadata != 'Enabled'"
    f" || !self.subnets.exists(s, isCIDR(s.cidr) && cidr(s.cidr).containsIP('{METADATA_ADDRESS6}'))",
    f"subnets must not hold {METADATA_ADDRESS6} with metadata Enabled: the gateway answers there",
)
METADATA = rule(
    "!has(self.metadata) || self.metadata != 'Enabled' || !self.subnets.exists(s, has(s.routes)"
    f" && s.routes.exists(r, r.destination == '{METADATA_ADDRESS}/32'))",
    f"routes must not lead to {METADATA_ADDRESS}/32 with metadata Enabled: the gateway answers there",
)


class NetworkStatus(ApiModel):
    """What was allocated."""

    observed_generation: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] = 0
    """The metadata.generation that this status is about."""
    segment_id: Annotated[int, Field(ge=1, le=16777215)] | None = None
    """The VXLAN network identifier; on a VLAN or Bridge Network only Orlop's own number for it on nodes."""
    mtu: Annotated[int, Field(ge=576, le=9000)] | None = None
    """The MTU in force, in bytes."""
    conditions: Conditions = []
    """Ready: Instances may join, or with a Flat segment FloatingIPs have addresses of it."""


class Network(ApiModel):
    """An isolated L2 segment with its addresses, on every node where one of its Instances runs."""

    api_version: Literal["orlop.dev/v1alpha1"] = API_VERSION
    kind: Literal["Network"] = "Network"
    metadata: Metadata = Metadata()
    spec: Annotated[
        NetworkSpec,
        Field(
            json_schema_extra=rules(
                rule("self == oldSelf", "spec is immutable: create another Network"),
                METADATA,
                METADATA6,
                MTU6,
                *EXTERNAL,
            )
        ),
    ]
    """The segment that is wanted."""
    status: NetworkStatus | None = None
    """What was allocated."""

    @property
    def is_external(self) -> bool:
        """Whether it is a physical network, which no guest joins."""
        return self.spec.segment.type is SegmentType.FLAT

    @property
    def is_on_physical(self) -> bool:
        """Whether its guests are on a physical network."""
        return self.spec.segment.type in ON_PHYSICAL
