"""Which URLs and addresses an image may come from (pure).

A tenant names the URL and the node's agent opens it, so the URL must not reach what only the node can
reach: loopback, link-local (cloud metadata), cluster and node addresses. Every hop of a redirect is
vetted anew, and the connection goes to the address that was vetted (no second look-up).

What is vetted is the URL object that the request is made with: two parsers may read two hosts in one text.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urljoin, urlsplit

from yarl import URL

from orlop_agent.image.errors import ImageError, short

Network = IPv4Network | IPv6Network
MAX_REDIRECTS = 3
_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[-.:_a-z0-9]+", re.ASCII)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
"""A last label that makes the host an IPv4 address (WHATWG URL, "ends in a number")."""
_ENDS_IN_V4 = tuple(map(IPv6Network, ("64:ff9b::/96", "::/96", "::ffff:0:0:0/96")))
"""NAT64, IPv4-compatible and IPv4-translated addresses (RFC 6052, 4291, 2765): IPv4 in their last 32 bits."""
_NAT64_LOCAL = IPv6Network("64:ff9b:1::/48")
"""A network's own translation (RFC 8215): where in it the IPv4 address is, only that network knows."""


@dataclass(frozen=True, slots=True)
class Location:
    """A URL that may be asked for, and whether its host may be at a private address."""

    url: URL
    """To be asked for as it is, never parsed again."""
    scheme: str
    host: str
    port: int
    private_allowed: bool
    shown: str
    """How messages name it: without its query, which may hold a signature."""


def vetted(url: str, *, checksum: bool, allowed_private_hosts: Collection[str], shown: str = "") -> Location:
    """The location of a URL; ImageError when the URL is none that an image may come from."""
    shown = short(shown or url.partition("?")[0].partition("#")[0])
    try:
        parts = urlsplit(url)
        if not (parts.hostname or "").isascii():
            raise _forbidden(f"the host of {shown} is not plain ASCII: use its ASCII form, xn--…")
        # As it is for the resolver: no label of a name is empty or over 63 characters (RFC 1035, 2.3.4).
        (parts.hostname or "").encode("idna")
        # A signed one must be sent as it is, and can be if nothing in it needs to be quoted.
        asked = URL(url, encoded=all("!" <= character <= "~" for character in url))
    except ValueError as error:
        raise _forbidden(f"{shown} is none: its host is malformed") from error
    if parts.scheme not in _PORTS:
        raise _forbidden(f"{shown} must start with https:// or http://")
    if parts.scheme == "http" and not checksum:
        raise _forbidden(f"{shown} is plain http, which needs a checksum or a signature")
    if not parts.hostname or parts.username is not None or parts.password is not None:
        raise _forbidden("url must name a host and hold no credentials")
    try:
        port = parts.port or _PORTS[parts.scheme]
    except ValueError as error:
        raise _forbidden(f"{shown} has no valid port") from error
    host = _host_of(asked, parts, shown)
    if asked.port != port or asked.scheme != parts.scheme:
        raise _forbidden(f"{shown} has no valid port")
    allowed = f"{parts.hostname}:{port}" in allowed_private_hosts
    if not allowed and port != _PORTS[parts.scheme]:
        raise _forbidden(
            f"port {port} is not {_PORTS[parts.scheme]}, and orlop-config does not allow the host"
        )
    location = Location(asked, parts.scheme, host, port, allowed, shown)
    # No resolver is asked about an address, so nobody else would look at it.
    if literal(location) is not None:
        check_address(location, host)
    return location


def _host_of(asked: URL, parts: SplitResult, shown: str) -> str:
    """The host that will be asked, which must be the one that is vetted."""
    host, vetted_host = (asked.raw_host or "").lower(), parts.hostname or ""
    if not _HOST.fullmatch(host) or not _same(host, vetted_host):
        raise _forbidden(f"{shown} is none: its host is malformed")
    return host


def _same(one: str, other: str) -> bool:
    """Whether two hosts are one; an IPv6 address may be written in several ways."""
    if ":" not in one or ":" not in other:
        return one == other
    try:
        return ip_address(one) == ip_address(other)
    except ValueError:
        return False


def redirected(
    origin: Location, target: str, *, checksum: bool, allowed_private_hosts: Collection[str]
) -> Location:
    """Where a redirect leads; never from https to http."""
    try:
        url = urljoin(str(origin.url), target)
    except ValueError as error:
        raise _forbidden(f"{origin.host} redirects to what is no URL") from error
    location = vetted(url, checksum=checksum, allowed_private_hosts=allowed_private_hosts)
    if origin.scheme == "https" and location.scheme == "http":
        raise _forbidden(f"{origin.host} redirects from https to http")
    return location


def check_address(location: Location, address: str) -> None:
    """Refuse an address that is not a public one, unless orlop-config names the host."""
    try:
        ip = ip_address(address)
    except ValueError as error:
        # 127.1, 2130706433, 0x7f000001: the system's resolver takes them for addresses.
        raise _forbidden(
            f"host {location.host} is a number, but no address as it is commonly written"
        ) from error
    if location.private_allowed or all(_is_public(each) for each in _reached(ip)):
        return
    raise _forbidden(f"host {location.host} is at a private address, which orlop-config does not allow")


def check_outside(location: Location, address: str, inside: Collection[Network]) -> None:
    """Refuse a public address that is the cluster's own, unless orlop-config names the host."""
    if location.private_allowed:
        return
    if any(ip in network for ip in _reached(ip_address(address)) for network in inside):
        raise _forbidden(
            f"host {location.host} is at an address of this cluster, which orlop-config does not allow"
        )


def literal(location: Location) -> str | None:
    """The address that the host is, where it is one and no name."""
    host = location.host.removesuffix(".")
    return host if ":" in host or _NUMBER.fullmatch(host.rpartition(".")[2]) else None


def _reached(ip: IPv4Address | IPv6Address) -> Iterator[IPv4Address | IPv6Address]:
    """The address, or where it is one of IPv6 that leads to one of IPv4, that one too."""
    if isinstance(ip, IPv4Address):
        yield ip
        return
    if ip.ipv4_mapped is not None:
        yield ip.ipv4_mapped
        return
    yield ip
    if ip.sixtofour is not None:
        yield ip.sixtofour
    if ip.teredo is not None:
        yield from ip.teredo
    if any(ip in network for network in _ENDS_IN_V4):
        yield IPv4Address(int(ip) & 0xFFFFFFFF)


def _is_public(ip: IPv4Address | IPv6Address) -> bool:
    if isinstance(ip, IPv6Address) and (ip.is_site_local or ip in _NAT64_LOCAL):
        return False
    return ip.is_global and not ip.is_multicast


def _forbidden(message: str) -> ImageError:
    return ImageError("ForbiddenURL", message, permanent=True)
