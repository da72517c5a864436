"""InstanceGroup: Instances that shall be near each other, or apart, as Nova's server group."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from orlop_api.condition import Conditions
from orlop_api.resource import (
    API_VERSION,
    ApiModel,
    DnsSubdomain,
    Metadata,
    ObjectUid,
    list_map,
    rule,
    rules,
)

HOSTNAME = "kubernetes.io/hostname"
"""The topology in which each node is a domain by itself, whatever its labels say."""
MOST_MEMBERS = 256
"""Of one InstanceGroup whose policy must hold: its status lists them."""


class GroupPolicy(StrEnum):
    """How the Instances are placed."""

    AFFINITY = "Affinity"
    ANTI_AFFINITY = "AntiAffinity"
    SOFT_AFFINITY = "SoftAffinity"
    SOFT_ANTI_AFFINITY = "SoftAntiAffinity"


_TOPOLOGY_KEY = rule(
    "self.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$')",
    "must be the key of a node label, for example topology.kubernetes.io/zone",
)
_MOST_GOES_WITH = rule(
    "!has(self.maxPerDomain) || self.policy == 'AntiAffinity'",
    "maxPerDomain goes with policy AntiAffinity only",
)


class InstanceGroupSpec(ApiModel):
    """How its Instances are placed."""

    policy: GroupPolicy
    """Affinity: all in one domain. AntiAffinity: each in a domain of its own. SoftAffinity and SoftAntiAffinity:
    likewise where there is room for it, and else anywhere."""
    topology_key: Annotated[str, Field(max_length=317, json_schema_extra=rules(_TOPOLOGY_KEY))] = HOSTNAME
    """The node label whose values are the domains: topology.kubernetes.io/zone, or any other. With
    kubernetes.io/hostname each node is one. Where a policy must hold, nodes without the label are left out."""
    max_per_domain: Annotated[int, Field(ge=1, le=256)] | None = None
    """With AntiAffinity, how many Instances a domain may have, 1 to 256; 1 when absent."""


class GroupMember(ApiModel):
    """An Instance and the domain that it has a place in."""

    uid: ObjectUid
    """Uid of the Instance."""
    name: DnsSubdomain
    """Its name."""
    domain: Annotated[str, Field(max_length=253)]
    """Value of the topology's label: the domain that it is, or will be, in."""
    order: Annotated[str, Field(max_length=32)]
    """The resourceVersion of its Assignment that the binding was to replace: the place counts for no other."""


class InstanceGroupStatus(ApiModel):
    """Who has a place; operator only."""

    observed_generation: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] = 0
    """The metadata.generation that this status is about."""
    members: Annotated[
        list[GroupMember], Field(max_length=MOST_MEMBERS, json_schema_extra=list_map("uid"))
    ] = []
    """With Affinity and AntiAffinity, the Instances that have a place, from before they get their node to when they
    are gone; at most 256. No Instance is given a node without it."""
    conditions: Conditions = []
    """Ready: Instances may name it."""


class InstanceGroup(ApiModel):
    """Instances that shall be placed near each other, or apart: those that name it in spec.placement.groupRef."""

    api_version: Literal["orlop.dev/v1alpha1"] = API_VERSION
    kind: Literal["InstanceGroup"] = "InstanceGroup"
    metadata: Metadata = Metadata()
    spec: Annotated[
        InstanceGroupSpec,
        Field(
            json_schema_extra=rules(
                _MOST_GOES_WITH, rule("self == oldSelf", "spec is immutable: create another InstanceGroup")
            )
        ),
    ]
    """How its Instances are placed."""
    status: InstanceGroupStatus | None = None
    """Who has a place."""
