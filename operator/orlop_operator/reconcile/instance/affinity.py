"""An Instance's node affinity, in the scheduler's words. Pure."""

from __future__ import annotations

from orlop_api.node_affinity import NodeFieldRequirement, NodeSelectorRequirement, NodeSelectorTerm
from orlop_api.placement import Placement
from orlop_operator.scheduling import Preference, Requirement, Term


def required(placement: Placement) -> tuple[Term, ...] | None:
    """What the node must be; None: anything."""
    affinity = placement.node_affinity
    found = affinity.required_during_scheduling_ignored_during_execution if affinity is not None else None
    return tuple(map(_term, found.node_selector_terms)) if found is not None else None


def preferred(placement: Placement) -> tuple[Preference, ...]:
    """What the node had better be."""
    affinity = placement.node_affinity
    found = affinity.preferred_during_scheduling_ignored_during_execution if affinity is not None else []
    return tuple(Preference(each.weight, _term(each.preference)) for each in found)


def _term(term: NodeSelectorTerm) -> Term:
    return Term(tuple(map(_requirement, term.match_expressions)), tuple(map(_requirement, term.match_fields)))


def _requirement(each: NodeSelectorRequirement | NodeFieldRequirement) -> Requirement:
    return Requirement(each.key, each.operator, tuple(each.values))
