"""Files of a Network's DHCP server, which is dnsmasq: one fixed address a NIC of this node. Pure text.

Only typed values come in (see segment.py): no guest and no user can add an option.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from orlop_agent.network import ipv6, resolver
from orlop_agent.network.names import BRIDGE
from orlop_agent.network.segment import Attachment, Segment

_LEASE = "1h"
"""A guest renews after half of it."""


def configuration(segment: Segment, directory: Path) -> str:
    """The configuration of dnsmasq(8).

    There is no lease file: every lease follows from the order, so none can be lost or stale, and an
    authoritative server confirms what a guest has even if it just started.
    """
    servers = ",".join(map(str, resolver.told(segment)))
    domain = resolver.domain(segment)
    router = str(segment.gateway) if segment.has_gateway else ""
    options = [
        f"dhcp-option=option:router{f',{router}' if router else ''}",
        f"dhcp-option=option:dns-server{f',{servers}' if servers else ''}",
        *([f"dhcp-option=option:domain-name,{domain}"] if domain else []),
        *_further(segment),
        # Forced: a guest that never asks for it would send packets too large for the overlay.
        f"dhcp-option-force=option:mtu,{segment.mtu}",
    ]
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
        f"dhcp-range={segment.cidr.network_address},static,{segment.cidr.netmask},{_LEASE}",
        # The server has no address of the subnet where the gateway is another machine (dnsmasq(8), shared-network).
        *(
            [f"shared-network={BRIDGE},{segment.cidr.network_address}"]
            if segment.physical is not None
            else []
        ),
        f"dhcp-lease-max={segment.cidr.num_addresses * (1 if segment.ipv6 is None else 2)}",
        f"dhcp-hostsdir={hosts_dir(directory)}",
        *options,
        *(
            ipv6.dhcp_lines(segment.ipv6, segment.gateway_mac, segment.mtu, _LEASE, is_routed=segment.routed6)
            if segment.ipv6 is not None
            else ()
        ),
    ]
    return "".join(f"{line}\n" for line in lines)


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
    addresses = str(attachment.addresses[0]) + (
        f",[{attachment.ipv6}]" if attachment.ipv6 is not None else ""
    )
    return f"{attachment.mac},{addresses},{attachment.hostname}\n"


def hosts_dir(directory: Path) -> Path:
    return directory / "hosts"
