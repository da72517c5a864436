"""The commands `orlop project …`."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Network
from typing import Annotated, Any

import typer
import yaml

from orlop_cli.cluster import Cluster
from orlop_cli.project import project

projects = typer.Typer(no_args_is_help=True, help="Projects: namespaces for machines.")


class Written(StrEnum):
    """What becomes of the manifests."""

    APPLIED = "applied"
    YAML = "yaml"


@projects.callback()
def of_projects() -> None:
    """Projects: namespaces for machines."""


def _groups(role: str) -> Any:
    return typer.Option(
        f"--{role}", metavar="GROUP", help=f"A group that gets the role orlop-{role}; may be repeated."
    )


@projects.command("create")
def create_project(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the namespace.")],
    admin: Annotated[list[str] | None, _groups("admin")] = None,
    editor: Annotated[list[str] | None, _groups("editor")] = None,
    viewer: Annotated[list[str] | None, _groups("viewer")] = None,
    network: Annotated[
        str,
        typer.Option(
            "--network", metavar="CIDR", help="Range of the Network default; none makes no Network."
        ),
    ] = "192.168.0.0/24",
    context: Annotated[
        str | None, typer.Option("--context", help="Context of the kubeconfig; the current one when absent.")
    ] = None,
    output: Annotated[
        Written, typer.Option("--output", "-o", help="Apply the manifests, or print them and change nothing.")
    ] = Written.APPLIED,
) -> None:
    """Make a namespace with role bindings, a Network and a SecurityGroup. Done again, it brings them up to date."""
    groups = {"admin": admin or [], "editor": editor or [], "viewer": viewer or []}
    manifests = project(name, _range(network), groups)
    if output is Written.YAML:
        typer.echo(yaml.safe_dump_all(manifests, sort_keys=False), nl=False)
        return
    cluster = Cluster(context, name)
    for manifest in manifests:
        done = cluster.apply(manifest)
        typer.echo(f"{manifest['kind'].lower()}/{manifest['metadata']['name']} {done}")


def _range(text: str) -> IPv4Network | None:
    if text == "none":
        return None
    try:
        return IPv4Network(text)
    except ValueError as error:
        message = f"a range of IPv4 as 192.168.0.0/24, or none, not {text}"
        raise typer.BadParameter(message, param_hint="--network") from error
