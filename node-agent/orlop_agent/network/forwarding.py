"""Forwarding to Ports on other nodes: what shall be known against what is. Pure.

For each such Port the overlay device gets the node that has its MAC, the bridge that the MAC is beyond the
overlay, and a neighbour entry from which the bridge answers ARP (bridge(8), neigh_suppress).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_address
from typing import Any

from orlop_agent.network.batch import NO_ENTRY, Line
from orlop_agent.network.book import Book
from orlop_agent.network.facts import Facts
from orlop_agent.network.ipv6 import IpAddress
from orlop_agent.network.names import BRIDGE, OVERLAY
from orlop_agent.network.shared import BROADCAST


@dataclass
class Peers:
    """What is beyond the overlay."""

    hosts: dict[str, IPv4Address] = field(default_factory=dict)
    """The node of each MAC."""
    neighbours: dict[IpAddress, str] = field(default_factory=dict)
    """The MAC of each address."""
    flooded: set[IPv4Address] = field(default_factory=set)
    """Nodes that get what is for all; only where an address is shared (see shared.py)."""

    def change(self, old: Peers, new: Peers) -> None:
        """A part of it, from this to that; the rest stays."""
        for mac in old.hosts.keys() - new.hosts.keys():
            del self.hosts[mac]
        for address in old.neighbours.keys() - new.neighbours.keys():
            del self.neighbours[address]
        self.hosts.update(new.hosts)
        self.neighbours.update(new.neighbours)
        self.flooded -= old.flooded - new.flooded
        self.flooded |= new.flooded


@dataclass(frozen=True)
class Only:
    """What is looked at, where that is not all."""

    macs: AbstractSet[str]
    addresses: AbstractSet[IpAddress]
    nodes: AbstractSet[IPv4Address]


def touched(news: Iterable[Facts], book: Book, moved: Iterable[str], flooded: Iterable[IPv4Address]) -> Only:
    """What these Ports have to do with, those with a MAC that `moved` here or away, and these nodes."""
    macs, nodes = set(moved), set(flooded)
    addresses: set[IpAddress] = set()
    for port in (*news, *(port for mac in sorted(macs) for port in book.having(mac))):
        macs.update([port.mac] if port.mac else ())
        addresses.update(port.spoken)
        nodes.update([port.host] if port.host else ())
    return Only(macs, addresses, nodes)


def wanted(book: Book, here: IPv4Address, local: AbstractSet[str], only: Only | None = None) -> Peers:
    """The Ports in use on other nodes than this one, which has the `local` MACs."""
    look = only or Only(set(book.hosts), set(book.neighbours), book.nodes.keys())
    hosts: dict[str, IPv4Address] = {}
    for mac in look.macs - local:
        beyond = [host for host in book.hosts.of(mac) if host != here]
        if beyond:
            hosts[mac] = max(beyond)
    neighbours: dict[IpAddress, str] = {}
    for address in look.addresses:
        who = [mac for host, mac in book.neighbours.of(address) if host != here and mac not in local]
        if who:
            neighbours[address] = max(who)
    if not book.shared:
        return Peers(hosts, neighbours)
    moved = Counter(host for mac in local for host in book.hosts.of(mac))
    flooded = (host for host in look.nodes if host != here and book.nodes[host] > moved[host])
    return Peers(hosts, neighbours, set(flooded))


def part(have: Peers, only: Only | None) -> Peers:
    """What is known of that."""
    if only is None:
        return have
    return Peers(
        {mac: have.hosts[mac] for mac in only.macs if mac in have.hosts},
        {address: have.neighbours[address] for address in only.addresses if address in have.neighbours},
        have.flooded & only.nodes,
    )


def known(forwarding: Sequence[Mapping[str, Any]], neighbours: Iterable[Mapping[str, Any]]) -> Peers:
    """What the kernel has, from the JSON of `bridge fdb show` and `ip neigh show`."""
    return Peers(
        {e["mac"]: IPv4Address(e["dst"]) for e in forwarding if "dst" in e and e["mac"] != BROADCAST},
        {ip_address(entry["dst"]): entry["lladdr"] for entry in neighbours if "lladdr" in entry},
        {IPv4Address(e["dst"]) for e in forwarding if "dst" in e and e["mac"] == BROADCAST},
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
