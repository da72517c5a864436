"""FloatingIPs on a node: whose are here, and what nftables and ip(8) are told of them. Pure text.

outside ── eth0 ── orlop-<segment> ── up0 ── brq0 ── guest
           ARP     by a route of      into, out: another address
           answered its own           (table orlop_floating)
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, Self

from orlop_agent.network.batch import EXISTS, NO_ENTRY, Line
from orlop_agent.network.links import UPLINKS
from orlop_agent.network.names import UPLINK, namespace
from orlop_agent.network.segment import Attachment
from orlop_api.floating_ip import FloatingIP

TABLE = "inet orlop_floating"
NODE_SET = "floating"
PROTOCOL = 137
"""Whose routes and neighbour entries these are (rtnetlink(7), rtm_protocol): of the numbers that nobody else has."""
_TO_NODE = f"inet orlop {NODE_SET}"
KIND = "type ifname . ipv4_addr;"
"""Which Network's way out has which addresses."""


@dataclass(frozen=True, order=True)
class Floating:
    """One that leads to a NIC here."""

    address: IPv4Address
    fixed: IPv4Address
    """The NIC's own."""
    interface: str
    """The node's, on the physical network."""
    forwards: tuple[tuple[str, int, int], ...] = ()
    """Protocol, port, and the guest's port; none: everything is let in."""

    def record(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "address": str(self.address),
            "fixed": str(self.fixed),
            "interface": self.interface,
            "forwards": self.forwards,
        }

    @classmethod
    def recorded(cls, found: Mapping[str, Any]) -> Self:
        """The reverse of record. Raises KeyError, TypeError or ValueError."""
        forwards = tuple((str(p), int(port), int(to)) for p, port, to in found["forwards"])
        return cls(
            IPv4Address(found["address"]), IPv4Address(found["fixed"]), str(found["interface"]), forwards
        )


def wanted(
    told: Iterable[FloatingIP], attachments: Collection[Attachment], interfaces: Mapping[str, str]
) -> tuple[Floating, ...]:
    """Those that lead to one of these NICs, all of one Network; an address, its own or floating, is in one only."""
    here = {
        (each.nic.port_name, each.nic.segment_id, address)
        for each in attachments
        for address in each.addresses
    }
    near = {(name, segment_id) for name, segment_id, _ in here}
    found: dict[IPv4Address, Floating] = {}
    led: set[IPv4Address] = set()
    # A namespace may have thousands that lead elsewhere.
    mine = (
        each
        for each in told
        if each.status is not None
        and each.status.target is not None
        and (each.status.target.name, each.status.target.segment_id) in near
    )
    for floating in sorted(mine, key=lambda each: each.metadata.uid):
        status = floating.status
        if floating.metadata.deleting or status is None or status.target is None or status.address is None:
            continue
        interface = interfaces.get(status.physical_network or "")
        target, fixed, address = (
            status.target,
            IPv4Address(status.target.address),
            IPv4Address(status.address),
        )
        if interface is None or (target.name, target.segment_id, fixed) not in here:
            continue
        if address in found or fixed in led:
            continue
        led.add(fixed)
        forwards = tuple(
            sorted((f.protocol.value.lower(), f.port, f.target_port or f.port) for f in floating.spec.ports)
        )
        found[address] = Floating(address, fixed, interface, forwards)
    return tuple(sorted(found.values()))


def rules(want: Collection[Floating]) -> str:
    """In the Network's namespace: all of it, replaced as one; nothing where nothing is wanted.

    What connection tracking still knows of a floating address that went, or that leads elsewhere by now, is judged
    packet by packet, so an old connection ends with it.
    """
    if not want:
        return f"add table {TABLE}\ndelete table {TABLE}\n"
    whole = [each for each in want if not each.forwards]
    forwards = [(each, *forward) for each in want for forward in each.forwards]
    elements = {
        "into": [f"{each.address} : {each.fixed}" for each in whole],
        "ports": [f"{each.address} . {p} . {port} : {each.fixed} . {to}" for each, p, port, to in forwards],
        "out": [f"{each.fixed} : {each.address}" for each in want],
        "led": [f"{each.address} . {each.fixed}" for each in whole],
        "forwarded": sorted({f"{each.address} . {each.fixed} . {p} . {to}" for each, p, _, to in forwards}),
        "spoken": [f"{each.address} . {each.fixed}" for each in want],
    }
    text = f"""add table {TABLE}
flush table {TABLE}
table {TABLE} {{
  map into {{ type ipv4_addr : ipv4_addr; }}
  map ports {{ type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }}
  map out {{ type ipv4_addr : ipv4_addr; }}
  set led {{ type ipv4_addr . ipv4_addr; }}
  set forwarded {{ type ipv4_addr . ipv4_addr . inet_proto . inet_service; }}
  set spoken {{ type ipv4_addr . ipv4_addr; }}
  chain prerouting {{
    type nat hook prerouting priority dstnat; policy accept;
    iifname "{UPLINK}" dnat ip to ip daddr map @into
    iifname "{UPLINK}" meta l4proto {{ tcp, udp }} dnat ip to ip daddr . meta l4proto . th dport map @ports
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat - 10; policy accept;
    oifname "{UPLINK}" snat ip to ip saddr map @out
  }}
  chain forward {{
    type filter hook forward priority filter - 40; policy accept;
    ct state related accept comment "errors of what goes on"
    ct status dnat ct original ip daddr . ip daddr . meta l4proto . th dport @forwarded accept
    ct status dnat ct original ip daddr . ip saddr . meta l4proto . th sport @forwarded accept
    ct status dnat ct original ip daddr . ct reply ip saddr != @led counter drop
    ct status snat ct reply ip daddr != {UPLINKS} ct reply ip daddr . ct original ip saddr != @spoken counter drop
  }}
}}
"""
    for name, found in elements.items():
        text += f"flush {'map' if name in {'into', 'ports', 'out'} else 'set'} {TABLE} {name}\n"
        if found:
            text += f"add element {TABLE} {name} {{ {', '.join(found)} }}\n"
    return text


def on_node(want: Mapping[int, Collection[Floating]]) -> str:
    """Which way out may speak, and is reached, by which address: all of the node, replaced as one."""
    text = f"add table inet orlop\nadd set {_TO_NODE} {{ {KIND} }}\nflush set {_TO_NODE}\n"
    elements = [
        f'"{namespace(segment_id)}" . {each.address}' for segment_id, all_ in want.items() for each in all_
    ]
    return text + (f"add element {_TO_NODE} {{ {', '.join(sorted(elements))} }}\n" if elements else "")


def routes(
    have: Collection[tuple[str, str, str]], want: Mapping[int, Collection[Floating]], ways: Mapping[str, str]
) -> list[Line]:
    """From the routes that are there (address, gateway, interface) to one for each; `ways` are ends of ways out."""
    there = {(address, gateway, device) for address, gateway, device in have}
    wanted_ = {
        (str(each.address), ways[name], name)
        for segment_id, all_ in want.items()
        if (name := namespace(segment_id)) in ways
        for each in all_
    }
    gone = {address for address, _, _ in there} - {address for address, _, _ in wanted_}
    lines = [Line(f"route delete {address}/32 proto {PROTOCOL}", NO_ENTRY) for address in sorted(gone)]
    lines += [
        Line(f"route replace {address}/32 via {gateway} dev {device} proto {PROTOCOL}")
        for address, gateway, device in sorted(wanted_ - there)
    ]
    return lines


def answered(want: Mapping[int, Collection[Floating]]) -> set[tuple[str, str]]:
    """What ARP is answered for, on which interface."""
    return {(str(each.address), each.interface) for all_ in want.values() for each in all_}


def unanswer(gone: Iterable[tuple[str, str]]) -> list[Line]:
    """Nobody hears of these any more."""
    return [Line(f"neigh delete proxy {address} dev {device}", NO_ENTRY) for address, device in sorted(gone)]


def answer(new: Iterable[tuple[str, str]]) -> list[Line]:
    """The kernel answers for these addresses alone, where it forwards and the way there is another interface."""
    return [
        Line(f"neigh add proxy {address} dev {device} protocol {PROTOCOL}", EXISTS)
        for address, device in sorted(new)
    ]


def announcement(address: str, mac: bytes) -> list[bytes]:
    """Gratuitous ARP (RFC 5227, section 3; RFC 826) as frames: a question, and an answer for who takes only those."""
    who, everybody, packed = mac, b"\xff" * 6, IPv4Address(address).packed
    frames = []
    for operation, target in ((1, bytes(6)), (2, everybody)):
        arp = b"\x00\x01\x08\x00\x06\x04" + operation.to_bytes(2, "big") + who + packed + target + packed
        frames.append(everybody + who + b"\x08\x06" + arp)
    return frames
