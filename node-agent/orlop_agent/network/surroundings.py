"""What all Networks of a node share."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from orlop_agent.metadata.service import Metadata
from orlop_agent.network.dhcp import Dhcp
from orlop_agent.network.dns import Dns
from orlop_agent.network.node import Node
from orlop_agent.network.records import Records
from orlop_agent.network.server import Daemon, Unit


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


def surroundings(
    node: Node,
    records: Path,
    host_ip: str,
    host_interface: str | None,
    metadata: Metadata | None,
    interfaces: Mapping[str, str],
    *,
    systemd: bool,
) -> Surroundings:
    """Of a node; without `systemd` its servers are daemons of their own."""
    launcher = Unit(node) if systemd else Daemon(node)
    return Surroundings(
        node=node,
        dhcp=Dhcp(launcher),
        dns=Dns(launcher),
        metadata=metadata or Metadata(),
        records=Records(records),
        host_ip=IPv4Address(host_ip),
        host_interface=host_interface,
        interfaces=interfaces,
        lock=asyncio.Lock(),
    )
