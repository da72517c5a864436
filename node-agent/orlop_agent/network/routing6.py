"""Between Networks of one Router by IPv6, beside IPv4 (routing.py). Pure text.

The same links, with next hops that are link-local addresses nobody has: each end is known to the other by its fixed
MAC, and no neighbour discovery is spoken there. Linux has no rp_filter of IPv6, so the Router's own rules say what is
taken from which link. Networks without IPv6 have none of this.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from orlop_agent.network import names
from orlop_agent.network.batch import Line
from orlop_agent.network.routing import NETWORK_MAC, ROUTER_MAC, Place, routes

_ROUTER, _NETWORK = "fe80::1", "fe80::2"
_TABLE = "ip6 orlop"


def taken(place: Place) -> str:
    """Rules of the Router's namespace: from each link its own Network's addresses alone, as strict rp_filter has it."""
    found = ", ".join(f'"{link}" . {network}' for link, network in place.sources6)
    text = f"""add table {_TABLE}
flush table {_TABLE}
table {_TABLE} {{
  set sources {{ typeof meta iifname . ip6 saddr; flags interval; }}
  chain prerouting {{
    type filter hook prerouting priority filter; policy accept;
    iifname . ip6 saddr != @sources counter drop
  }}
}}
flush set {_TABLE} sources
"""
    return text + (f"add element {_TABLE} sources {{ {found} }}\n" if found else "")


def in_router(place: Place, there: Iterable[Mapping[str, Any]]) -> list[Line]:
    """`there`: the routes that are marked as ours, as ip(8) lists them."""
    ways = {} if place.segment.ipv6 is None else {place.segment.ipv6.cidr: f"via {_NETWORK} dev {place.peer}"}
    mine = [route for route in there if route.get("dev") == place.peer]
    return [
        Line(f"neigh replace {_NETWORK} lladdr {NETWORK_MAC} dev {place.peer} nud permanent"),
        *routes(ways, mine),
    ]


def in_network(place: Place, there: Iterable[Mapping[str, Any]]) -> list[Line]:
    """The same for the Network's namespace."""
    gateway = place.segment.ipv6.gateway if place.segment.ipv6 is not None else None
    way = f"via {_ROUTER} dev {place.link} src {gateway} mtu lock"
    # The kernel puts together what a guest cut, where connections are known, and must cut it again here: it may forget
    # at which length, and who only forwards IPv6 further on must not cut.
    ways = {network: f"{way} {min(mtu, place.segment.mtu)}" for network, mtu in place.ways6}
    return [
        Line(f"neigh replace {_ROUTER} lladdr {ROUTER_MAC} dev {place.link} nud permanent"),
        *routes(ways, there),
    ]


def _ways(place: Place) -> str:
    return f"{{ {', '.join(str(network) for network, _ in place.ways6)} }}"


def forward_rules(place: Place) -> str:
    """What the Network's namespace lets through, in the chain forward: by addresses alone, as of IPv4."""
    if place.segment.ipv6 is None or not place.ways6:
        return ""
    behind, ways, bridge = place.segment.ipv6.cidr, _ways(place), names.BRIDGE
    return (
        f'    iifname "{bridge}" oifname "{place.link}" ip6 saddr {behind} ip6 daddr {ways} accept\n'
        f'    iifname "{place.link}" oifname "{bridge}" ip6 saddr {ways} ip6 daddr {behind} accept\n'
    )


def input_rules(place: Place) -> str:
    """Guests of the other Networks may ping the gateway."""
    if place.segment.ipv6 is None or not place.ways6:
        return ""
    asked = f"ip6 daddr {place.segment.ipv6.gateway} icmpv6 type echo-request accept"
    return f'    iifname "{place.link}" ip6 saddr {_ways(place)} {asked}\n'


def overlay_rules(place: Place) -> str:
    """What other nodes routed into the Network comes from the gateway's MAC.

    What only a gateway says is dropped before.
    """
    if not place.ways6:
        return ""
    return f"    ether saddr {place.segment.gateway_mac} ip6 saddr {_ways(place)} accept\n"
