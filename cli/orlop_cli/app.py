"""The command line. Each command: read, gather, draw."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, TypeVar

import typer
from rich.console import Console

from orlop_api.floating_ip import FloatingIP
from orlop_api.instance import Instance
from orlop_api.network import Network
from orlop_api.port import Port
from orlop_api.resource import ApiModel
from orlop_api.router import Router
from orlop_api.security_group import SecurityGroup
from orlop_cli.cluster import Cluster
from orlop_cli.drawing import WIDE, draw
from orlop_cli.errors import ForbiddenError
from orlop_cli.picture import Found, picture
from orlop_cli.placement_commands import capacity, explain
from orlop_cli.project_commands import projects

M = TypeVar("M", bound=ApiModel)

app = typer.Typer(
    name="orlop",
    no_args_is_help=True,
    add_completion=False,
    help="What takes more than one kubectl command.",
)
net = typer.Typer(no_args_is_help=True, help="Networks.")
app.add_typer(net, name="net")
app.add_typer(projects, name="project")
app.command("explain")(explain)
app.command("capacity")(capacity)


class Output(StrEnum):
    """How it is printed."""

    TREE = "tree"
    JSON = "json"


@app.callback()
def orlop() -> None:
    """What takes more than one kubectl command."""


@net.callback()
def of_networks() -> None:
    """Networks."""


@net.command("show")
def show_network(
    network: Annotated[str, typer.Argument(metavar="NETWORK", help="Name of the Network.")],
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="Its namespace; the context's when absent.")
    ] = None,
    context: Annotated[
        str | None, typer.Option("--context", help="Context of the kubeconfig; the current one when absent.")
    ] = None,
    output: Annotated[
        Output, typer.Option("--output", "-o", help="For people or for programs.")
    ] = Output.TREE,
) -> None:
    """Draw a Network: addresses, Router, nodes with the guests on them, what leads to those, and free Ports."""
    cluster = Cluster(context, namespace)
    found = cluster.get(Network, "networks", network)
    ports = cluster.list(Port, "ports")
    notes: list[str] = []

    def allowed(kind: type[M], plural: str, without: str) -> list[M]:
        """What the user may not read is left out: the rest can be drawn without."""
        try:
            return cluster.list(kind, plural)
        except ForbiddenError as error:
            notes.append(f"{without} are left out: {error}")
            return []

    seen = picture(
        found,
        Found(
            ports,
            allowed(Instance, "instances", "NIC names and states"),
            allowed(Router, "routers", "Routers"),
            allowed(FloatingIP, "floatingips", "floating addresses"),
            allowed(SecurityGroup, "securitygroups", "names of SecurityGroups"),
        ),
    )
    if output is Output.JSON:
        typer.echo(json.dumps(seen.json(), indent=2))
    else:
        Console(highlight=False, width=WIDE).print(draw(seen), soft_wrap=True)
    for note in notes:
        typer.echo(f"orlop: {note}", err=True)
