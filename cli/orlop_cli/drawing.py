"""A Network as a tree, for people. Pure: data in, something that rich prints out."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text
from rich.tree import Tree

from orlop_cli.picture import NetworkPicture, PortPicture, SubnetPicture
from orlop_cli.ways import UNKNOWN, FloatingPicture, RouterPicture

WIDE = 1000
"""Columns to draw in: a tree breaks its lines at the console's width, and who reads it in a pipe wants whole ones."""
_STYLES = {"Running": "green", "Ready": "green", "Stopped": "dim", UNKNOWN: "dim"}
WORRY = "yellow"
"""Style of what somebody should look at."""
_COUNTED = 1 << 20
"""Addresses of a subnet whose free ones are counted; of IPv6 there are too many to say something by it."""


def draw(network: NetworkPicture) -> Tree:
    """Network, subnets, Router, nodes with their Ports and what leads to those, and what nobody uses."""
    tree = Tree(_title(network), highlight=False)
    for subnet in network.subnets:
        tree.add(_subnet(subnet))
    for router in network.routers:
        _router(tree, router)
    ports = [port for node in network.nodes for port in node.ports]
    rows = dict(zip(ports, aligned([_columns(port) for port in ports]), strict=True))
    for node in network.nodes:
        branch = tree.add(Text.assemble("node ", (node.name, "bold"), f"  {node.address}"))
        for port in node.ports:
            _port(branch, rows[port], port)
    if network.unbound:
        branch = tree.add(Text("unbound Ports"))
        for row, port in zip(aligned([_unbound(p) for p in network.unbound]), network.unbound, strict=True):
            _port(branch, row, port)
    if network.external:
        _addresses(tree, network.floating)
    elif not ports and not network.unbound:
        tree.add(Text("no Ports", "dim"))
    return tree


def _title(network: NetworkPicture) -> Text:
    numbers = [
        *([network.physical] if network.physical else []),
        *([f"segment {network.segment}"] if network.segment is not None else []),
        *([f"MTU {network.mtu}"] if network.mtu is not None else []),
        *([f"egress {network.egress}"] if network.egress else []),
    ]
    name = (f"{network.namespace}/{network.name}", "bold")
    text = Text.assemble("Network ", name, "  ", _state(network.state), "  ", ", ".join(numbers))
    return text.append(f"\n{network.message}", WORRY) if network.message else text


def _subnet(subnet: SubnetPicture) -> Text:
    gateway = f"gateway {subnet.gateway} {subnet.place or 'on every node'}, " if subnet.gateway else ""
    text = Text.assemble("subnet ", (subnet.name, "bold"), f"  {subnet.cidr}, {gateway}")
    if subnet.dhcp:
        text.append(f"DHCP {subnet.dhcp}, " if subnet.dhcp in {"Enabled", "Disabled"} else f"{subnet.dhcp}, ")
    if subnet.total > _COUNTED:
        return text.append(f"{subnet.total - subnet.free} addresses taken")
    return text.append(f"{subnet.free} of {subnet.total} addresses free", "" if subnet.free else WORRY)


def _router(tree: Tree, router: RouterPicture) -> None:
    text = Text.assemble("Router ", (router.name, "bold"), "  ", _state(router.state))
    branch = tree.add(text.append(f"  {router.message}", WORRY) if router.message else text)
    for row in aligned([(each.name, ", ".join(each.cidrs)) for each in router.networks]):
        branch.add(Text(f"Network {row}"))
    for route in router.routes:
        branch.add(Text(f"route {route.destination} via {route.via}"))


def _addresses(tree: Tree, floating: Sequence[FloatingPicture]) -> None:
    """Of an external Network."""
    if not floating:
        tree.add(Text("no floating addresses of this namespace", "dim"))
        return
    branch = tree.add(Text("floating addresses"))
    rows = aligned([(each.address or "no address", each.name, _leads(each)) for each in floating])
    for row, each in zip(rows, floating, strict=True):
        branch.add(_floating(row, each))


def _leads(floating: FloatingPicture) -> str:
    if not floating.port:
        return "reserved"
    where = f" on {floating.node}" if floating.node else ""
    return f"to Port {floating.port}{f' ({floating.target})' if floating.target else ''}{where}"


def _floating(row: str, floating: FloatingPicture) -> Text:
    text = Text.assemble(row, "  ", _state(floating.state))
    if floating.forwards:
        forwards = (
            f"{each.protocol} {each.port}" + (f" to {each.target}" if each.target != each.port else "")
            for each in floating.forwards
        )
        text.append(f"  {', '.join(forwards)}")
    return text.append(f"  {floating.message}", WORRY) if floating.message else text


def _columns(port: PortPicture) -> tuple[str, ...]:
    return (port.instance, port.nic, ", ".join(port.addresses), port.mac)


def _unbound(port: PortPicture) -> tuple[str, ...]:
    return (port.name, ", ".join(port.addresses) or "no address", port.mac)


def _port(tree: Tree, row: str, port: PortPicture) -> None:
    text = Text.assemble(row, "  ", _state(port.state))
    if port.groups:
        text.append(f"  in {', '.join(port.groups)}")
    branch = tree.add(text.append(f"  also {', '.join(port.shared)}", "cyan") if port.shared else text)
    for each in port.floating:
        branch.add(_floating(f"floating {each.address or 'no address'}  of {each.network}", each))


def _state(state: str) -> tuple[str, str]:
    return (state, _STYLES.get(state, "dim" if state == "Claimed" else WORRY))


def aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Rows of cells as lines whose columns begin at the same place; empty columns are left out."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True) if width] for row in rows]
    return ["  ".join(row) for row in cells]
