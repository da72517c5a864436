"""What a node knows of a Network and of its NICs, checked: nothing else reaches a command or a file.

Every value here has a type that cannot hold a blank or a line end, so no name and no address can add a line to
a batch, a ruleset or a configuration.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, collapse_addresses
from typing import Any, Self

from orlop_agent.network import names
from orlop_agent.network.errors import NetworkError
from orlop_agent.network.ipv6 import IpAddress, Subnet6, own
from orlop_api.assignment import AssignedNic
from orlop_api.network import METADATA_ADDRESS6, Dhcp, Egress, MetadataService
from orlop_api.subnet_options import DOMAIN_PATTERN

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}")
_UID = re.compile(r"[0-9A-Za-z-]{1,64}")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_DOMAIN = re.compile(DOMAIN_PATTERN)
_FIRST = IPv4Address(0)
_METADATA6 = IPv6Address(METADATA_ADDRESS6)


def checked_mac(text: str) -> str:
    """A MAC address in lower case with colons. Raises ValueError."""
    return _checked(_MAC, text, "a MAC address in lower case")


def checked_label(text: str, what: str) -> str:
    """One label of a DNS name. Raises ValueError."""
    return _checked(_LABEL, text, what)


def ranges(texts: Iterable[str]) -> tuple[IPv4Network, ...]:
    """Addresses and ranges in as few ranges as it takes. Raises ValueError."""
    return tuple(collapse_addresses(IPv4Network(text) for text in texts))


def _checked(form: re.Pattern[str], text: str, what: str) -> str:
    if not form.fullmatch(text):
        raise ValueError(f"{text!r} is not {what}")
    return text


@dataclass(frozen=True, slots=True)
class Physical:
    """What a Network is on that is no overlay."""

    network: str
    """By its name in orlop-config."""
    vlan_id: int | None
    """None: what is untagged on a bridge."""


@dataclass(frozen=True, slots=True)
class Subnet4:
    """The IPv4 subnet of a Network."""

    cidr: IPv4Network
    gateway: IPv4Address


@dataclass(frozen=True, slots=True)
class Segment:
    """A Network."""

    segment_id: int
    network_uid: str
    cidr: IPv4Network | None
    """Of IPv4; None where the Network has IPv6 alone."""
    gateway: IPv4Address | None
    """With cidr."""
    dns: tuple[IPv4Address, ...]
    dhcp: bool
    egress: bool
    mtu: int
    domain: str | None = None
    """The domain that the subnet gives."""
    home: str | None = None
    """The Network's namespace; None in an order of before there was a need to say."""
    search: tuple[str, ...] = ()
    ntp: tuple[IPv4Address, ...] = ()
    routes: tuple[tuple[IPv4Network, IPv4Address], ...] = ()
    """Destination and router."""
    routed: bool = False
    """Whether a Router joins it with others: its gateway leads somewhere."""
    routed6: bool = False
    """The same by IPv6: others of them have it too."""
    ipv6: Subnet6 | None = None
    """Beside IPv4 or alone, where the Network has it."""
    metadata: bool = False
    """Whether guests may ask for their metadata."""
    physical: Physical | None = None
    """What it is on; None of an overlay."""

    @classmethod
    def of(cls, nic: AssignedNic) -> Self:
        """The Network of a NIC. Raises ValueError."""
        return cls(
            segment_id=int(nic.segment_id),
            network_uid=str(nic.network_uid),
            cidr=None if nic.cidr is None else IPv4Network(nic.cidr),
            gateway=None if nic.gateway is None else IPv4Address(nic.gateway),
            dns=tuple(IPv4Address(server) for server in nic.dns),
            dhcp=nic.dhcp is Dhcp.ENABLED,
            # Of IPv4 alone.
            egress=nic.egress is Egress.NAT and nic.cidr is not None,
            metadata=nic.metadata is MetadataService.ENABLED,
            mtu=int(nic.mtu),
            physical=None
            if nic.physical is None
            else Physical(checked_label(nic.physical.network, "a physical network"), nic.physical.vlan_id),
            search=tuple(_checked(_DOMAIN, domain, "a domain") for domain in nic.search),
            ntp=tuple(IPv4Address(server) for server in nic.ntp),
            routes=tuple((IPv4Network(route.destination), IPv4Address(route.via)) for route in nic.routes),
            ipv6=None if nic.ipv6 is None else Subnet6.of(nic.ipv6),
            domain=None if nic.domain is None else _checked(_DOMAIN, nic.domain, "a domain"),
            home=None
            if nic.network_namespace is None
            else checked_label(nic.network_namespace, "a namespace"),
        )

    def __post_init__(self) -> None:
        """Raises ValueError."""
        if (self.cidr is None) != (self.gateway is None):
            raise ValueError("an IPv4 subnet and its gateway go together")
        if self.cidr is None and self.ipv6 is None:
            raise ValueError("a Network has a subnet")
        if self.cidr is None and self.physical is not None:
            raise ValueError("a Network on a physical network has an IPv4 subnet")

    @property
    def ipv4(self) -> Subnet4 | None:
        """The IPv4 subnet, where there is one."""
        if self.cidr is None or self.gateway is None:
            return None
        return Subnet4(self.cidr, self.gateway)

    @property
    def metadata4(self) -> bool:
        """Whether guests may ask for it by IPv4."""
        return self.metadata and self.cidr is not None

    @property
    def metadata6(self) -> bool:
        """The same by IPv6. In a Network of before a guest may have that very address: there not."""
        return self.metadata and self.ipv6 is not None and _METADATA6 not in self.ipv6.cidr

    @property
    def has_gateway(self) -> bool:
        """Whether its gateway leads somewhere."""
        return self.egress or self.routed or self.physical is not None

    @property
    def gateway_mac(self) -> str:
        """The gateway's, the same on every node: derived like a guest's, whose address it can never be. On a physical
        network the gateway is a machine there, and this is the bridge's alone. With IPv6 alone it is that of the first
        address, which is every router's.
        """
        return names.derived_mac(self.segment_id, self.gateway or _FIRST)


@dataclass(frozen=True, slots=True)
class Attachment:
    """One NIC of an Instance on this node."""

    instance_uid: str
    hostname: str
    """One label: what the guest is told as its name."""
    mac: str
    addresses: tuple[IPv4Address, ...]
    nic: AssignedNic
    tap: str
    segment: Segment
    """Its Network as its order has it. Kept like the tap's name: each change on the node asks for both."""
    pairs: tuple[IPv4Network, ...] = ()
    """What the guest may speak as, beside its own addresses; no two of them overlap."""
    ipv6: IPv6Address | None = None
    """Its address of IPv6, where it has one."""

    @classmethod
    def of(cls, instance_uid: str, hostname: str, nic: AssignedNic) -> Self:
        """A NIC as ordered. Raises NetworkError with reason InvalidNIC when a value is none of its kind."""
        label = hostname.split(".", maxsplit=1)[0]
        try:
            return cls(
                instance_uid=_checked(_UID, instance_uid, "a uid"),
                hostname=checked_label(label, "a host name"),
                mac=checked_mac(nic.mac_address),
                addresses=tuple(IPv4Address(address) for address in nic.addresses),
                nic=nic,
                tap=names.tap(instance_uid, nic.name),
                segment=Segment.of(nic),
                pairs=ranges(pair.address for pair in nic.allowed_address_pairs),
                ipv6=None if nic.ipv6 is None else IPv6Address(nic.ipv6.address),
            )
        except ValueError as error:
            raise NetworkError("InvalidNIC", f"NIC {nic.name} cannot be made: {error}") from error

    @property
    def addresses6(self) -> tuple[IPv6Address, ...]:
        """What it speaks as by IPv6: its address, and the link-local one of its MAC address."""
        return own(self.mac, self.ipv6)

    @property
    def all_addresses(self) -> tuple[IpAddress, ...]:
        """Of both families."""
        return (*self.addresses, *self.addresses6)

    def record(self) -> dict[str, Any]:
        """As JSON, for the node's own memory."""
        nic = self.nic.model_dump(mode="json", by_alias=True)
        return {"instanceUID": self.instance_uid, "hostname": self.hostname, "nic": nic}

    @classmethod
    def recorded(cls, record: dict[str, Any]) -> Self:
        """The reverse of record. Raises KeyError, ValueError or NetworkError."""
        return cls.of(record["instanceUID"], record["hostname"], AssignedNic.model_validate(record["nic"]))
