"""What one Port says, read once: all that a node's Networks need of it, and no more. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address

from orlop_agent.network.ipv6 import IpAddress, own
from orlop_agent.network.segment import checked_label, checked_mac, ranges
from orlop_api.bandwidth import PortQos
from orlop_api.port import Port, PortStatus

Key = tuple[str, str]
"""Namespace and name."""

_node = lru_cache(maxsize=1 << 14)(IPv4Address)
"""Nodes are few, and named by each of their Ports."""


@dataclass(frozen=True, slots=True)
class Facts:
    """A Port; what cannot be read of it is said, and stops nothing else."""

    key: Key
    mac: str | None = None
    """As its status has it."""
    groups: tuple[str, ...] | None = None
    """Uids of its SecurityGroups; None: its operator does not say them yet."""
    qos: PortQos | None = None
    addresses: tuple[IpAddress, ...] = ()
    in_use: bool = False
    host: IPv4Address | None = None
    """The node where to send what is for it, while it is in use and can be reached."""
    called: str | None = None
    """Its Instance, while it is in use and can be named."""
    shared: tuple[IPv4Network, ...] = ()
    """What it may use beside its own addresses."""
    garbled: ValueError | None = None
    """Why its addresses are not known."""
    unreachable: ValueError | None = None
    nameless: ValueError | None = None
    unshared: ValueError | None = None

    @property
    def spoken(self) -> tuple[IpAddress, ...]:
        """Its addresses, and with one of IPv6 also the link-local one of its MAC address."""
        six = [each for each in self.addresses if isinstance(each, IPv6Address)]
        return (*self.addresses, *own(self.mac, six[0])[1:]) if six and self.mac else self.addresses


def facts(port: Port) -> Facts:
    """All of it."""
    status = port.status or PortStatus()
    addresses, garbled = _addresses(status)
    host, unreachable = _host(status, garbled)
    called, nameless = _called(port, garbled)
    shared, unshared = _shared(port)
    return Facts(
        key=(port.metadata.namespace, port.metadata.name),
        mac=status.mac_address,
        groups=None if status.security_groups is None else tuple(status.security_groups),
        qos=status.qos if status.qos is not None else port.spec.qos,
        addresses=addresses,
        in_use=status.binding is not None,
        host=host,
        called=called,
        shared=shared,
        garbled=garbled,
        unreachable=unreachable,
        nameless=nameless,
        unshared=unshared,
    )


def _addresses(status: PortStatus) -> tuple[tuple[IpAddress, ...], ValueError | None]:
    try:
        found = tuple(map(ip_address, status.addresses))
        if status.mac_address and any(isinstance(address, IPv6Address) for address in found):
            checked_mac(status.mac_address)
    except ValueError as error:
        return (), error
    return found, None


def _host(status: PortStatus, garbled: ValueError | None) -> tuple[IPv4Address | None, ValueError | None]:
    if status.binding is None or not status.mac_address:
        return None, None
    try:
        checked_mac(status.mac_address)
        host = _node(status.binding.host_address)
    except ValueError as error:
        return None, error
    return (host, None) if garbled is None else (None, garbled)


def _called(port: Port, garbled: ValueError | None) -> tuple[str | None, ValueError | None]:
    if port.status is None or port.status.binding is None:
        return None, None
    try:
        name = checked_label(port.status.binding.instance_name, "a host name")
        checked_label(port.metadata.namespace, "a namespace")
    except ValueError as error:
        return None, error
    return (name, None) if garbled is None else (None, garbled)


def _shared(port: Port) -> tuple[tuple[IPv4Network, ...], ValueError | None]:
    try:
        return ranges(pair.address for pair in port.spec.allowed_address_pairs), None
    except ValueError as error:
        return (), error
