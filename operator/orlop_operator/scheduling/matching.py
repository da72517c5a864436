"""Whether a node is what a term of a node affinity says, with the rules of core/v1."""

from __future__ import annotations

import re
from functools import partial

import numpy as np

from orlop_operator.scheduling.facts import Host, Requirement, Term
from orlop_operator.scheduling.world import Mask, World

_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")
NAME = "metadata.name"
"""The only field of a Node that a term may ask for."""


def matches(term: Term, host: Host) -> bool:
    """Whether all of the term holds; an empty one never does."""
    if not term.labels and not term.fields:
        return False
    fields = {NAME: host.name}
    return all(_passes(each, host.labels.get(each.key)) for each in term.labels) and all(
        _passes(each, fields.get(each.key)) for each in term.fields
    )


def where(term: Term, world: World) -> Mask:
    """Which hosts match: the same for all at once, by the few values that a label has."""
    if not term.labels and not term.fields:
        return ~world.every
    mask = world.every
    for each in term.labels:
        mask = mask & world.labeled(each.key, partial(_passes, each))
    for each in term.fields:
        mask = mask & np.fromiter((_passes(each, host.name) for host in world.hosts), np.bool_, len(mask))
    return mask


def described(term: Term) -> str:
    """For sentences: `zone in (a, b) and !gpu`."""
    return " and ".join(_described(each) for each in (*term.labels, *term.fields)) or "nothing"


def _passes(requirement: Requirement, found: str | None) -> bool:
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
