"""Where an Instance may run, in the words of pods: a node selector, node affinity and tolerations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Literal

from pydantic import Field

from orlop_api.node_affinity import NodeAffinity
from orlop_api.resource import LIST_ATOMIC, LIST_SET, ApiModel, DnsLabel, DnsSubdomain, LocalRef, rule, rules


class Toleration(ApiModel):
    """A node taint that does not matter, as a pod's toleration."""

    key: Annotated[str, Field(max_length=316)] | None = None
    """The taint's key; every key when absent, with operator Exists."""
    operator: Literal["Exists", "Equal"] = "Equal"
    """Exists: any value. Equal: this value."""
    value: Annotated[str, Field(max_length=63)] | None = None
    """The taint's value, with operator Equal."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """The taint's effect; every effect when absent."""


_TOLERATION = (
    rule("self.operator != 'Equal' || has(self.key)", "key must be set, or operator Exists for every key"),
    rule("self.operator != 'Exists' || !has(self.value)", "value goes with operator Equal only"),
)
_LABEL_KEY = (
    "k.size() <= 317 && k.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?"
    "[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$')"
)
_LABELS = rule(
    f"self.all(k, {_LABEL_KEY} && self[k].matches('^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$'))",
    "must hold label keys and values, for example topology.kubernetes.io/zone: a",
)


_ZONE = r"^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"

NodeSelector = Annotated[
    dict[str, Annotated[str, Field(max_length=63)]],
    Field(max_length=32, json_schema_extra=rules(_LABELS)),
]
AggregateNames = Annotated[list[DnsSubdomain], Field(max_length=8, json_schema_extra=LIST_SET)]


def selects(selector: Iterable[tuple[str, str]], labels: Mapping[str, str]) -> bool:
    """Whether the labels are as a selector's pairs of key and value say; an empty one selects everything."""
    return all(labels.get(key) == value for key, value in selector)


class Placement(ApiModel):
    """Where the machine may run."""

    node_selector: NodeSelector = {}
    """Labels that the node must have."""
    node_affinity: NodeAffinity | None = None
    """Expressions about nodes: those that must hold, and those that had better."""
    zone: Annotated[str, Field(min_length=1, max_length=63, pattern=_ZONE)] | None = None
    """Value of the node's label topology.kubernetes.io/zone."""
    aggregates: AggregateNames = []
    """Names of Aggregates; the node is in all of them, and in those that the Flavor names."""
    profile: DnsLabel | None = None
    """Name of a scheduler profile of the platform team; its default one when absent."""
    tolerations: Annotated[
        list[Annotated[Toleration, Field(json_schema_extra=rules(*_TOLERATION))]],
        Field(max_length=32, json_schema_extra=LIST_ATOMIC),
    ] = []
    """Node taints that do not matter."""
    group_ref: LocalRef | None = None
    """The InstanceGroup that the machine is in: near its other machines, or apart from them."""
