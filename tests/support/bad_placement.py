"""Placements of Instances that must be refused."""

from __future__ import annotations

from typing import Any

from support.bad import Bad

PLACEMENT = "spec.placement"
AFFINITY = f"{PLACEMENT}.nodeAffinity"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
FIRST = f"{AFFINITY}.{REQUIRED}.nodeSelectorTerms[0]"


def _required(**term: Any) -> dict[str, Any]:
    return {PLACEMENT: {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": [term]}}}}


def _expression(operator: str, *values: str, **also: Any) -> dict[str, Any]:
    given = {"values": list(values)} if values else {}
    return _required(matchExpressions=[{"key": "disk", "operator": operator, **given, **also}])


WHOLE_NUMBER = "operators Gt and Lt have one value, a whole number"
EXPRESSION = f"{FIRST}.matchExpressions[0]"
PLACEMENTS = [
    Bad(
        "In nothing",
        "Instance",
        _expression("In"),
        EXPRESSION,
        "operators In and NotIn need one value at least",
    ),
    Bad(
        "Exists with a value",
        "Instance",
        _expression("Exists", "a"),
        EXPRESSION,
        "operators Exists and DoesNotExist have no values",
    ),
    Bad("Gt a word", "Instance", _expression("Gt", "many"), EXPRESSION, WHOLE_NUMBER),
    Bad("Lt two numbers", "Instance", _expression("Lt", "1", "2"), EXPRESSION, WHOLE_NUMBER),
    Bad("another operator", "Instance", _expression("Like", "a"), f"{EXPRESSION}.operator"),
    Bad(
        "another field of a node",
        "Instance",
        _required(matchFields=[{"key": "spec.podCIDR", "operator": "In", "values": ["a"]}]),
        f"{FIRST}.matchFields[0].key",
    ),
    Bad(
        "two names of nodes",
        "Instance",
        _required(matchFields=[{"key": "metadata.name", "operator": "In", "values": ["a", "b"]}]),
        f"{FIRST}.matchFields[0].values",
    ),
    Bad(
        "no term",
        "Instance",
        {PLACEMENT: {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": []}}}},
        f"{AFFINITY}.{REQUIRED}.nodeSelectorTerms",
    ),
    Bad(
        "a preference of no weight",
        "Instance",
        {PLACEMENT: {"nodeAffinity": {PREFERRED: [{"weight": 0, "preference": {}}]}}},
        f"{AFFINITY}.{PREFERRED}[0].weight",
    ),
    Bad("zone", "Instance", {PLACEMENT: {"zone": "a/b"}}, f"{PLACEMENT}.zone"),
    Bad("profile", "Instance", {PLACEMENT: {"profile": "Pack It"}}, f"{PLACEMENT}.profile"),
]
