"""What of a Network is on this node already: the way out, guests' taps, and the Ports on other nodes."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network

from orlop_agent.network import forwarding, links, names
from orlop_agent.network.errors import NetworkError
from orlop_agent.network.forwarding import Peers
from orlop_agent.network.node import Node
from orlop_agent.network.segment import Attachment


async def uplink(node: Node, segment_id: int) -> IPv4Network:
    """The addresses of the two ends of the way out: those it has, or free ones. Raises NetworkError.

    The caller holds the node's lock.
    """
    used: list[IPv4Address] = []
    for interface in await node.read("ip", "-j", "-4", "address", "show"):
        found = [IPv4Address(entry["local"]) for entry in interface["addr_info"] if "local" in entry]
        if interface["ifname"] == names.namespace(segment_id):
            for address in found:
                return IPv4Network((address, 31), strict=False)
        used += found
    free = links.free_pair(used)
    if free is None:
        raise NetworkError("NoFreeUplink", "this node has no free pair of addresses for a way out")
    return free


async def marked(node: Node) -> set[str]:
    """Interfaces on the node that bear Orlop's mark. Raises NetworkError."""
    there = await node.read("ip", "-j", "link", "show")
    return {entry["ifname"] for entry in there if names.is_ours(entry.get("ifalias", ""))}


async def reclaim(node: Node, segment_id: int, again: Sequence[Attachment]) -> frozenset[str]:
    """Removes taps that an ended guest left in the namespace; returns those that a guest has open.

    Raises NetworkError.
    """
    there = await node.read("ip", "-j", "link", "show", inside=segment_id)
    # A tap has a carrier exactly while a program has it open.
    open_now = {entry["ifname"]: "LOWER_UP" in entry["flags"] for entry in there}
    left = [each.tap for each in again if open_now.get(each.tap) is False]
    await node.ip(links.remove(left), inside=segment_id)
    return frozenset(each.tap for each in again if open_now.get(each.tap))


async def peers(node: Node, segment_id: int) -> Peers:
    """What the kernel knows of Ports on other nodes. Raises NetworkError."""
    entries = await node.read("bridge", "-j", "fdb", "show", "dev", names.OVERLAY, inside=segment_id)
    neighbours = await node.read(
        "ip", "-j", "neigh", "show", "dev", names.BRIDGE, "nud", "permanent", inside=segment_id
    )
    return forwarding.known(entries, neighbours)
