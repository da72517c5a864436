"""Has a Network of this node where its Router wants it."""

from __future__ import annotations

from collections.abc import Collection

from orlop_agent.network import kernel, links, names, routing, routing6
from orlop_agent.network.node import Node
from orlop_agent.network.routing import Place


async def join(node: Node, place: Place) -> None:
    """Link and routes, whatever of them is there already. The caller holds the node's lock. Raises NetworkError."""
    router = names.router_namespace(place.router_uid)
    await node.mend(router)
    await node.ip(routing.on_node(place))
    await node.run(
        ["sh", "-ec", kernel.router(place.peer, has_ipv6=place.segment.ipv6 is not None)], inside=router
    )
    there = await node.read(*routing.listing(), inside=router)
    await node.ip(routing.in_router(place, there), inside=router)
    segment_id = place.segment.segment_id
    there = await node.read(*routing.listing(), inside=segment_id)
    await node.ip(routing.in_network(place, there), inside=segment_id)
    if place.segment.ipv6 is not None:
        await _join6(node, place, router)


async def _join6(node: Node, place: Place, router: str) -> None:
    await node.nft(routing6.taken(place), inside=router)
    there = await node.read(*routing.listing(6), inside=router)
    await node.ip(routing6.in_router(place, there), inside=router)
    segment_id = place.segment.segment_id
    await node.run(["sh", "-ec", kernel.ipv6_on(place.link)], inside=segment_id)
    there = await node.read(*routing.listing(6), inside=segment_id)
    await node.ip(routing6.in_network(place, there), inside=segment_id)


async def part(node: Node, segment_id: int, routers: Collection[str]) -> None:
    """Without the links to these, and without any route but for those that are made anew. Raises NetworkError."""
    if routers:
        there = await node.read(*routing.listing(), inside=segment_id)
        await node.ip(routing.without(there), inside=segment_id)
        await node.ip(links.remove(names.router_link(uid) for uid in sorted(routers)), inside=segment_id)


async def sweep(node: Node, wanted: set[str]) -> None:
    """Without the Routers that have no Network here. The caller holds the node's lock. Raises NetworkError."""
    await node.ip(routing.remove_routers(node.routers() - {names.router_namespace(uid) for uid in wanted}))
