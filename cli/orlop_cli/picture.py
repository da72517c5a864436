"""What there is to see of a Network, gathered from its objects. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from orlop_api.condition import find
from orlop_api.floating_ip import FloatingIP
from orlop_api.instance import Instance
from orlop_api.network import Dhcp, Ipv6Mode, Network, SegmentType, Subnet
from orlop_api.port import Port
from orlop_api.router import Router
from orlop_api.security_group import SecurityGroup
from orlop_cli import ways
from orlop_cli.ways import UNKNOWN, FloatingPicture, RouterPicture


@dataclass(frozen=True)
class Found:
    """What there is in the Network's namespace, as far as the user may read it."""

    ports: Sequence[Port] = ()
    instances: Sequence[Instance] = ()
    routers: Sequence[Router] = ()
    floating_ips: Sequence[FloatingIP] = ()
    groups: Sequence[SecurityGroup] = ()


@dataclass(frozen=True)
class PortPicture:
    """One NIC, or an identity that waits for one."""

    name: str
    mac: str
    addresses: tuple[str, ...]
    state: str
    """The Instance's power state, or the reason why it is not as it shall be; of an unbound Port its own."""
    instance: str = ""
    nic: str = ""
    shared: tuple[str, ...] = ()
    """What the guest may use beside its own addresses."""
    groups: tuple[str, ...] = ()
    """SecurityGroups in force; none: nothing is filtered. One whose name is not known is there by its uid."""
    floating: tuple[FloatingPicture, ...] = ()
    """Addresses that lead to it from outside."""


@dataclass(frozen=True)
class NodePicture:
    """A node that has guests of the Network."""

    name: str
    address: str
    ports: tuple[PortPicture, ...]


@dataclass(frozen=True)
class SubnetPicture:
    """Addresses; `free` of `total` are nobody's."""

    name: str
    cidr: str
    gateway: str
    """Nobody's of an external Network."""
    dhcp: str
    """Enabled, Disabled, or how an IPv6 address comes: DHCPv6 or SLAAC. Empty of an external Network."""
    free: int
    total: int
    place: str = ""
    """Where the gateway is, if that is not every node."""


@dataclass(frozen=True)
class NetworkPicture:
    """All of it."""

    namespace: str
    name: str
    state: str
    message: str
    external: bool
    """Whether it is a physical network, which no guest joins."""
    segment: int | None
    physical: str
    """`VLAN 100 of trunk`; empty of an overlay."""
    mtu: int | None
    egress: str
    """Empty of an external Network."""
    subnets: tuple[SubnetPicture, ...]
    routers: tuple[RouterPicture, ...]
    nodes: tuple[NodePicture, ...]
    unbound: tuple[PortPicture, ...]
    floating: tuple[FloatingPicture, ...]
    """Of an external Network: its addresses that are somebody's."""

    def json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def picture(network: Network, found: Found) -> NetworkPicture:
    """The Network with what is on it; of other Networks' Ports and Instances nothing."""
    known = _Known(
        {instance.metadata.uid: instance for instance in found.instances},
        {group.metadata.uid: group.metadata.name for group in found.groups},
        found.floating_ips,
    )
    mine = [port for port in found.ports if _is_on(network, port)]
    mine.sort(key=_place)
    hosts: dict[str, list[Port]] = {}
    for port in mine:
        if port.status is not None and port.status.binding is not None:
            hosts.setdefault(port.status.binding.node_name, []).append(port)
    status, is_external = network.status, network.is_external
    floating = ways.of_network(network, found.floating_ips) if is_external else ()
    used = {address for port in mine if port.status is not None for address in port.status.addresses}
    used |= {each.address for each in floating if each.address}
    return NetworkPicture(
        network.metadata.namespace,
        network.metadata.name,
        *ways.said(status.conditions if status is not None else ()),
        is_external,
        status.segment_id if status is not None else None,
        _physical(network),
        status.mtu if status is not None else None,
        "" if is_external else network.spec.egress.value,
        tuple(_subnet(subnet, used, network) for subnet in network.spec.subnets),
        ways.routers(network, found.routers),
        tuple(_node(name, hosts[name], known) for name in sorted(hosts)),
        tuple(_unbound(port, known) for port in mine if port.status is None or port.status.binding is None),
        floating,
    )


@dataclass(frozen=True)
class _Known:
    """What a Port's line says of other objects."""

    instances: dict[str, Instance]
    """By uid."""
    groups: dict[str, str]
    """Names by uid."""
    floating_ips: Sequence[FloatingIP]


def _is_on(network: Network, port: Port) -> bool:
    """By the uid, once it is known: a Port that was made for an Instance may be on a lent Network of this name."""
    uid = port.status.network_uid if port.status is not None else None
    if uid is not None:
        return uid == network.metadata.uid
    return port.spec.network_ref.name == network.metadata.name


def _physical(network: Network) -> str:
    segment = network.spec.segment
    if segment.physical_network is None:
        return ""
    what = {SegmentType.FLAT: "external, ", SegmentType.BRIDGE: "untagged of "}.get(segment.type, "")
    vlan = f"VLAN {segment.vlan_id} of " if segment.vlan_id is not None else ""
    return f"{what}{vlan}{segment.physical_network}"


def _place(port: Port) -> tuple[int, str]:
    """By address, and without one last."""
    addresses = port.status.addresses if port.status is not None else []
    return (int(ip_address(addresses[0])) if addresses else 1 << 129, port.metadata.name)


def _subnet(subnet: Subnet, used: set[str], on: Network) -> SubnetPicture:
    network, is_external = ip_network(subnet.cidr), on.is_external
    gateway = subnet.gateway or str(network[1])
    ranges = [(int(ip_address(pool.start)), int(ip_address(pool.end))) for pool in subnet.pools]
    ranges = ranges or [(int(network[1]), int(network[-2] if network.version == 4 else network[-1]))]
    own = set() if is_external else {int(ip_address(gateway))}
    addresses = (ip_address(each) for each in used)
    taken = own | {int(each) for each in addresses if each.version == network.version}
    size = sum(last - first + 1 for first, last in ranges)
    mine = sum(first <= each <= last for each in own for first, last in ranges)
    gone = sum(any(first <= each <= last for first, last in ranges) for each in taken)
    said = "" if is_external else _dhcp(subnet, network)
    place = "" if on.spec.segment.physical_network is None else f"of {on.spec.segment.physical_network}"
    router = "" if is_external else gateway
    return SubnetPicture(subnet.name, subnet.cidr, router, said, size - gone, size - mine, place)


def _dhcp(subnet: Subnet, network: IPv4Network | IPv6Network) -> str:
    if network.version == 4 or subnet.dhcp is Dhcp.DISABLED:
        return subnet.dhcp.value
    return (subnet.ipv6_mode or Ipv6Mode.DHCPV6).value


def _node(name: str, ports: list[Port], known: _Known) -> NodePicture:
    bindings = [port.status.binding for port in ports if port.status is not None and port.status.binding]
    return NodePicture(name, bindings[0].host_address, tuple(_bound(port, known) for port in ports))


def _bound(port: Port, known: _Known) -> PortPicture:
    binding = port.status.binding if port.status is not None else None
    if binding is None:
        raise AssertionError
    instance = known.instances.get(binding.instance_uid)
    return _port(port, known, _power(instance), binding.instance_name, _nic(port, instance))


def _unbound(port: Port, known: _Known) -> PortPicture:
    state, _ = ways.said(port.status.conditions if port.status is not None else ())
    return _port(port, known, state)


def _port(port: Port, known: _Known, state: str, instance: str = "", nic: str = "") -> PortPicture:
    status, shared = port.status, (pair.address for pair in port.spec.allowed_address_pairs)
    groups = (status.security_groups if status is not None else None) or []
    floating = ways.of_port(port.metadata.namespace, port.metadata.name, known.floating_ips)
    mac = status.mac_address if status is not None else None
    addresses = tuple(status.addresses) if status is not None else ()
    return PortPicture(
        port.metadata.name,
        mac or "",
        addresses,
        state,
        instance,
        nic,
        tuple(shared),
        tuple(sorted(known.groups.get(uid, uid) for uid in groups)),
        floating,
    )


def _power(instance: Instance | None) -> str:
    """What a machine does, or why it does not do what it shall."""
    status = instance.status if instance is not None else None
    ready = find(status.conditions, "Ready") if status is not None else None
    if status is None or ready is None:
        return UNKNOWN
    return status.power_state.value if ready.status == "True" and status.power_state else ready.reason


def _nic(port: Port, instance: Instance | None) -> str:
    """Name of the NIC: the one that names the Port, or that the Port was made for and named after."""
    for nic in instance.spec.networks if instance is not None else ():
        made = f"{instance.metadata.name}-{nic.name}" if instance is not None else ""
        if port.metadata.name == (nic.port_ref.name if nic.port_ref is not None else made):
            return nic.name
    return ""
