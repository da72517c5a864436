"""A Network on a physical one: what leads there, in the place of the overlay device. Pure.

VLAN      node: eth1 ···· (802.1Q) ···· pn0 ── brq0 ── tap…       namespace orlop-<segment>
Bridge    node: br0 ── orlopb<segment> ─ pn0 ── brq0 ── tap…

The interface or bridge of the node is somebody else's: nothing of it is set, and only what is named here is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from orlop_agent.network.batch import EXISTS, Line
from orlop_agent.network.errors import NetworkError
from orlop_agent.network.names import BRIDGE, PHYSICAL, alias, bridge_port, namespace
from orlop_agent.network.segment import Physical, Segment

DHCP_SERVER = "169.254.169.250"
"""The DHCP server's address, the same on every node and seen on none but by its own guests: the gateway's is a machine
of the physical network."""
LISTING = ("ip", "-j", "-d", "link", "show")
"""Asks for the node's interfaces."""


def on_node(segment: Segment, physical: Physical, interface: Mapping[str, Any]) -> list[Line]:
    """What is made from the node's namespace; the interface is as `ip -d link` shows it."""
    name, own = interface["ifname"], namespace(segment.segment_id)
    if physical.vlan_id is not None:
        return [
            Line(
                f"link add link {name} name {PHYSICAL} mtu {segment.mtu} netns {own} type vlan id {physical.vlan_id}",
                EXISTS,
            )
        ]
    port = bridge_port(segment.segment_id)
    # A bridge takes the lowest of its ports' MAC addresses and MTUs for its own, where nobody gave it others: ours is
    # the highest, and its own.
    mac = bytes([0xFE, 0xFF, 0xFF, *segment.segment_id.to_bytes(3, "big")]).hex(":")
    return [
        Line(
            f"link add {port} address {mac} mtu {interface['mtu']} alias {alias(own)} type veth"
            f" peer name {PHYSICAL} mtu {segment.mtu} netns {own}",
            EXISTS,
        ),
        Line(f"link set {port} addrgenmode none"),
        Line(f"link set {port} master {name}"),
        Line(f"link set {port} up"),
    ]


def bridge(segment: Segment) -> list[Line]:
    """Bridge and DHCP server's address; nothing leads there yet.

    The gateway is elsewhere, and no address of the subnet is here.
    """
    lines = [
        Line(
            f"link add {BRIDGE} address {segment.gateway_mac} mtu {segment.mtu} type bridge"
            " stp_state 0 mcast_snooping 0 forward_delay 0",
            EXISTS,
        ),
        Line(f"link set {BRIDGE} type bridge group_fwd_mask 0xfff8 no_linklocal_learn 1"),
        Line(f"link set {BRIDGE} up"),
    ]
    if segment.dhcp:
        lines += [
            Line(f"address add {DHCP_SERVER}/32 dev {BRIDGE}", EXISTS),
            Line(f"route replace {segment.cidr} dev {BRIDGE} src {DHCP_SERVER}"),
        ]
    return lines


def ways() -> list[Line]:
    """The way to the physical network, once there are rules for who may take it."""
    return [Line(f"link set {PHYSICAL} master {BRIDGE}"), Line(f"link set {PHYSICAL} up")]


def found(there: Iterable[Mapping[str, Any]], physical: Physical, interfaces: Mapping[str, str]) -> Any:
    """The node's interface on the physical network. Raises NetworkError."""
    what, name = f"physical network {physical.network}", interfaces.get(physical.network)
    if name is None:
        raise NetworkError(
            "PhysicalNetworkMissing",
            f"this node has no {what}: node.physicalNetworks of orlop-config does not name it",
        )
    entry = next((each for each in there if each["ifname"] == name), None)
    if entry is None:
        raise NetworkError(
            "PhysicalNetworkMissing", f"this node has no interface {name}, which is to be its way to {what}"
        )
    if physical.vlan_id is None and entry.get("linkinfo", {}).get("info_kind") != "bridge":
        raise NetworkError(
            "NoBridge", f"{name}, this node's way to {what}, is no bridge: a Bridge Network needs one"
        )
    if "UP" not in entry["flags"]:
        # Nothing of it is set here, and a VLAN of it would not come up either ("Network is down").
        raise NetworkError("PhysicalNetworkDown", f"{name}, this node's way to {what}, is down: set it up")
    return entry


def told(physical: Physical, interface: Mapping[str, Any]) -> str:
    """By what the Network's way there is known, for the node's memory: an interface that goes takes it along."""
    return f"{interface['ifname']} {interface['ifindex']} {physical.vlan_id or 'untagged'}\n"


def taken(physical: Physical, interface: Mapping[str, Any]) -> str:
    """What is said where the kernel has such a device already, which is not ours."""
    return (
        f"{interface['ifname']}, this node's way to physical network {physical.network}, has an interface of its own"
        f" for VLAN {physical.vlan_id}: remove that, or take another vlanID"
    )
