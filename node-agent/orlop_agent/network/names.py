"""Names of what Orlop makes on a node. Linux allows 15 bytes for an interface (IFNAMSIZ, netdevice(7))."""

from __future__ import annotations

import hashlib
import re
from ipaddress import IPv4Address

BRIDGE = "brq0"
"""The Network's bridge, in its namespace."""
OVERLAY = "vx0"
"""The Network's VXLAN device, in its namespace."""
PHYSICAL = "pn0"
"""The way to the physical network that a Network is on, in its namespace."""
UPLINK = "up0"
"""The way out to the node, in the Network's namespace."""
VETHS = "orlop-*"
"""The node's ends of all ways out, as nftables writes it."""
NAMESPACES = "orlop-*"
"""Namespaces of Networks and Routers, as a shell writes it."""

ROUTERS = "orlop-router-"
"""How namespaces of Routers begin."""
ROUTER_LINKS = "rt"
"""How links to them begin, in a Network's namespace; nothing else there does."""

_NAMESPACE = re.compile(r"orlop-([1-9]\d{0,7})")
_TAP = re.compile(r"tap[0-9a-f]{11}")
_ALIAS = "orlop:"


def namespace(segment_id: int) -> str:
    """The Network's namespace; also its interface on the node: at most 14 bytes."""
    return f"orlop-{segment_id}"


def bridge_port(segment_id: int) -> str:
    """The Network's port on a bridge of the node: at most 14 bytes."""
    return f"orlopb{segment_id}"


def on_node(segment_id: int) -> tuple[str, str]:
    """All interfaces of a Network on the node, but taps that are to be moved."""
    return namespace(segment_id), bridge_port(segment_id)


def segment_of(name: str) -> int | None:
    """The segment whose namespace is so named; None for what is not Orlop's."""
    match = _NAMESPACE.fullmatch(name)
    return int(match[1]) if match else None


def tap(instance_uid: str, nic_name: str) -> str:
    """The NIC's interface: the same at every start and on every node."""
    return "tap" + hashlib.sha256(f"{instance_uid}/{nic_name}".encode()).hexdigest()[:11]


def is_tap(name: str) -> bool:
    """Whether a NIC's interface may be so named; those that somebody else plugs into a guest are named otherwise."""
    return _TAP.fullmatch(name) is not None


def router_namespace(router_uid: str) -> str:
    """The Router's namespace; none of a segment is so named."""
    return ROUTERS + _short(router_uid)


def router_link(router_uid: str) -> str:
    """The interface that leads to the Router, in a Network's namespace: at most 10 bytes."""
    return ROUTER_LINKS + _short(router_uid)


def _short(uid: str) -> str:
    return hashlib.sha256(uid.encode()).hexdigest()[:8]


def alias(instance_uid: str) -> str:
    """Written on an interface, so that Orlop's own are told from others' (ip-link(8), alias)."""
    return _ALIAS + instance_uid


def is_ours(interface_alias: str) -> bool:
    return interface_alias.startswith(_ALIAS)


def derived_mac(segment_id: int, address: IPv4Address) -> str:
    """02, the segment in 24 bits, the low 16 bits of the address: unique in the segment by itself."""
    octets = bytes([2]) + segment_id.to_bytes(3, "big") + address.packed[2:]
    return octets.hex(":")


def dhcp_unit(segment_id: int) -> str:
    """The DHCP server's unit in the node's systemd."""
    return f"orlop-dhcp-{segment_id}"


def dns_unit(segment_id: int) -> str:
    """The name server's unit there."""
    return f"orlop-dns-{segment_id}"
