"""Few networks that cover all addresses of a cluster that a stranger's URL could name. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

from orlop_api.inside import MOST_NETWORKS
from orlop_operator.kinds import Node

_Network = IPv4Network | IPv6Network
_STEPS = ((32, 128), (28, 64), (24, 56), (20, 48), (16, 40), (12, 32), (8, 3))
"""Longest prefixes of IPv4 and IPv6, from exact to coarse."""


def addresses_of(node: Node) -> Iterator[str]:
    """Addresses of a Node, and what its pods have theirs from."""
    for address in node.status.addresses:
        if address.type in {"InternalIP", "ExternalIP"}:
            yield address.address
    yield from node.spec.pod_cidrs


def covering(found: Iterable[str], most: int = MOST_NETWORKS) -> list[str]:
    """At most so many networks (as text, sorted) that hold all of these addresses and networks that are public.

    More than that are covered by wider ones: too much is refused then, and never too little.
    """
    public = [
        network for text in found if (network := _parsed(text)) is not None and not _is_private(network)
    ]
    for longest in _STEPS:
        covered = list(_collapsed(_widened(network, *longest) for network in public))
        if len(covered) <= most:
            break
    return [str(network) for network in covered]


def _parsed(text: str) -> _Network | None:
    """None for what is no address: a Node may say anything."""
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _is_private(network: _Network) -> bool:
    """Refused by every node anyway."""
    return not network.is_global


def _widened(network: _Network, longest4: int, longest6: int) -> _Network:
    longest = longest4 if isinstance(network, IPv4Network) else longest6
    return network.supernet(new_prefix=longest) if network.prefixlen > longest else network


def _collapsed(networks: Iterable[_Network]) -> Iterator[_Network]:
    all_ = list(networks)
    yield from collapse_addresses(n for n in all_ if isinstance(n, IPv4Network))
    yield from collapse_addresses(n for n in all_ if isinstance(n, IPv6Network))
