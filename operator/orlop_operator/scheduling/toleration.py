"""Taints and tolerations, with the rules of core/v1's Toleration."""

from __future__ import annotations

from collections.abc import Container, Iterable

from orlop_api.placement import Toleration
from orlop_operator.scheduling.facts import Taint


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """An absent effect or (with Exists) key matches every one."""
    if toleration.effect is not None and toleration.effect != taint.effect:
        return False
    if toleration.operator == "Exists":
        return toleration.key is None or toleration.key == taint.key
    return toleration.key == taint.key and (toleration.value or "") == taint.value


def untolerated(
    taints: Iterable[Taint], tolerations: Iterable[Toleration], effects: Container[str]
) -> list[Taint]:
    """The taints of these effects that no toleration covers."""
    return [t for t in taints if t.effect in effects and not any(tolerates(o, t) for o in tolerations)]
