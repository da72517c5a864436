"""Which nodes an Instance must have, and which it had rather: in the words of core/v1's NodeAffinity."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from orlop_api.resource import LIST_ATOMIC, ApiModel, rule, rules

_VALUE = Annotated[str, Field(max_length=63)]
_NODE_NAME = Annotated[str, Field(max_length=253)]


class NodeSelectorRequirement(ApiModel):
    """An expression about a label of the node."""

    key: Annotated[str, Field(min_length=1, max_length=317)]
    """The label's key."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
    """In: one of the values. NotIn: none of them, or no such label. Exists, DoesNotExist: whatever the value. Gt, Lt: a
    whole number above, below the value."""
    values: Annotated[list[_VALUE], Field(max_length=32, json_schema_extra=LIST_ATOMIC)] = []
    """What the label's value is compared with."""


class NodeFieldRequirement(ApiModel):
    """An expression about the node's name."""

    key: Literal["metadata.name"]
    """metadata.name."""
    operator: Literal["In", "NotIn"]
    """In: that node. NotIn: any other."""
    values: Annotated[list[_NODE_NAME], Field(min_length=1, max_length=1, json_schema_extra=LIST_ATOMIC)]
    """One node's name."""


_EXPRESSION = (
    rule(
        "!(self.operator in ['In', 'NotIn']) || (has(self.values) && self.values.size() > 0)",
        "operators In and NotIn need one value at least",
    ),
    rule(
        "!(self.operator in ['Exists', 'DoesNotExist']) || !has(self.values) || self.values.size() == 0",
        "operators Exists and DoesNotExist have no values",
    ),
    rule(
        "!(self.operator in ['Gt', 'Lt'])"
        " || (has(self.values) && self.values.size() == 1 && self.values[0].matches('^[+-]?[0-9]{1,18}$'))",
        "operators Gt and Lt have one value, a whole number",
    ),
)


class NodeSelectorTerm(ApiModel):
    """All of its expressions must hold; a term without any holds nowhere."""

    match_expressions: Annotated[
        list[Annotated[NodeSelectorRequirement, Field(json_schema_extra=rules(*_EXPRESSION))]],
        Field(max_length=16, json_schema_extra=LIST_ATOMIC),
    ] = []
    """About labels of the node."""
    match_fields: Annotated[
        list[NodeFieldRequirement], Field(max_length=16, json_schema_extra=LIST_ATOMIC)
    ] = []
    """About the node's name."""


class NodeSelectorTerms(ApiModel):
    """One of its terms must hold."""

    node_selector_terms: Annotated[
        list[NodeSelectorTerm], Field(min_length=1, max_length=8, json_schema_extra=LIST_ATOMIC)
    ]
    """Of these one must hold."""


class PreferredSchedulingTerm(ApiModel):
    """What of a node is welcome."""

    weight: Annotated[int, Field(ge=1, le=100)]
    """How much it counts beside the others, 1 to 100."""
    preference: NodeSelectorTerm
    """What the node should be."""


class NodeAffinity(ApiModel):
    """Which nodes the machine must have, and which it had rather, as a pod's nodeAffinity."""

    required_during_scheduling_ignored_during_execution: NodeSelectorTerms | None = None
    """What the node must be. A machine that has its node stays there, whatever becomes of the node's labels."""
    preferred_during_scheduling_ignored_during_execution: Annotated[
        list[PreferredSchedulingTerm], Field(max_length=8, json_schema_extra=LIST_ATOMIC)
    ] = []
    """What of nodes is welcome: those that match more of it are taken first."""
