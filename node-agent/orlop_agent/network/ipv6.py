"""IPv6 of a Network on this node, beside IPv4: what differs in devices, rules and servers. Pure text.

The gateway has two addresses on brq0, the same on every node: the subnet's, and the link-local one of its MAC
address, by which guests know it as their router. A guest has the two likewise, its own and the link-local one of its
MAC address (RFC 4291, appendix A); as nothing else may it speak. The node's bridge answers neighbour discovery for
Ports on other nodes from permanent entries, as it does ARP.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import Self

from orlop_agent.network.batch import EXISTS, Line
from orlop_agent.network.drops import FOR_MANY, drop
from orlop_agent.network.names import BRIDGE
from orlop_api.address6 import link_local
from orlop_api.assigned_ipv6 import AssignedIpv6
from orlop_api.network import METADATA_ADDRESS6, Ipv6Mode

IpAddress = IPv4Address | IPv6Address
_SOLICIT, _ADVERT = "nd-neighbor-solicit", "nd-neighbor-advert"
DISCOVERY = f"icmpv6 type {{ {_SOLICIT}, {_ADVERT} }}"
"""Neighbour discovery between hosts (RFC 4861), without which nobody is reached."""
_TARGET = "@th,64,128"
"""Of a neighbour solicitation or advertisement (RFC 4861, sections 4.3 and 4.4)."""
SETS = {
    "addresses6": "typeof meta iifname . ether saddr . ip6 saddr;",
    "targets6": f"typeof meta iifname . {_TARGET};",
}


@dataclass(frozen=True, slots=True)
class Subnet6:
    """The IPv6 subnet of a Network."""

    cidr: IPv6Network
    gateway: IPv6Address
    dns: tuple[IPv6Address, ...]
    slaac: bool

    @classmethod
    def of(cls, given: AssignedIpv6) -> Self:
        """Raises ValueError."""
        return cls(
            cidr=IPv6Network(given.cidr),
            gateway=IPv6Address(given.gateway),
            dns=tuple(IPv6Address(server) for server in given.dns),
            slaac=given.mode is Ipv6Mode.SLAAC,
        )


def own(mac: str, address: IPv6Address | None) -> tuple[IPv6Address, ...]:
    """What a NIC with this address speaks as."""
    return () if address is None else (address, link_local(mac))


def devices(subnet: Subnet6, gateway_mac: str) -> list[Line]:
    """The gateway's addresses. Nobody is asked whether they are free: every node has them."""
    return [
        Line(f"address add {address} dev {BRIDGE} nodad", EXISTS)
        for address in (f"{subnet.gateway}/{subnet.cidr.prefixlen}", f"{link_local(gateway_mac)}/64")
    ]


def elements(tap: str, mac: str, addresses: Iterable[IPv6Address]) -> dict[str, list[str]]:
    """What a tap may speak as, and advertise."""
    found = list(addresses)
    return {
        "addresses6": [f'"{tap}" . {mac} . {address}' for address in found],
        "targets6": [f'"{tap}" . {int(address):#x}' for address in found],
    }


def from_guests() -> str:
    """What a guest may send. Before it has an address it asks whether its own is free, and for a router."""
    return f"""    icmpv6 type {_ADVERT} iifname . {_TARGET} != @targets6 {drop("forged_nd")}
    {FOR_MANY} ip6 daddr != ff00::/8 {drop("misdirected")}
    iifname . ether saddr . ip6 saddr @addresses6 accept
    ip6 saddr :: icmpv6 type {_SOLICIT} iifname . {_TARGET} @targets6 accept
    ip6 saddr :: icmpv6 type {{ nd-router-solicit, mld2-listener-report }} accept
    {drop("forged_address")}"""


def from_nodes(subnet: Subnet6, gateway_mac: str, also: Iterable[IPv6Address] = ()) -> str:
    """What is dropped of what comes from other nodes: there nobody is the gateway, which is on every node itself, nor
    `also` these.

    Its MAC is on what was routed, so not on what neighbours say to each other.
    """
    routers = (subnet.gateway, link_local(gateway_mac), *also)
    listed = ", ".join(map(str, routers))
    targets = ", ".join(f"{int(address):#x}" for address in routers)
    return f"""    ether saddr {gateway_mac} {DISCOVERY} {drop("forged_overlay")}
    ip6 saddr {{ {listed} }} {drop("forged_overlay")}
    icmpv6 type {_ADVERT} {_TARGET} {{ {targets} }} {drop("forged_overlay")}
    icmpv6 type {{ nd-router-advert, nd-redirect }} {drop("rogue_router")}
    udp dport 546 {drop("rogue_dhcp")}
"""


def gateway_rules(subnet: Subnet6, *, answers: bool) -> str:
    """What the gateway itself hears: neighbour discovery, questions for a router and for an address, ping; and where it
    `answers`, for names.
    """
    near = f"{{ {subnet.cidr}, fe80::/64 }}"
    own = f'iifname "{BRIDGE}" ip6 saddr {subnet.cidr} ip6 daddr {subnet.gateway}'
    dns = f"    {own} udp dport 53 accept\n    {own} tcp dport 53 accept\n" if answers else ""
    return f"""{dns}\
    iifname "{BRIDGE}" ip6 hoplimit 255 icmpv6 type {{ nd-router-solicit, {_SOLICIT}, {_ADVERT} }} accept
    iifname "{BRIDGE}" udp sport 546 udp dport 547 accept
    iifname "{BRIDGE}" ip6 saddr {near} icmpv6 type echo-request accept
"""


def dhcp_lines(
    subnet: Subnet6,
    gateway_mac: str,
    mtu: int,
    lease: str,
    *,
    servers: Iterable[IPv6Address],
    search: Sequence[str] = (),
    is_routed: bool,
    metadata: bool = False,
) -> Iterator[str]:
    """For dnsmasq(8): what the gateway advertises, and who is told an address.

    Nobody is led out by IPv6: a lifetime of nothing says that this is no way to elsewhere (RFC 4861, section 6.2.3).
    With a Router there is one to its other Networks. It is advertised as the default, for kernels do not look at more
    specific ones (RFC 4191) unless told to, and nothing else can tell; of low preference, so that a guest's other NIC
    with a real way out goes first. What leads nowhere the gateway refuses at once.

    Metadata is advertised as an address on this link that nobody makes his own of: every kernel takes that (RFC 4861,
    section 6.3.4), and no other way changes. With it dnsmasq says that addresses may be had by DHCPv6, also where
    guests make theirs; who asks is told that there is none.

    The server's identity is the same on every node and after every start, so each confirms what another gave;
    the number is one for examples (RFC 5612), since none but its own guests see it.
    """
    yield "enable-ra"
    yield f"ra-param={BRIDGE},mtu:{mtu},{f'low,{_ADVERTISED},{_LIFETIME}' if is_routed else f'{_ADVERTISED},0'}"
    network, prefix = subnet.cidr.network_address, subnet.cidr.prefixlen
    if subnet.slaac:
        yield f"dhcp-range={network},ra-only,{prefix},{_PREFERRED}"
    else:
        yield f"dhcp-range={network},static,{prefix},{lease}"
    if metadata:
        yield f"dhcp-range={METADATA_ADDRESS6},static,128,{_PREFERRED}"
    if metadata or not subnet.slaac:
        yield f"dhcp-duid=32473,{gateway_mac}"
    told = ",".join(f"[{server}]" for server in servers)
    yield f"dhcp-option=option6:dns-server{f',{told}' if told else ''}"
    if search:
        # In advertisements too (RFC 8106).
        yield f"dhcp-option=option6:domain-search,{','.join(search)}"


_ADVERTISED = 60
"""Seconds between two router advertisements that nobody asked for."""
_LIFETIME = 1800
"""Seconds for which the gateway is a guest's router without being advertised again (RFC 4861, section 6.2.1)."""
_PREFERRED = "24h"
"""How long an address that a guest made is good without being advertised again."""
