"""The commands `orlop project …`."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import IPv4Network
from typing import Annotated, Any

import typer
import yaml

from orlop_api.network import Network
from orlop_api.quota import Limits
from orlop_cli.cluster import Cluster
from orlop_cli.project import limits, project

FIRST = "192.168.0.0/24"
"""Range of the Network that is made where none is asked for."""

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
    limit: Annotated[
        list[str] | None,
        typer.Option(
            "--limit",
            metavar="RESOURCE=MOST",
            help="A limit of its Quota, as instances=50 or memory=200Gi; may be repeated.",
        ),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(
            "--network",
            metavar="CIDR",
            help=f"Range of the Network default; {FIRST} where the project has no Network yet. none makes none.",
        ),
    ] = None,
    context: Annotated[
        str | None, typer.Option("--context", help="Context of the kubeconfig; the current one when absent.")
    ] = None,
    output: Annotated[
        Written, typer.Option("--output", "-o", help="Apply the manifests, or print them and change nothing.")
    ] = Written.APPLIED,
) -> None:
    """Make a namespace with a Quota, role bindings, a Network and a SecurityGroup. Done again, it changes them."""
    groups = {"admin": admin or [], "editor": editor or [], "viewer": viewer or []}
    manifests = project(name, _range(network or FIRST), groups, _limits(limit or []))
    if output is Written.YAML:
        typer.echo(yaml.safe_dump_all(manifests, sort_keys=False), nl=False)
        return
    cluster = Cluster(context, name)
    for manifest in manifests:
        if manifest["kind"] == "Network" and network is None and cluster.list(Network, "networks"):
            continue
        done = cluster.apply(manifest)
        typer.echo(f"{manifest['kind'].lower()}/{manifest['metadata']['name']} {done}")


def _limits(words: list[str]) -> Limits | None:
    try:
        return limits(words)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--limit") from error


def _range(text: str) -> IPv4Network | None:
    if text == "none":
        return None
    try:
        return IPv4Network(text)
    except ValueError as error:
        message = f"a range of IPv4 as 192.168.0.0/24, or none, not {text}"
        raise typer.BadParameter(message, param_hint="--network") from error
