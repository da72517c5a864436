"""What all Networks of a node share."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address

from orlop_agent.metadata.service import Metadata
from orlop_agent.network.dhcp import Dhcp
from orlop_agent.network.dns import Dns
from orlop_agent.network.node import Node
from orlop_agent.network.records import Records


@dataclass(frozen=True)
class Surroundings:
    """What all Networks of a node share."""

    node: Node
    dhcp: Dhcp
    dns: Dns
    metadata: Metadata
    records: Records
    host_ip: IPv4Address
    host_interface: str | None
    interfaces: Mapping[str, str]
    """Of the node, by the physical network that they are on."""
    lock: asyncio.Lock
    """Held while the node's own namespace changes: pairs of addresses are picked by looking."""
