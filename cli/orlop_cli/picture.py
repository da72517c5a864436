"""What there is to see of a Network, gathered from its objects. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from orlop_api.condition import Condition, find
from orlop_api.instance import Instance
from orlop_api.network import Network, SegmentType, Subnet
from orlop_api.port import Port

UNKNOWN = "Unknown"


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
    dhcp: str
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
    segment: int | None
    physical: str
    """`VLAN 100 of trunk`; empty of an overlay."""
    mtu: int | None
    egress: str
    subnets: tuple[SubnetPicture, ...]
    nodes: tuple[NodePicture, ...]
    unbound: tuple[PortPicture, ...]

    def json(self) -> dict[str, Any]:
        """For programs."""
        return asdict(self)


def picture(network: Network, ports: Iterable[Port], instances: Iterable[Instance]) -> NetworkPicture:
    """The Network with its Ports; of other Networks' Ports and Instances nothing."""
    known = {instance.metadata.uid: instance for instance in instances}
    mine = [port for port in ports if port.spec.network_ref.name == network.metadata.name]
    mine.sort(key=_place)
    hosts: dict[str, list[Port]] = {}
    for port in mine:
        if port.status is not None and port.status.binding is not None:
            hosts.setdefault(port.status.binding.node_name, []).append(port)
    status = network.status
    ready = find(status.conditions, "Ready") if status is not None else None
    used = {address for port in mine if port.status is not None for address in port.status.addresses}
    return NetworkPicture(
        network.metadata.namespace,
        network.metadata.name,
        _said(ready),
        ready.message if ready is not None and ready.status != "True" else "",
        status.segment_id if status is not None else None,
        _physical(network),
        status.mtu if status is not None else None,
        network.spec.egress.value,
        tuple(_subnet(subnet, used, network) for subnet in network.spec.subnets),
        tuple(_node(name, hosts[name], known) for name in sorted(hosts)),
        tuple(_unbound(port) for port in mine if port.status is None or port.status.binding is None),
    )


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
    return (int(IPv4Address(addresses[0])) if addresses else 1 << 32, port.metadata.name)


def _said(ready: Condition | None) -> str:
    if ready is None:
        return UNKNOWN
    return "Ready" if ready.status == "True" else ready.reason


def _subnet(subnet: Subnet, used: set[str], on: Network) -> SubnetPicture:
    network = IPv4Network(subnet.cidr)
    gateway = subnet.gateway or str(network[1])
    ranges = [(IPv4Address(pool.start), IPv4Address(pool.end)) for pool in subnet.pools]
    ranges = ranges or [(network[1], network[-2])]
    taken = {IPv4Address(address) for address in used} | {IPv4Address(gateway)}
    size = sum(int(last) - int(first) + 1 for first, last in ranges)
    own = sum(first <= IPv4Address(gateway) <= last for first, last in ranges)
    gone = sum(any(first <= address <= last for first, last in ranges) for address in taken)
    place = "" if on.spec.segment.physical_network is None else f"of {on.spec.segment.physical_network}"
    dhcp = subnet.dhcp.value
    return SubnetPicture(subnet.name, subnet.cidr, gateway, dhcp, size - gone, size - own, place)


def _node(name: str, ports: list[Port], known: dict[str, Instance]) -> NodePicture:
    bindings = [port.status.binding for port in ports if port.status is not None and port.status.binding]
    return NodePicture(name, bindings[0].host_address, tuple(_bound(port, known) for port in ports))


def _bound(port: Port, known: dict[str, Instance]) -> PortPicture:
    binding = port.status.binding if port.status is not None else None
    if binding is None:
        raise AssertionError
    instance = known.get(binding.instance_uid)
    return _port(port, _power(instance), binding.instance_name, _nic(port, instance))


def _unbound(port: Port) -> PortPicture:
    return _port(port, _said(find(port.status.conditions, "Ready") if port.status is not None else None))


def _port(port: Port, state: str, instance: str = "", nic: str = "") -> PortPicture:
    status, shared = port.status, (pair.address for pair in port.spec.allowed_address_pairs)
    mac = status.mac_address if status is not None else None
    addresses = tuple(status.addresses) if status is not None else ()
    return PortPicture(port.metadata.name, mac or "", addresses, state, instance, nic, tuple(shared))


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
