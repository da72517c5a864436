"""One NIC of an Instance."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from orlop_api.address import IPV4, MAC
from orlop_api.bandwidth import PortQos
from orlop_api.resource import (
    ApiModel,
    DnsLabel,
    DnsSubdomain,
    Ipv4,
    LocalRef,
    MacAddress,
    rule,
    rules,
    unchanged,
)
from orlop_api.security_group import SecurityGroupRefs

MOST_NICS = 8
"""NICs of one machine."""

_ONE_NETWORK = rule(
    "has(self.networkRef) != has(self.portRef)", "exactly one of networkRef and portRef must be set"
)
_PORT_BRINGS_ITS_OWN = rule(
    "!has(self.portRef) || (!has(self.address) && !has(self.macAddress))",
    "address and macAddress go with networkRef: a Port has its own",
)


class NetworkInterface(ApiModel):
    """One NIC: on a Network, or with the identity of a Port."""

    name: DnsLabel
    """Name of the NIC within the Instance."""
    network_ref: LocalRef | None = None
    """The Network to be on; Orlop makes the Port."""
    port_ref: LocalRef | None = None
    """A Port that was made before."""
    address: Annotated[Ipv4, Field(json_schema_extra=rules(IPV4))] | None = None
    """The address that is wanted, with networkRef; the next free one when absent."""
    mac_address: Annotated[MacAddress, Field(json_schema_extra=rules(MAC))] | None = None
    """The MAC address that is wanted, with networkRef."""
    security_group_refs: SecurityGroupRefs = []
    """The SecurityGroups that the NIC is in, with networkRef; at most 5, and they may change at any time.

    Where none is listed, the namespace's SecurityGroup `default` holds; where there is none of that name, nothing is
    filtered.
    """
    qos: PortQos | None = None
    """Limits on what the guest sends and receives, with networkRef; they may change at any time."""


_GROUPS_OF_THE_PORT = rule(
    "!has(self.portRef) || !has(self.securityGroupRefs)",
    "securityGroupRefs goes with networkRef: a Port has its own",
)
_QOS_OF_THE_PORT = rule(
    "!has(self.portRef) || !has(self.qos)", "qos goes with networkRef: a Port has its own"
)
_NIC_STAYS = rule(
    unchanged(NetworkInterface, but={"name", "security_group_refs", "qos"}),
    "only securityGroupRefs and qos of a NIC may change while it is listed: add a NIC with another name, or remove"
    " this one first",
)


NIC_RULES = rules(_ONE_NETWORK, _PORT_BRINGS_ITS_OWN, _GROUPS_OF_THE_PORT, _QOS_OF_THE_PORT, _NIC_STAYS)
EACH_PORT_ONCE = rule(
    "self.all(n, !has(n.portRef) || self.exists_one(m, has(m.portRef) && m.portRef.name == n.portRef.name))",
    "each Port may be named once: a Port is one NIC",
)
_NAMES, _OLD_NAMES = "self.map(n, n.name)", "oldSelf.map(o, o.name)"
NICS_STAY_IN_ORDER = rule(
    f"{_NAMES} == {_OLD_NAMES}.filter(o, o in {_NAMES}) + {_NAMES}.filter(n, !(n in {_OLD_NAMES}))",
    "NICs that stay keep their order, and new ones come after them: a guest knows them by it",
)


class AttachedNic(ApiModel):
    """One NIC that the domain has, or of which something is still on the node."""

    name: DnsLabel
    """Name of the NIC in the Instance."""
    port_name: DnsSubdomain
    """The Port."""
