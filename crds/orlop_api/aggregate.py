"""Aggregate: Hypervisors that have something in common, as Nova's host aggregates."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from orlop_api.capacity import Overcommit
from orlop_api.condition import Conditions
from orlop_api.placement import NodeSelector
from orlop_api.resource import API_VERSION, LIST_SET, ApiModel, DnsSubdomain, Metadata

LISTED = 64
"""Names of Hypervisors that the status lists at most."""


class AggregateSpec(ApiModel):
    """Which Hypervisors are in it, and what holds for them."""

    node_selector: NodeSelector
    """Labels that a Node must have for its Hypervisor to be in it; with none at all every Hypervisor is. A Hypervisor
    may be in several."""
    overcommit: Overcommit | None = None
    """What these Hypervisors promise to guests, as multiples of what they have. Where several Aggregates of one
    Hypervisor say a ratio, the lowest holds; what its own spec.scheduling.overcommit says comes before all of them."""


class AggregateStatus(ApiModel):
    """Who is in it; operator only."""

    observed_generation: Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})] = 0
    """The metadata.generation that this status is about."""
    hypervisor_count: Annotated[int, Field(ge=0)] = 0
    """How many Hypervisors are in it."""
    hypervisors: Annotated[list[DnsSubdomain], Field(max_length=LISTED, json_schema_extra=LIST_SET)] = []
    """Their names; the first 64 where there are more."""
    conditions: Conditions = []
    """Ready: what it says is in force."""


class Aggregate(ApiModel):
    """Hypervisors with something in common: hardware, how much they promise. Instances and Flavors may name it."""

    api_version: Literal["orlop.dev/v1alpha1"] = API_VERSION
    kind: Literal["Aggregate"] = "Aggregate"
    metadata: Metadata = Metadata()
    spec: AggregateSpec
    """Which Hypervisors are in it, and what holds for them."""
    status: AggregateStatus | None = None
    """Who is in it."""
