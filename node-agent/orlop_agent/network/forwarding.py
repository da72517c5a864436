"""Forwarding to Ports on other nodes: what shall be known against what is. Pure.

For each such Port the overlay device gets the node that has its MAC, the bridge that the MAC is beyond the
overlay, and a neighbour entry from which the bridge answers ARP (bridge(8), neigh_suppress).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, ip_address
from typing import Any

from orlop_agent.network.batch import NO_ENTRY, Line
from orlop_agent.network.ipv6 import IpAddress, spoken
from orlop_agent.network.names import BRIDGE, OVERLAY
from orlop_agent.network.segment import checked_mac
from orlop_agent.network.shared import BROADCAST
from orlop_api.port import Port


@dataclass(frozen=True)
class Peers:
    """What is beyond the overlay."""

    hosts: Mapping[str, IPv4Address] = field(default_factory=dict)
    """The node of each MAC."""
    neighbours: Mapping[IpAddress, str] = field(default_factory=dict)
    """The MAC of each address."""
    flooded: frozenset[IPv4Address] = frozenset()
    """Nodes that get what is for all; only where an address is shared (see shared.py)."""


_node = lru_cache(maxsize=1 << 14)(IPv4Address)
"""Nodes are few, and named by each of their Ports."""


def wanted(
    ports: Iterable[Port], here: IPv4Address, local_macs: frozenset[str], *, is_shared: bool = False
) -> tuple[Peers, list[ValueError]]:
    """The Ports in use on other nodes, and what is wrong with those that cannot be told to the kernel."""
    hosts: dict[str, IPv4Address] = {}
    neighbours: dict[IpAddress, str] = {}
    wrong: list[ValueError] = []
    for port in ports:
        if not port.status or not port.status.binding or not port.status.mac_address:
            continue
        try:
            mac = checked_mac(port.status.mac_address)
            host = _node(port.status.binding.host_address)
            addresses = spoken(mac, port.status.addresses)
        except ValueError as error:
            wrong.append(error)
            continue
        if host != here and mac not in local_macs:
            hosts[mac] = host
            neighbours |= dict.fromkeys(addresses, mac)
    return Peers(hosts, neighbours, frozenset(hosts.values()) if is_shared else frozenset()), wrong


def known(forwarding: Sequence[Mapping[str, Any]], neighbours: Iterable[Mapping[str, Any]]) -> Peers:
    """What the kernel has, from the JSON of `bridge fdb show` and `ip neigh show`."""
    return Peers(
        {e["mac"]: IPv4Address(e["dst"]) for e in forwarding if "dst" in e and e["mac"] != BROADCAST},
        {ip_address(entry["dst"]): entry["lladdr"] for entry in neighbours if "lladdr" in entry},
        frozenset(IPv4Address(e["dst"]) for e in forwarding if "dst" in e and e["mac"] == BROADCAST),
    )


def bridge_changes(have: Peers, want: Peers) -> list[Line]:
    lines = [
        Line(text, NO_ENTRY)
        for mac in have.hosts.keys() - want.hosts.keys()
        for text in (f"fdb delete {mac} dev {OVERLAY} master", f"fdb delete {mac} dev {OVERLAY} self")
    ]
    for mac, host in want.hosts.items():
        if have.hosts.get(mac) != host:
            lines += [
                Line(f"fdb replace {mac} dev {OVERLAY} dst {host} self static"),
                Line(f"fdb replace {mac} dev {OVERLAY} master static"),
            ]
    all_ = f"{BROADCAST} dev {OVERLAY} dst"
    lines += [
        Line(f"fdb delete {all_} {host} self", NO_ENTRY) for host in sorted(have.flooded - want.flooded)
    ]
    lines += [Line(f"fdb append {all_} {host} self static") for host in sorted(want.flooded - have.flooded)]
    return lines


def neighbour_changes(have: Peers, want: Peers) -> list[Line]:
    gone = have.neighbours.keys() - want.neighbours.keys()
    lines = [Line(f"neigh delete {address} dev {BRIDGE}", NO_ENTRY) for address in gone]
    lines += [
        Line(f"neigh replace {address} lladdr {mac} dev {BRIDGE} nud permanent")
        for address, mac in want.neighbours.items()
        if have.neighbours.get(address) != mac
    ]
    return lines
