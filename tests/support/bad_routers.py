"""Routers that must be refused."""

from __future__ import annotations

from typing import Any

from support.bad import Bad

KIND = "Router"
ROUTE = "spec.routes[0]"


def _route(**values: Any) -> dict[str, Any]:
    return {f"spec.routes.0.{name}": value for name, value in values.items()}


ROUTERS = [
    Bad(
        "host bits",
        KIND,
        _route(destination="192.168.0.7/24"),
        f"{ROUTE}.destination",
        "must be a network address with its prefix, for example 10.20.0.0/16",
    ),
    Bad(
        "all",
        KIND,
        _route(destination="0.0.0.0/0"),
        f"{ROUTE}.destination",
        "must be narrower than everything: the way there is the gateway, by egress NAT",
    ),
    Bad(
        "via a name",
        KIND,
        _route(via="vpn"),
        f"{ROUTE}.via",
        "must be an IPv4 address, for example 10.10.0.20",
    ),
]
