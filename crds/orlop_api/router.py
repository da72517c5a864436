"""Router: joins Networks of a namespace, as Neutron's does; it is on every node, and so nowhere in particular."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from orlop_api.address import IPV4
from orlop_api.condition import Conditions
from orlop_api.resource import (
    API_VERSION,
    LIST_ATOMIC,
    ApiModel,
    DnsLabel,
    DnsSubdomain,
    Ip,
    Ipv4,
    LocalRef,
    Message,
    Metadata,
    ObjectUid,
    Reason,
    list_map,
    rules,
)
from orlop_api.subnet_options import DESTINATION, AssignedRoute

MOST_NETWORKS = 16
"""Networks of one Router: a node that has one of them has all."""
MOST_STATIC_ROUTES = 16


class RouterRoute(ApiModel):
    """Where packets go that are for none of the Networks."""

    destination: Annotated[str, Field(max_length=18, json_schema_extra=rules(*DESTINATION))]
    """The addresses that it leads to, in CIDR form, for example 192.168.0.0/16: outside of all its Networks."""
    via: Annotated[Ipv4, Field(json_schema_extra=rules(IPV4))]
    """Who takes them: the address of a Port on one of the Networks, whose allowedAddressPairs name the destination."""


class RouterSpec(ApiModel):
    """What is joined."""

    networks: Annotated[
        list[LocalRef], Field(min_length=1, max_length=MOST_NETWORKS, json_schema_extra=list_map("name"))
    ]
    """Networks of this namespace, at most 16, whose guests reach each other; they may change at any time. Their subnets
    must not overlap, and a Network is in one Router."""
    routes: Annotated[
        list[RouterRoute], Field(max_length=MOST_STATIC_ROUTES, json_schema_extra=list_map("destination"))
    ] = []
    """Static routes, at most 16; they may change at any time."""


class JoinedIpv6(ApiModel):
    """What a Network has of IPv6, resolved."""

    cidr: Annotated[str, Field(max_length=43)]
    """Its subnet."""
    gateway: Ip
    """The subnet's router."""


class JoinedNetwork(ApiModel):
    """One Network with everything resolved."""

    name: DnsSubdomain
    """The Network."""
    network_uid: ObjectUid
    """Its uid."""
    segment_id: Annotated[int, Field(ge=1, le=16777215)]
    """The VXLAN network identifier."""
    cidr: Annotated[str, Field(max_length=18)] | None = None
    """Its subnet of IPv4, where it has one."""
    gateway: Ipv4 | None = None
    """That subnet's router: what the Router is to its guests."""
    ipv6: JoinedIpv6 | None = None
    """Its subnet of IPv6, where it has one: those Networks that have one reach each other by it."""
    mtu: Annotated[int, Field(ge=576, le=9000)]
    """MTU in bytes."""


class RouterStatus(ApiModel):
    """What is joined; operator only. Agents route by this."""

    observed_generation: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] = 0
    """The metadata.generation that this status is about."""
    networks: Annotated[
        list[JoinedNetwork], Field(max_length=MOST_NETWORKS, json_schema_extra=list_map("name"))
    ] = []
    """The Networks that are joined: claimed, ready and apart."""
    routes: Annotated[
        list[AssignedRoute], Field(max_length=MOST_STATIC_ROUTES, json_schema_extra=LIST_ATOMIC)
    ] = []
    """The static routes in force."""
    conditions: Conditions = []
    """Ready: every Network is joined, and every route in force. Routing, only while False: a node cannot have it so."""


class UnroutedRouter(ApiModel):
    """A Router that cannot be had on a node as it shall be; its Hypervisor says so."""

    router_uid: ObjectUid
    """Its uid."""
    namespace: DnsLabel
    """Its namespace."""
    reason: Reason
    """The cause in one word."""
    message: Message = ""
    """The cause in one sentence."""


class Router(ApiModel):
    """Lets guests of several Networks of the namespace reach each other, each by its own node."""

    api_version: Literal["orlop.dev/v1alpha1"] = API_VERSION
    kind: Literal["Router"] = "Router"
    metadata: Metadata = Metadata()
    spec: RouterSpec
    """What is joined."""
    status: RouterStatus | None = None
    """What is joined by now."""
