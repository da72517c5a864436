"""The command line. Each command: read, gather, draw."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console

from orlop_api.instance import Instance
from orlop_api.network import Network
from orlop_api.port import Port
from orlop_cli.cluster import Cluster
from orlop_cli.drawing import WIDE, draw
from orlop_cli.errors import ForbiddenError
from orlop_cli.picture import picture
from orlop_cli.project_commands import projects

app = typer.Typer(
    name="orlop",
    no_args_is_help=True,
    add_completion=False,
    help="What takes more than one kubectl command.",
)
net = typer.Typer(no_args_is_help=True, help="Networks.")
app.add_typer(net, name="net")
app.add_typer(projects, name="project")


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
    """Draw a Network: its addresses, its nodes with the guests on them, and Ports that nobody uses."""
    cluster = Cluster(context, namespace)
    found = cluster.get(Network, "networks", network)
    ports = cluster.list(Port, "ports")
    note = ""
    instances: list[Instance] = []
    try:
        instances = cluster.list(Instance, "instances")
    except ForbiddenError as error:
        # The rest can be drawn without them.
        note = f"NIC names and states are left out: {error}"
    seen = picture(found, ports, instances)
    if output is Output.JSON:
        typer.echo(json.dumps(seen.json(), indent=2))
    else:
        Console(highlight=False, width=WIDE).print(draw(seen), soft_wrap=True)
    if note:
        typer.echo(f"orlop: {note}", err=True)
