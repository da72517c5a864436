"""Which URLs and addresses an image may come from (pure).

A tenant names the URL and the node's agent opens it, so the URL must not reach what only the node can
reach: loopback, link-local (cloud metadata), cluster and node addresses. Every hop of a redirect is
vetted anew, and the connection goes to the address that was vetted (no second look-up).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urljoin, urlsplit

from orlop_agent.image.errors import ImageError

MAX_REDIRECTS = 3
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Location:
    """A URL that may be asked for, and whether its host may be at a private address."""

    url: str
    scheme: str
    host: str
    port: int
    private_allowed: bool
    shown: str
    """How messages name it: without its query, which may hold a signature."""

    @property
    def encoded(self) -> bool:
        """Whether it can be sent as it is; a signed one must be."""
        return all("!" <= character <= "~" for character in self.url)


def vetted(url: str, *, checksum: bool, allowed_private_hosts: Collection[str], shown: str = "") -> Location:
    """The location of a URL; ImageError when the URL is none that an image may come from."""
    shown = shown or url.partition("?")[0].partition("#")[0]
    try:
        parts = urlsplit(url)
        # As it is for the resolver: no label of a name is empty or over 63 characters (RFC 1035, 2.3.4).
        (parts.hostname or "").encode("idna")
    except ValueError as error:
        raise _forbidden(f"{shown} is none: its host is malformed") from error
    if parts.scheme not in _PORTS:
        raise _forbidden(f"{shown} must start with https:// or http://")
    if parts.scheme == "http" and not checksum:
        raise _forbidden(f"{shown} is plain http, which needs a checksum")
    if not parts.hostname or parts.username is not None or parts.password is not None:
        raise _forbidden("url must name a host and hold no credentials")
    try:
        port = parts.port or _PORTS[parts.scheme]
    except ValueError as error:
        raise _forbidden(f"{shown} has no valid port") from error
    allowed = f"{parts.hostname}:{port}" in allowed_private_hosts
    if not allowed and port != _PORTS[parts.scheme]:
        raise _forbidden(
            f"port {port} is not {_PORTS[parts.scheme]}, and orlop-config does not allow the host"
        )
    return Location(url, parts.scheme, parts.hostname, port, allowed, shown)


def redirected(
    origin: Location, target: str, *, checksum: bool, allowed_private_hosts: Collection[str]
) -> Location:
    """Where a redirect leads; never from https to http."""
    try:
        url = urljoin(origin.url, target)
    except ValueError as error:
        raise _forbidden(f"{origin.host} redirects to what is no URL") from error
    location = vetted(url, checksum=checksum, allowed_private_hosts=allowed_private_hosts)
    if origin.scheme == "https" and location.scheme == "http":
        raise _forbidden(f"{origin.host} redirects from https to http")
    return location


def check_address(location: Location, address: str) -> None:
    """Refuse an address that is not a public one, unless orlop-config names the host."""
    ip = ip_address(address)
    mapped = getattr(ip, "ipv4_mapped", None)
    if location.private_allowed or ((mapped or ip).is_global and not (mapped or ip).is_multicast):
        return
    raise _forbidden(f"host {location.host} is at a private address, which orlop-config does not allow")


def _forbidden(message: str) -> ImageError:
    return ImageError("ForbiddenURL", message, permanent=True)
