"""A Network as a tree, for people. Pure: data in, something that rich prints out."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from rich.tree import Tree

from orlop_cli.picture import UNKNOWN, NetworkPicture, PortPicture, SubnetPicture

WIDE = 1000
"""Columns to draw in: a tree breaks its lines at the console's width, and who reads it in a pipe wants whole ones."""
_STYLES = {"Running": "green", "Ready": "green", "Stopped": "dim", UNKNOWN: "dim"}
_WORRY = "yellow"


def draw(network: NetworkPicture) -> Tree:
    """Network, subnets, nodes with their Ports, and what nobody uses."""
    tree = Tree(_title(network), highlight=False)
    for subnet in network.subnets:
        tree.add(_subnet(subnet))
    ports = [port for node in network.nodes for port in node.ports]
    rows = dict(zip(ports, _aligned([_columns(port) for port in ports]), strict=True))
    for node in network.nodes:
        branch = tree.add(Text.assemble("node ", (node.name, "bold"), f"  {node.address}"))
        for port in node.ports:
            branch.add(_line(rows[port], port))
    if network.unbound:
        branch = tree.add(Text("unbound Ports"))
        for row, port in zip(_aligned([_unbound(p) for p in network.unbound]), network.unbound, strict=True):
            branch.add(_line(row, port))
    if not ports and not network.unbound:
        tree.add(Text("no Ports", "dim"))
    return tree


def _title(network: NetworkPicture) -> Text:
    numbers = [
        *([network.physical] if network.physical else []),
        *([f"segment {network.segment}"] if network.segment is not None else []),
        *([f"MTU {network.mtu}"] if network.mtu is not None else []),
        f"egress {network.egress}",
    ]
    name = (f"{network.namespace}/{network.name}", "bold")
    text = Text.assemble("Network ", name, "  ", _state(network.state), "  ", ", ".join(numbers))
    return text.append(f"\n{network.message}", _WORRY) if network.message else text


def _subnet(subnet: SubnetPicture) -> Text:
    style = "" if subnet.free else _WORRY
    return Text.assemble(
        "subnet ",
        (subnet.name, "bold"),
        f"  {subnet.cidr}, gateway {subnet.gateway} {subnet.place or 'on every node'}, DHCP {subnet.dhcp}, ",
        (f"{subnet.free} of {subnet.total} addresses free", style),
    )


def _columns(port: PortPicture) -> tuple[str, ...]:
    return (port.instance, port.nic, ", ".join(port.addresses), port.mac)


def _unbound(port: PortPicture) -> tuple[str, ...]:
    return (port.name, ", ".join(port.addresses) or "no address", port.mac)


def _line(row: str, port: PortPicture) -> Text:
    text = Text.assemble(row, "  ", _state(port.state))
    return text.append(f"  also {', '.join(port.shared)}", "cyan") if port.shared else text


def _state(state: str) -> tuple[str, str]:
    return (state, _STYLES.get(state, "dim" if state == "Claimed" else _WORRY))


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True) if width] for row in rows]
    return ["  ".join(row) for row in cells]
