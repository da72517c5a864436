"""SecurityGroup: who may speak with the NICs that are in it, as Neutron has it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from orlop_api.condition import Conditions
from orlop_api.resource import (
    API_VERSION,
    LIST_ATOMIC,
    ApiModel,
    DnsLabel,
    LocalRef,
    Metadata,
    ObjectUid,
    PortNumber,
    list_map,
    rule,
    rules,
)

DEFAULT_GROUP = "default"
"""The SecurityGroup that is in force where a NIC lists none, in a namespace that has one of this name."""
MOST_GROUPS = 5
"""SecurityGroups of one NIC. So few that a policy can ask for the right to use each."""
MOST_RULES = 64
"""Rules of one SecurityGroup in one direction."""

SecurityGroupRefs = Annotated[
    list[LocalRef], Field(max_length=MOST_GROUPS, json_schema_extra=list_map("name"))
]


class Protocol(StrEnum):
    """What a rule allows."""

    ALL = "All"
    TCP = "TCP"
    UDP = "UDP"
    ICMP = "ICMP"


class IcmpType(StrEnum):
    """What begins an exchange by ICMP. Answers, and errors of what is allowed, need no rule of their own."""

    ECHO_REQUEST = "EchoRequest"
    TIMESTAMP_REQUEST = "TimestampRequest"


_REMOTE = rule(
    "isCIDR(self) && cidr(self) == cidr(self).masked()",
    "must be a network with its prefix, for example 10.10.0.0/24 or fd00:10::7/128; 0.0.0.0/0 and ::/0 are all of"
    " IPv4 and of IPv6",
)
_ONE_REMOTE = rule(
    "has(self.cidr) != has(self.securityGroupRef)",
    "exactly one of cidr and securityGroupRef must be set; cidr: 0.0.0.0/0 is everybody by IPv4, ::/0 by IPv6",
)
_PORTS = rule(
    "!has(self.port) || self.protocol in ['TCP', 'UDP']",
    "port goes with protocol TCP or UDP",
)
_RANGE = rule(
    "!has(self.endPort) || (has(self.port) && self.endPort >= self.port)",
    "endPort goes with port, and must not be below it: port 8000, endPort 8099 is a range",
)
_ICMP = rule("!has(self.icmpType) || self.protocol == 'ICMP'", "icmpType goes with protocol ICMP")


class SecurityGroupRule(ApiModel):
    """What is allowed. All rules of all groups of a NIC count; what none allows is dropped."""

    protocol: Protocol = Protocol.ALL
    """TCP, UDP, ICMP, or All: every protocol. Of IPv6 ICMP is ICMPv6; neighbour discovery needs no rule."""
    port: PortNumber | None = None
    """The port that is connected to, 1 to 65535, with TCP or UDP; all ports when absent."""
    end_port: PortNumber | None = None
    """The last port of a range that begins with `port`."""
    icmp_type: IcmpType | None = None
    """EchoRequest (ping) or TimestampRequest, with ICMP; both when absent. IPv6 has no TimestampRequest."""
    cidr: Annotated[str, Field(max_length=43, json_schema_extra=rules(_REMOTE))] | None = None
    """The other side by its address: 10.10.0.0/24 or fd00:10::/64; 0.0.0.0/0 is everybody by IPv4, ::/0 by IPv6."""
    security_group_ref: LocalRef | None = None
    """The other side by its group: every NIC on the same Network in that SecurityGroup of this namespace."""


Rules = Annotated[
    list[
        Annotated[
            SecurityGroupRule,
            Field(json_schema_extra=rules(_ONE_REMOTE, _PORTS, _RANGE, _ICMP)),
        ]
    ],
    Field(max_length=MOST_RULES, json_schema_extra=LIST_ATOMIC),
]


class SecurityGroupSpec(ApiModel):
    """What is allowed to and from NICs in the group."""

    ingress: Rules = []
    """What others may begin with these NICs; nothing when empty. Answers need no rule."""
    egress: Rules = []
    """What these NICs may begin with others; nothing when empty. Answers need no rule, nor does DHCP."""


class SecurityGroupStatus(ApiModel):
    """What Orlop says of it; operator only."""

    observed_generation: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] = 0
    """The metadata.generation that this status is about."""
    conditions: Conditions = []
    """Ready: every SecurityGroup that a rule names exists."""


class SecurityGroup(ApiModel):
    """Stateful rules for NICs. The one that is named `default` is for all NICs of its namespace that list none."""

    api_version: Literal["orlop.dev/v1alpha1"] = API_VERSION
    kind: Literal["SecurityGroup"] = "SecurityGroup"
    metadata: Metadata = Metadata()
    spec: SecurityGroupSpec = SecurityGroupSpec()
    """What is allowed. May change at any time; flows that stay allowed go on."""
    status: SecurityGroupStatus | None = None
    """What Orlop says of it."""


class AssignedSecurity(ApiModel):
    """The SecurityGroups of a NIC when it was ordered; what the Port's status says of them is newer."""

    namespace: DnsLabel
    """Namespace of the Port and its SecurityGroups."""
    groups: Annotated[list[ObjectUid], Field(max_length=MOST_GROUPS, json_schema_extra=LIST_ATOMIC)] = []
    """Uids of the SecurityGroups; none: nothing is filtered."""


def listed(refs: Sequence[LocalRef]) -> tuple[str, ...]:
    """Names of the groups that count for a NIC, whether they exist or not."""
    return tuple(ref.name for ref in refs) or (DEFAULT_GROUP,)


def remotes(group: SecurityGroup) -> tuple[str, ...]:
    """Names of the groups that its rules name, none twice."""
    refs = (rule.security_group_ref for rule in (*group.spec.ingress, *group.spec.egress))
    return tuple(dict.fromkeys(ref.name for ref in refs if ref is not None))
