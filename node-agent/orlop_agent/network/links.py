"""Interfaces of a Network on a node, as batches of ip(8). Every line can be repeated.

node                 namespace orlop-<segment>
------------------   ----------------------------------------
eth0 ····(UDP)·····  vx0 ─┐
orlop-<segment> ───  up0  brq0: gateway
tap… (to be moved)   tap… ┘
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network

from orlop_agent.network import ipv6, names
from orlop_agent.network.batch import BUSY, EXISTS, NO_DEVICE, Line
from orlop_agent.network.names import BRIDGE, OVERLAY, UPLINK, alias, namespace
from orlop_agent.network.segment import Attachment, Segment
from orlop_api.network import METADATA_ADDRESS, METADATA_ADDRESS6

VXLAN_PORT = 4789
"""RFC 7348, section 8."""
UPLINKS = IPv4Network("169.254.64.0/18")
"""The two ends of each way out share a pair of these; they are seen on this node alone (RFC 3927)."""


def on_node(segment: Segment, host_ip: IPv4Address, interface: str | None, pair: IPv4Network) -> list[Line]:
    """The namespace, and what is made from outside.

    The overlay device is made from the node's namespace into the Network's, so that its packets go on
    leaving by the node.
    """
    name = namespace(segment.segment_id)
    device = f" dev {interface}" if interface else ""
    lines = [
        Line(f"netns add {name}", EXISTS),
        Line(
            f"link add {OVERLAY} mtu {segment.mtu} netns {name} type vxlan id {segment.segment_id}"
            f" dstport {VXLAN_PORT} local {host_ip}{device} nolearning",
            EXISTS,
        ),
    ]
    if segment.egress:
        lines += [
            Line(f"link add {name} alias {alias(name)} type veth peer name {UPLINK} netns {name}", EXISTS),
            Line(f"address add {pair[0]}/31 dev {name}", EXISTS),
            Line(f"link set {name} up"),
        ]
    return lines


def bridge(segment: Segment) -> list[Line]:
    """Bridge and gateway, in the Network's namespace; nothing leads there yet."""
    ipv4 = segment.ipv4
    lines = [
        # The MAC is given once: set again, even to the same, it makes Linux forget the neighbours.
        Line(
            f"link add {BRIDGE} address {segment.gateway_mac} mtu {segment.mtu} type bridge"
            " stp_state 0 mcast_snooping 0 forward_delay 0",
            EXISTS,
        ),
        # What is for the bridge itself (STP, LLDP) goes by the rules, which drop it, and teaches it nothing: with
        # another's MAC it would take what is sent to that one. The kernel keeps the first three bits to itself.
        Line(f"link set {BRIDGE} type bridge group_fwd_mask 0xfff8 no_linklocal_learn 1"),
        *(
            [Line(f"address add {ipv4.gateway}/{ipv4.cidr.prefixlen} brd + dev {BRIDGE}", EXISTS)]
            if ipv4 is not None
            else []
        ),
        Line(f"link set {BRIDGE} up"),
    ]
    if segment.metadata4:
        # Answered on every node by itself, like the gateway's.
        lines.append(Line(f"address add {METADATA_ADDRESS}/32 dev {BRIDGE}", EXISTS))
    return lines


def ways(segment: Segment, pair: IPv4Network) -> list[Line]:
    """The ways to other nodes and out, once there are rules for who may take them.

    Nothing is flooded to other nodes: the bridge answers ARP for Ports there itself (neigh_suppress), and
    forwards by entries that were put in.
    """
    lines = [
        Line(f"link set {OVERLAY} master {BRIDGE}"),
        Line(
            f"link set {OVERLAY} type bridge_slave learning off flood off mcast_flood off bcast_flood off"
            " neigh_suppress on"
        ),
        Line(f"link set {OVERLAY} up"),
    ]
    if segment.egress:
        lines += [
            Line(f"address add {pair[1]}/31 dev {UPLINK}", EXISTS),
            Line(f"link set {UPLINK} up"),
            Line(f"route replace default via {pair[0]} dev {UPLINK}"),
        ]
    return lines


def inside6(segment: Segment) -> list[Line]:
    """The gateway's addresses of IPv6, once the bridge may have any."""
    if segment.ipv6 is None:
        return []
    lines = ipv6.devices(segment.ipv6, segment.gateway_mac)
    if segment.metadata6:
        lines.append(Line(f"address add {METADATA_ADDRESS6}/128 dev {BRIDGE} nodad", EXISTS))
    return lines


def make_taps(attachments: Iterable[Attachment]) -> list[Line]:
    """Taps in the node's namespace, where libvirt opens them: with vnet_hdr, as it asks for virtio."""
    return [
        line
        for attachment in attachments
        for line in (
            Line(f"tuntap add dev {attachment.tap} mode tap vnet_hdr", BUSY),
            Line(
                f"link set {attachment.tap} alias {alias(attachment.instance_uid)} mtu {attachment.nic.mtu}"
            ),
        )
    ]


def move_taps(taps: Iterable[str], segment_id: int) -> list[Line]:
    """Into the Network's namespace; those that are there already are fine."""
    return [Line(f"link set {tap} netns {namespace(segment_id)}", NO_DEVICE) for tap in taps]


def plug_taps(taps: Iterable[str]) -> list[Line]:
    return [
        line for tap in taps for line in (Line(f"link set {tap} master {BRIDGE}"), Line(f"link set {tap} up"))
    ]


def remove(interfaces: Iterable[str]) -> list[Line]:
    return [Line(f"link delete {interface}", NO_DEVICE) for interface in interfaces]


def remove_namespace(segment_id: int) -> list[Line]:
    name = namespace(segment_id)
    gone = f'Cannot remove namespace file "/run/netns/{name}": No such file or directory'
    return [
        *remove(names.on_node(segment_id)),
        Line(f"netns delete {name}", (gone, "No such file or directory")),
    ]


def free_pair(used: Iterable[IPv4Address]) -> IPv4Network | None:
    """The first pair of addresses that no interface has; None when all 8192 are taken."""
    taken = {int(address) & ~1 for address in used if address in UPLINKS}
    first = int(UPLINKS.network_address)
    for start in range(first, first + UPLINKS.num_addresses, 2):
        if start not in taken:
            return IPv4Network((start, 31))
    return None
