"""What the kernel counted for each NIC of a Network on this node. Pure, but for asking it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orlop_agent.network import drops, group_rules
from orlop_agent.network.book import Book
from orlop_agent.network.errors import NetworkError
from orlop_agent.network.names import OVERLAY, PHYSICAL
from orlop_agent.network.node import Node
from orlop_agent.network.segment import Attachment

_GROUPS = ("nft", "-j", "list", "counters")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PortCounts:
    """One NIC's, since its tap was made; what was dropped, since it came to this node. As the guest sees it."""

    namespace: str
    port: str
    received_bytes: int = 0
    received_packets: int = 0
    sent_bytes: int = 0
    sent_packets: int = 0
    dropped: Mapping[str, int] = field(default_factory=dict)
    """What the guest sent and may not, in packets by cause."""


@dataclass(frozen=True)
class Counts:
    """One Network's."""

    segment_id: int
    ports: tuple[PortCounts, ...] = ()
    overlay_dropped: Mapping[str, int] = field(default_factory=dict)
    """What came from other nodes, or a physical network, and may not, in packets by cause."""
    groups_dropped: Mapping[str, int] = field(default_factory=dict)
    """What SecurityGroups did not allow, in packets by cause; empty where nobody ever was in one."""


async def read(node: Node, segment_id: int, attachments: Iterable[Attachment], book: Book) -> Counts:
    """Asks the kernel. Raises NetworkError."""
    links = await node.read("ip", "-j", "-s", "link", "show", inside=segment_id)
    listed = json.loads(await node.run(drops.LIST, inside=segment_id))
    groups = json.loads(await node.run(_GROUPS, inside=segment_id))
    return counts(segment_id, attachments, book, links, listed, groups)


async def read_if_there(
    node: Node, segment_id: int, attachments: Iterable[Attachment], book: Book
) -> Counts | None:
    """The same; None of a Network that is just being made or taken away."""
    try:
        return await read(node, segment_id, attachments, book)
    except NetworkError as error:
        _log.info("no counts of Network %d: %s", segment_id, error.message)
        return None


def counts(
    segment_id: int,
    attachments: Iterable[Attachment],
    book: Book,
    links: Iterable[Mapping[str, Any]],
    listed: Mapping[str, Any],
    groups: Mapping[str, Any],
) -> Counts:
    """From the JSON of `ip -s link show`, of drops.LIST and of all counters."""
    dropped = drops.counted(listed)
    passed = {entry["ifname"]: entry["stats64"] for entry in links if "stats64" in entry}
    found = []
    for attachment in sorted(attachments, key=lambda each: each.tap):
        if attachment.tap not in passed:
            continue
        # What a tap received its guest sent.
        sent, received = passed[attachment.tap]["rx"], passed[attachment.tap]["tx"]
        found.append(
            PortCounts(
                namespace=_namespace(attachment, book),
                port=attachment.nic.port_name,
                received_bytes=received["bytes"],
                received_packets=received["packets"],
                sent_bytes=sent["bytes"],
                sent_packets=sent["packets"],
                dropped=dropped.get(attachment.tap, {}),
            )
        )
    counters = (each["counter"] for each in groups.get("nftables", ()) if "counter" in each)
    denied = {each["name"]: each["packets"] for each in counters if each["table"] == group_rules.TABLE}
    return Counts(segment_id, tuple(found), dropped.get(OVERLAY) or dropped.get(PHYSICAL, {}), denied)


def _namespace(attachment: Attachment, book: Book) -> str:
    """Where the Port is; empty as long as an order of an old operator is all that is known."""
    port, security = book.at(attachment.mac), attachment.nic.security
    if port is not None and port.key[1] == attachment.nic.port_name:
        return port.key[0]
    return str(security.namespace) if security is not None else ""
