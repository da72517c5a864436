"""What carries a Network between nodes: the overlay device, or the way to a physical network."""

from __future__ import annotations

from ipaddress import IPv4Network

from orlop_agent.network import firewall, links, physical
from orlop_agent.network.batch import EXISTS, Line
from orlop_agent.network.errors import NetworkError
from orlop_agent.network.kernel import NODE_ROUTES
from orlop_agent.network.names import PHYSICAL, bridge_port, namespace
from orlop_agent.network.records import replace
from orlop_agent.network.segment import Physical, Segment
from orlop_agent.network.surroundings import Surroundings

_RECORD = "physical"


async def attach(around: Surroundings, segment: Segment, pair: IPv4Network) -> None:
    """What is made from the node's namespace, whatever of it is there. Raises NetworkError.

    The caller holds the node's lock.
    """
    if segment.physical is None:
        await around.node.ip(links.on_node(segment, around.host_ip, around.host_interface, pair))
    else:
        await _attach(around, segment, segment.physical)


async def let_out(around: Surroundings, segment: Segment) -> None:
    """The node's own part of a way out. It goes with the last namespace, so the Network's is there already."""
    if segment.egress:
        async with around.lock:
            await around.node.nft(firewall.node(), first=NODE_ROUTES)


def bridge(segment: Segment) -> list[Line]:
    """What is made in the Network's; nothing leads there yet."""
    return links.bridge(segment) if segment.physical is None else physical.bridge(segment)


def ways(segment: Segment, pair: IPv4Network) -> list[Line]:
    """What leads there, once there are rules for who may take it."""
    return links.ways(segment, pair) if segment.physical is None else physical.ways()


async def _attach(around: Surroundings, segment: Segment, on: Physical) -> None:
    node, segment_id = around.node, segment.segment_id
    interface = physical.found(await node.read(*physical.LISTING), on, around.interfaces)
    await node.ip([Line(f"netns add {namespace(segment_id)}", EXISTS)])
    record, want = around.records.directory(segment_id) / _RECORD, physical.told(on, interface)
    if not record.exists() or record.read_text() != want:
        # orlop-config may name another interface by now.
        await node.ip(links.remove([PHYSICAL]), inside=segment_id)
        await node.ip(links.remove([bridge_port(segment_id)]))
        replace(record, want)
    try:
        await node.ip(physical.on_node(segment, on, interface))
    except NetworkError as error:
        if on.vlan_id is not None and "Unknown device type" in error.message:
            raise NetworkError(
                "VLANUnsupported", "this node cannot tag frames: load the kernel module 8021q on it"
            ) from error
        raise
    there = {each["ifname"] for each in await node.read("ip", "-j", "link", "show", inside=segment_id)}
    if PHYSICAL not in there:
        raise NetworkError("VLANInUse", physical.taken(on, interface))
