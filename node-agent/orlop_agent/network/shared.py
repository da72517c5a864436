"""Addresses that several Ports may use: who has one is asked on all nodes. Pure.

Nothing else is flooded between nodes: the bridge answers ARP for Ports by itself, from what the operator says. Who
of several has a shared address only they know (VRRP, RFC 9568), and tell by gratuitous ARP, which that bridge keeps
from the overlay (neigh_suppress, br_do_proxy_suppress_arp). So a copy of such a question, and of such news, goes to
the overlay by nftables, and so to each node that has a Port of the Network. It is taken from what the bridge hands up
to the gateway: every rule against forged frames has had its say by then.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, collapse_addresses

from orlop_agent.network.book import Book
from orlop_agent.network.names import BRIDGE, OVERLAY

BROADCAST = "ff:ff:ff:ff:ff:ff"

NOTHING = "add table netdev orlop\ndelete table netdev orlop\n"
"""No address is shared; also fine when that was so before."""


def shared(book: Book) -> tuple[IPv4Network, ...]:
    """What Ports of the Network may use beside their own addresses."""
    return tuple(collapse_addresses(book.shared))


def copies(addresses: Iterable[IPv4Network], here: Iterable[str]) -> str:
    """The table; `here` are the MAC addresses of this node's guests: what came by the overlay is not sent on."""
    elements, macs = ", ".join(map(str, addresses)), ", ".join(sorted(here))
    if not elements or not macs:
        return NOTHING
    news = f"ether daddr {BROADCAST} ether saddr @here"
    return f"""add table netdev orlop
delete table netdev orlop
table netdev orlop {{
  set here {{ type ether_addr; elements = {{ {macs} }} }}
  set shared {{ type ipv4_addr; flags interval; elements = {{ {elements} }} }}
  chain shared {{
    type filter hook ingress device "{BRIDGE}" priority 0; policy accept;
    {news} arp daddr ip @shared dup to "{OVERLAY}" accept
    {news} arp saddr ip @shared dup to "{OVERLAY}" accept
  }}
}}
"""
