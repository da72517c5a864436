"""Between Networks of one Router, on a node. Pure.

A Router is a namespace of its own, with a link to that of each of its Networks. A node with a NIC on one of them has
all of them, for it routes what its own guests send: into the namespace of the destination's Network, and from
there over that one's overlay. What is answered is routed by the answerer's node.

namespace orlop-4097        namespace orlop-router-…      namespace orlop-4098
tap ─ brq0 ─── rt… ───────── n4097     n4098 ───────────── rt… ─── brq0 ─ vx0 ···

The links have no addresses: each end is known to the other by a fixed MAC, and errors (ICMP) are sent from the
gateway's address.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, collapse_addresses, ip_network
from typing import Any

from orlop_agent.network import names
from orlop_agent.network.batch import EXISTS, NO_ENTRY, Line
from orlop_agent.network.ipv6 import Subnet6
from orlop_agent.network.segment import Segment
from orlop_api.router import JoinedNetwork, Router, RouterStatus

_ROUTER, _NETWORK = IPv4Address("169.254.128.1"), IPv4Address("169.254.128.2")
"""Stand for the two ends of each link, in routes alone; nobody has them."""
ROUTER_MAC, NETWORK_MAC = "02:00:00:00:00:01", "02:00:00:00:00:02"
_MTU = 9000
"""The largest that a Network may have: what is too large is refused where it leaves for the guest's Network."""
_PROTOCOL = 88
"""Marks our routes (ip-route(8), proto)."""


@dataclass(frozen=True, slots=True)
class Place:
    """One Network in its Router, as a node has it."""

    router_uid: str
    home: str
    """Their namespace in the API."""
    segment: Segment
    """The Network, as far as those without a NIC on it need to know."""
    ways: tuple[IPv4Network, ...] = ()
    """What is reached through the Router."""
    local_ways: tuple[tuple[IPv4Network, IPv4Address], ...] = ()
    """Static routes by way of somebody on this very Network."""
    ways6: tuple[tuple[IPv6Network, int], ...] = ()
    """What is reached through the Router by IPv6, with its MTU; nothing from a Network that has none itself."""
    sources6: tuple[tuple[str, IPv6Network], ...] = ()
    """What the Router takes by IPv6 from each of its links, of all its Networks."""
    others: frozenset[str] = frozenset()
    """Uids of the Router's other Networks."""
    told: str = ""
    """What all this follows from, as JSON, for the node's own memory."""

    @property
    def link(self) -> str:
        """The interface in the Network's namespace."""
        return names.router_link(self.router_uid)

    @property
    def peer(self) -> str:
        """Its other end, in the Router's namespace."""
        return _peer(self.segment.segment_id)

    @property
    def behind(self) -> tuple[IPv4Network, ...]:
        """What the Router reaches through this Network."""
        own = (self.segment.cidr,) if self.segment.cidr is not None else ()
        return (*own, *(destination for destination, _ in self.local_ways))


def places(router: Router) -> dict[int, Place]:
    """All Networks of a Router, by segment. Raises ValueError."""
    status = router.status or RouterStatus()
    segments = [_segment(each, router.metadata.namespace) for each in status.networks]
    static = [(IPv4Network(route.destination), IPv4Address(route.via)) for route in status.routes]
    made = {}
    for segment in segments:
        own = segment.cidr
        local = tuple((where, via) for where, via in static if own is not None and via in own)
        others = [each for each in segments if each is not segment]
        # By each family those Networks are joined that have it.
        cidrs = [each.cidr for each in others if each.cidr is not None] if own is not None else []
        ways = cidrs + [where for where, via in static if any(via in each for each in cidrs)]
        ways6 = [(e.ipv6.cidr, e.mtu) for e in others if e.ipv6 is not None] if segment.ipv6 else []
        made[segment.segment_id] = Place(
            router.metadata.uid,
            router.metadata.namespace,
            segment,
            tuple(sorted(ways)),
            local,
            tuple(sorted(ways6)),
            tuple((_peer(each.segment_id), each.ipv6.cidr) for each in segments if each.ipv6 is not None),
            frozenset(each.network_uid for each in others),
            _told(router, segment.segment_id),
        )
    return made


def in_place(segment: Segment, place: Place | None) -> Segment:
    """A Network with what its Router makes of it."""
    return replace(segment, routed=place is not None, routed6=place is not None and bool(place.ways6))


def recorded(told: str) -> Place:
    """The reverse of Place.told. Raises KeyError or ValueError."""
    data = json.loads(told)
    meta = {"uid": data["router"], "namespace": data["home"]}
    spec = {"networks": [{"name": each["name"]} for each in data["status"]["networks"]]}
    router = Router.model_validate({"metadata": meta, "spec": spec, "status": data["status"]})
    return places(router)[int(data["segment"])]


def _peer(segment_id: int) -> str:
    return f"n{segment_id}"


def _told(router: Router, segment_id: int) -> str:
    status = router.status.wire() if router.status is not None else {}
    data = {
        "router": router.metadata.uid,
        "home": router.metadata.namespace,
        "segment": segment_id,
        "status": {"networks": status.get("networks", []), "routes": status.get("routes", [])},
    }
    return json.dumps(data, sort_keys=True)


def _segment(joined: JoinedNetwork, home: str) -> Segment:
    return Segment(
        segment_id=int(joined.segment_id),
        network_uid=joined.network_uid,
        cidr=None if joined.cidr is None else IPv4Network(joined.cidr),
        gateway=None if joined.gateway is None else IPv4Address(joined.gateway),
        dns=(),
        dhcp=False,
        egress=False,
        mtu=int(joined.mtu),
        home=home,
        routed=True,
        ipv6=None
        if joined.ipv6 is None
        else Subnet6(IPv6Network(joined.ipv6.cidr), IPv6Address(joined.ipv6.gateway), (), slaac=False),
    )


def wanted(
    now: Mapping[int, Place], here: Mapping[int, str], told: Mapping[str, Collection[Router]]
) -> tuple[dict[int, Place], list[tuple[Router, ValueError]]]:
    """Where the Networks shall be: of each Router that has one `here` (segment and uid) all of them.

    Routers of namespaces that nobody told of yet stay as they are `now`. Beside it, what is wrong with some that have.
    """
    found: dict[int, Place] = {}
    wrong: list[tuple[Router, ValueError]] = []
    for routers in told.values():
        # A namespace may have hundreds that have nothing here.
        mine = (
            router
            for router in routers
            if router.status is not None
            and any(here.get(int(each.segment_id)) == each.network_uid for each in router.status.networks)
        )
        for router in sorted(mine, key=lambda each: each.metadata.uid):
            try:
                found = places(router) | found
            except ValueError as error:
                wrong.append((router, error))
    kept = {place.router_uid for segment_id, place in now.items() if segment_id in here}
    for segment_id, place in now.items():
        if place.home not in told and place.router_uid in kept:
            found.setdefault(segment_id, place)
    return found, wrong


def on_node(place: Place) -> list[Line]:
    """The Router's namespace, and its link with the Network's."""
    router, network = names.router_namespace(place.router_uid), names.namespace(place.segment.segment_id)
    return [
        Line(f"netns add {router}", EXISTS),
        Line(
            f"link add {place.link} address {NETWORK_MAC} mtu {_MTU} netns {network}"
            f" alias {names.alias(place.router_uid)} type veth"
            f" peer name {place.peer} address {ROUTER_MAC} mtu {_MTU} netns {router}",
            EXISTS,
        ),
    ]


def in_router(place: Place, there: Iterable[Mapping[str, Any]]) -> list[Line]:
    """`there`: the routes that are marked as ours, as ip(8) lists them."""
    ways = dict.fromkeys(place.behind, f"via {_NETWORK} dev {place.peer} onlink")
    mine = [route for route in there if route.get("dev") == place.peer]
    return [
        # With the first address, lo's, Linux makes the table by which it judges what may be a router.
        Line("link set lo up"),
        Line(f"link set {place.peer} up"),
        Line(f"neigh replace {_NETWORK} lladdr {NETWORK_MAC} dev {place.peer} nud permanent"),
        *routes(ways, mine),
    ]


def in_network(place: Place, there: Iterable[Mapping[str, Any]]) -> list[Line]:
    """The same for the Network's namespace."""
    gateway = place.segment.gateway
    ways = dict.fromkeys(place.ways, f"via {_ROUTER} dev {place.link} onlink src {gateway}")
    ways |= {where: f"via {via} dev {names.BRIDGE} src {gateway}" for where, via in place.local_ways}
    return [
        Line(f"link set {place.link} up"),
        Line(f"neigh replace {_ROUTER} lladdr {ROUTER_MAC} dev {place.link} nud permanent"),
        *routes(ways, there),
    ]


def without(there: Iterable[Mapping[str, Any]]) -> list[Line]:
    """A Network's namespace that is in no Router any more."""
    return routes({}, there)


def remove_routers(namespaces: Iterable[str]) -> list[Line]:
    """With their ends of all links, and so the other ends too."""
    return [Line(f"netns delete {name}", ("No such file or directory",)) for name in sorted(namespaces)]


def listing(family: int = 4) -> tuple[str, ...]:
    """The command that lists our routes."""
    return ("ip", "-j", f"-{family}", "route", "show", "proto", str(_PROTOCOL))


def routes(
    ways: Mapping[IPv4Network, str] | Mapping[IPv6Network, str], there: Iterable[Mapping[str, Any]]
) -> list[Line]:
    """From what is `there` to these and no others."""
    lines = [
        Line(f"route delete {route['dst']} proto {_PROTOCOL}", NO_ENTRY)
        for route in there
        if _network(route["dst"]) not in ways
    ]
    lines += [Line(f"route replace {where} {way} proto {_PROTOCOL}") for where, way in ways.items()]
    return lines


def _network(text: str) -> IPv4Network | IPv6Network | None:
    return ip_network(text) if text != "default" else None


def elements(networks: Sequence[IPv4Network]) -> str:
    """An anonymous set."""
    return f"{{ {', '.join(map(str, collapse_addresses(networks)))} }}"


def forward_rules(place: Place) -> str:
    """What the Network's namespace lets through, in the chain forward.

    By addresses alone: this node may see one direction only of what it routes.
    """
    if not place.ways and not place.local_ways:
        return ""
    behind, bridge = elements(place.behind), names.BRIDGE
    text = ""
    if place.ways:
        ways = elements(place.ways)
        text += f'    iifname "{bridge}" oifname "{place.link}" ip saddr {behind} ip daddr {ways} accept\n'
        text += f'    iifname "{place.link}" oifname "{bridge}" ip saddr {ways} ip daddr {behind} accept\n'
    if place.local_ways:
        text += f'    iifname "{bridge}" oifname "{bridge}" ip saddr {behind} ip daddr {behind} accept\n'
    return text


def input_rules(place: Place) -> str:
    """Guests of the other Networks may ping the gateway."""
    if not place.ways:
        return ""
    asked = f"ip daddr {place.segment.gateway} icmp type echo-request accept"
    return f'    iifname "{place.link}" ip saddr {elements(place.ways)} {asked}\n'


def overlay_rules(place: Place) -> str:
    """What other nodes routed into the Network comes from the gateway's MAC, which is everywhere the same."""
    sources = [*place.ways, *(place.behind if place.local_ways else ())]
    if not sources:
        return ""
    return f"    ether saddr {place.segment.gateway_mac} ip saddr {elements(sources)} accept\n"
