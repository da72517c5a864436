"""The commands `orlop explain` and `orlop capacity`: the operator's decisions, on objects that the user may read."""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from pydantic import ValidationError
from rich.console import Console

from orlop_api.instance import Instance, InstanceSpec
from orlop_api.resource import Metadata
from orlop_cli.cluster import Cluster
from orlop_cli.drawing import WIDE
from orlop_cli.errors import NotFoundError
from orlop_cli.placement import draw_explanation, draw_rooms, explanation_json, rooms_json

if TYPE_CHECKING:
    from orlop_operator.explaining import Seen

T = TypeVar("T")
_SYSTEM, _PROFILES = "orlop-system", "orlop-scheduler"
"""Where the platform team's scheduler profiles are."""


class Printed(StrEnum):
    """How it is printed."""

    TABLE = "table"
    JSON = "json"


_Namespace = Annotated[
    str | None, typer.Option("--namespace", "-n", help="Its namespace; the context's when absent.")
]
_Context = Annotated[
    str | None, typer.Option("--context", help="Context of the kubeconfig; the current one when absent.")
]
_Output = Annotated[Printed, typer.Option("--output", "-o", help="For people or for programs.")]


def explain(
    instance: Annotated[str, typer.Argument(metavar="INSTANCE", help="Name of the Instance.")],
    namespace: _Namespace = None,
    context: _Context = None,
    output: _Output = Printed.TABLE,
) -> None:
    """Print every hypervisor with what is against it and how good it would be for an Instance, recomputed now."""
    cluster = Cluster(context, namespace)
    found = _asked(cluster, lambda seen: seen.explain(cluster.namespace, instance))
    if output is Printed.JSON:
        typer.echo(json.dumps(explanation_json(found), indent=2))
    else:
        Console(highlight=False, width=WIDE).print(draw_explanation(found), soft_wrap=True)


def capacity(
    flavor: Annotated[str, typer.Option("--flavor", help="Name of the Flavor.")],
    image: Annotated[
        str | None,
        typer.Option("--image", help="Name of an Image that they boot from, for what it requires."),
    ] = None,
    node_selector: Annotated[
        list[str] | None,
        typer.Option("--node-selector", help="A label that the node must have, as key=value."),
    ] = None,
    zone: Annotated[str | None, typer.Option("--zone", help="Zone that they have to be in.")] = None,
    profile: Annotated[
        str | None, typer.Option("--profile", help="Scheduler profile; the default one when absent.")
    ] = None,
    network: Annotated[
        list[str] | None, typer.Option("--network", help="Name of a Network that they have a NIC in.")
    ] = None,
    namespace: Annotated[
        str | None,
        typer.Option("--namespace", "-n", help="Namespace of Image and Networks; the context's when absent."),
    ] = None,
    context: _Context = None,
    output: _Output = Printed.TABLE,
) -> None:
    """Say how many more Instances of a Flavor fit, on which nodes, and what is in the way of one more."""
    cluster = Cluster(context, namespace)
    spec = {
        "flavorName": flavor,
        "boot": {"imageRef": {"name": image}} if image is not None else {},
        "networks": [
            {"name": f"eth{n}", "networkRef": {"name": name}} for n, name in enumerate(network or ())
        ],
        "placement": {
            "nodeSelector": dict(_label(each) for each in node_selector or ()),
            "zone": zone,
            "profile": profile,
        },
    }
    try:
        wanted = InstanceSpec.model_validate(spec)
    except ValidationError as error:
        where = ".".join(map(str, error.errors()[0]["loc"]))
        raise typer.BadParameter(f"{where}: {error.errors()[0]['msg']}") from error
    # A uid that no object has; a capital letter keeps the name from being one of the namespace's.
    metadata = Metadata(name="One-More", namespace=cluster.namespace, uid="one-more")
    one_more = Instance(metadata=metadata, spec=wanted)
    found = _asked(cluster, lambda seen: seen.capacity(one_more))
    if output is Printed.JSON:
        typer.echo(json.dumps(rooms_json(found), indent=2))
    else:
        Console(highlight=False, width=WIDE).print(draw_rooms(flavor, found), soft_wrap=True)


def _label(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        raise typer.BadParameter(f"{text!r} is not key=value", param_hint="--node-selector")
    return key, value


def _asked(cluster: Cluster, question: Callable[[Seen], T]) -> T:
    """The answer of the operator's code; it takes a second to import, which other commands need not wait for."""
    from orlop_operator.explaining import NEEDED, OWN, Missing, Seen  # noqa: PLC0415
    from orlop_operator.kinds import CONFIG_MAP  # noqa: PLC0415

    seen = Seen()
    for kind, namespace in NEEDED:
        where = cluster.namespace if namespace is OWN else namespace
        seen.learn(kind, cluster.collect(kind.path(where), kind.plural, kind.group, kind.model))
    profiles = cluster.find(CONFIG_MAP.path(_SYSTEM, _PROFILES), CONFIG_MAP.plural, CONFIG_MAP.model)
    wrong = seen.follow(profiles) if profiles is not None else ""
    if wrong:
        typer.echo(
            f"orlop: the built-in scheduler profile is used, for ConfigMap {_PROFILES} is wrong: {wrong}",
            err=True,
        )
    try:
        return question(seen)
    except Missing as error:
        raise NotFoundError(str(error)) from error
