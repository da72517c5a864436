"""Which addresses are inside: of the cluster, as the operator and orlop-config say, and this node's own."""

from __future__ import annotations

import socket
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from ipaddress import ip_address, ip_network

import structlog

from orlop_agent.api.errors import ApiError
from orlop_agent.image.errors import ImageError
from orlop_agent.image.url import Location, Network, check_outside
from orlop_api.inside import INSIDE_KEY

FRESH_SECONDS = 60.0
Read = Callable[[], Awaitable[Mapping[str, str]]]
"""The data of the operator's ConfigMap; ApiError."""

_log = structlog.get_logger()


async def nothing() -> Mapping[str, str]:
    """There is no cluster, or nobody says where."""
    return {INSIDE_KEY: ""}


class Inside:
    """What is read is good for a minute, and as long as nothing newer can be read."""

    def __init__(self, read: Read = nothing, more: Collection[Network] = ()) -> None:
        self._read = read
        self._more = tuple(more)
        self._known: tuple[Network, ...] | None = None
        self._read_at = float("-inf")

    async def check(self, location: Location, address: str) -> None:
        """Refuse a host that is inside, unless orlop-config names it."""
        if location.private_allowed:
            return
        own = [ip_network(address)] if is_own(address) else []
        check_outside(location, address, [*await self._networks(), *self._more, *own])

    async def _networks(self) -> tuple[Network, ...]:
        if time.monotonic() - self._read_at < FRESH_SECONDS and self._known is not None:
            return self._known
        try:
            data = await self._read()
        except (ApiError, OSError) as error:
            if self._known is None:
                message = "the node does not know yet which addresses are the cluster's own"
                raise ImageError("ClusterUnknown", message, permanent=False) from error
            _log.warning("inside", error=str(error))
            return self._known
        self._known = tuple(ip_network(line) for line in data.get(INSIDE_KEY, "").split())
        self._read_at = time.monotonic()
        return self._known


def is_own(address: str) -> bool:
    """Whether the kernel would come from the very address to reach it: then it is this node's. Nothing is sent."""
    ip = ip_address(address)
    family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as probe:
        try:
            probe.connect((address, 9))
        except OSError:
            return False  # no way leads there
        return ip_address(str(probe.getsockname()[0]).partition("%")[0]) == ip
