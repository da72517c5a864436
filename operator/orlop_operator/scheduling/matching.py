"""Whether a node is what a term of a node affinity says, with the rules of core/v1."""

from __future__ import annotations

import re
from collections.abc import Mapping

from orlop_operator.scheduling.facts import Host, Requirement, Term

_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")
NAME = "metadata.name"
"""The only field of a Node that a term may ask for."""


def matches(term: Term, host: Host) -> bool:
    """Whether all of the term holds; an empty one never does."""
    if not term.labels and not term.fields:
        return False
    fields = {NAME: host.name}
    return all(_holds(each, host.labels) for each in term.labels) and all(
        _holds(each, fields) for each in term.fields
    )


def described(term: Term) -> str:
    """For sentences: `zone in (a, b) and !gpu`."""
    return " and ".join(_described(each) for each in (*term.labels, *term.fields)) or "nothing"


def _holds(requirement: Requirement, labels: Mapping[str, str]) -> bool:
    found = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return found is not None and found in requirement.values
        case "NotIn":
            return found is None or found not in requirement.values
        case "Exists":
            return found is not None
        case "DoesNotExist":
            return found is None
        case _:
            return _compared(requirement, found)


def _compared(requirement: Requirement, found: str | None) -> bool:
    """Gt and Lt: both sides have to be whole numbers, else it does not hold."""
    bound = requirement.values[0] if requirement.values else ""
    if found is None or not _NUMBER.fullmatch(found) or not _NUMBER.fullmatch(bound):
        return False
    return int(found) > int(bound) if requirement.operator == "Gt" else int(found) < int(bound)


def _described(requirement: Requirement) -> str:
    key, values = requirement.key, ", ".join(requirement.values)
    return {
        "In": f"{key} in ({values})",
        "NotIn": f"{key} not in ({values})",
        "Exists": key,
        "DoesNotExist": f"!{key}",
        "Gt": f"{key} > {values}",
        "Lt": f"{key} < {values}",
    }[requirement.operator]
