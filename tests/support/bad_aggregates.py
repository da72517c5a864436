"""Aggregates, overcommit and what names Aggregates, as they must be refused."""

from __future__ import annotations

from typing import Any

from support.bad import Bad
from support.manifests import ABSENT


def _ratio(least: str, most: str, example: str) -> str:
    return f"must be a ratio from {least} to {most} with at most three decimals, as text: '{example}'"


VCPUS, MEMORY, DISK = _ratio("0.1", "64", "16"), _ratio("0.1", "4", "1.5"), _ratio("0.1", "16", "2")
_OVER = "spec.overcommit"
_OWN = "spec.scheduling.overcommit"


def _bad(name: str, field: str, value: Any, message: str | None) -> Bad:
    return Bad(name, "Aggregate", {field: value}, field, message)


AGGREGATES = [
    _bad("no selector", "spec.nodeSelector", ABSENT, None),
    _bad(
        "a selector by expression",
        "spec.nodeSelector",
        {"disk in": "ssd"},
        "must hold label keys and values, for example topology.kubernetes.io/zone: a",
    ),
    _bad("vCPUs of nothing", f"{_OVER}.vcpus", "0", VCPUS),
    _bad("a tenth of that which is allowed", f"{_OVER}.vcpus", "0.01", VCPUS),
    _bad("more vCPUs than threads", f"{_OVER}.vcpus", "64.001", VCPUS),
    _bad("a negative ratio", f"{_OVER}.vcpus", "-4", VCPUS),
    _bad("a ratio in per cent", f"{_OVER}.vcpus", "400%", VCPUS),
    _bad("a ratio with four decimals", f"{_OVER}.vcpus", "1.2345", VCPUS),
    _bad("a ratio with a comma", f"{_OVER}.memory", "1,5", MEMORY),
    _bad("five times the memory", f"{_OVER}.memory", "5", MEMORY),
    _bad("too much disk", f"{_OVER}.disk", "17", DISK),
    _bad("a ratio as a number", f"{_OVER}.disk", 2, None),
    Bad("a node's memory", "Hypervisor", {f"{_OWN}.memory": "4.1"}, f"{_OWN}.memory", MEMORY),
    Bad("a node's vCPUs", "Hypervisor", {f"{_OWN}.vcpus": "1e1"}, f"{_OWN}.vcpus", VCPUS),
    Bad(
        "one Aggregate twice",
        "Instance",
        {"spec.placement": {"aggregates": ["a", "a"]}},
        "spec.placement.aggregates[1]",
    ),
    Bad(
        "a label for an Aggregate",
        "Flavor",
        {"spec.aggregates": ["disk=ssd"]},
        "spec.aggregates[0]",
    ),
]
