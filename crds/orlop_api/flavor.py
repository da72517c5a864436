"""Flavor: the size of a virtual machine, as Nova has it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from orlop_api.placement import AggregateNames
from orlop_api.quantity import Quantity, between
from orlop_api.resource import API_VERSION, ApiModel, Metadata, rule, rules


class FlavorSpec(ApiModel):
    """What an Instance of this Flavor gets."""

    vcpus: Annotated[int, Field(ge=1, le=256)]
    """Virtual CPUs, 1 to 256."""
    memory: Annotated[Quantity, Field(json_schema_extra=rules(between("64Mi", "16Ti", "512Mi")))]
    """Memory, from 64Mi to 16Ti, for example 512Mi."""
    root_disk: Annotated[Quantity, Field(json_schema_extra=rules(between("1Mi", "64Ti", "5Gi")))]
    """Size of the root disk, from 1Mi to 64Ti; must hold the image."""
    aggregates: AggregateNames = []
    """Names of Aggregates; the node of an Instance of this Flavor is in all of them."""


class Flavor(ApiModel):
    """A size of virtual machine that Instances name: vCPUs, memory and root disk."""

    api_version: Literal["orlop.dev/v1alpha1"] = API_VERSION
    kind: Literal["Flavor"] = "Flavor"
    metadata: Metadata = Metadata()
    spec: Annotated[
        FlavorSpec,
        Field(
            json_schema_extra=rules(
                rule("self == oldSelf", "spec is immutable: create another Flavor, Instances keep theirs")
            )
        ),
    ]
    """The size."""
