"""Files of a Network's DHCP server, which is dnsmasq: one fixed address a NIC of this node. Pure text.

Only typed values come in (see segment.py): no guest and no user can add an option.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from orlop_agent.network import ipv6, resolver
from orlop_agent.network.names import BRIDGE
from orlop_agent.network.segment import Attachment, Segment, Subnet4

_LEASE = "1h"
"""A guest renews after half of it."""
_MOST = 1 << 16
"""Leases of IPv6, where no IPv4 subnet says how many guests there may be."""


def configuration(segment: Segment, directory: Path) -> str:
    """The configuration of dnsmasq(8).

    There is no lease file: every lease follows from the order, so none can be lost or stale, and an
    authoritative server confirms what a guest has even if it just started.
    """
    ipv4, ipv6_also = segment.ipv4, segment.ipv6 is not None
    lines = [
        "port=0",
        f"interface={BRIDGE}",
        "except-interface=lo",
        "bind-interfaces",
        "no-resolv",
        "no-hosts",
        "no-ping",
        "user=nobody",
        "group=nogroup",
        f"pid-file={directory / 'dnsmasq.pid'}",
        "leasefile-ro",
        "dhcp-authoritative",
        *([f"dhcp-range={ipv4.cidr.network_address},static,{ipv4.cidr.netmask},{_LEASE}"] if ipv4 else []),
        # The server has no address of the subnet where the gateway is another machine (dnsmasq(8), shared-network).
        *(
            [f"shared-network={BRIDGE},{ipv4.cidr.network_address}"]
            if ipv4 is not None and segment.physical is not None
            else []
        ),
        f"dhcp-lease-max={(ipv4.cidr.num_addresses if ipv4 else _MOST) * (2 if ipv4 and ipv6_also else 1)}",
        f"dhcp-hostsdir={hosts_dir(directory)}",
        *(_options(segment, ipv4) if ipv4 else ()),
        *_options6(segment),
    ]
    return "".join(f"{line}\n" for line in lines)


def _options(segment: Segment, ipv4: Subnet4) -> Iterator[str]:
    servers = ",".join(map(str, resolver.told(segment)))
    domain = resolver.domain(segment)
    router = str(ipv4.gateway) if segment.has_gateway else ""
    yield f"dhcp-option=option:router{f',{router}' if router else ''}"
    yield f"dhcp-option=option:dns-server{f',{servers}' if servers else ''}"
    if domain:
        yield f"dhcp-option=option:domain-name,{domain}"
    yield from _further(segment)
    # Forced: a guest that never asks for it would send packets too large for the overlay.
    yield f"dhcp-option-force=option:mtu,{segment.mtu}"


def _options6(segment: Segment) -> Iterator[str]:
    if segment.ipv6 is None:
        return
    yield from ipv6.dhcp_lines(
        segment.ipv6,
        segment.gateway_mac,
        segment.mtu,
        _LEASE,
        servers=resolver.told6(segment),
        # With IPv4 beside it, that says so.
        search=resolver.search(segment) if segment.ipv4 is None else (),
        is_routed=segment.routed6,
        metadata=segment.metadata6,
    )


def _further(segment: Segment) -> Iterator[str]:
    """Options that there is something to say about."""
    if segment.search:
        yield f"dhcp-option=option:domain-search,{','.join(resolver.search(segment))}"
    if segment.ntp:
        yield f"dhcp-option=option:ntp-server,{','.join(map(str, segment.ntp))}"
    told = resolver.routes(segment)
    if told:
        # Whoever is told of these looks at no other router (RFC 3442): the gateway's way has to be one of them.
        default = [("0.0.0.0/0", segment.gateway)] if segment.has_gateway else []
        ways = [f"{destination},{via}" for destination, via in (*told, *default)]
        yield f"dhcp-option=option:classless-static-route,{','.join(ways)}"


def host(attachment: Attachment) -> str:
    """One line of a hosts file: the first address, that of IPv6, and the name the guest is told."""
    addresses = [str(address) for address in attachment.addresses[:1]]
    addresses += [f"[{attachment.ipv6}]"] if attachment.ipv6 is not None else []
    return f"{attachment.mac},{','.join(addresses)},{attachment.hostname}\n"


def hosts_dir(directory: Path) -> Path:
    return directory / "hosts"
