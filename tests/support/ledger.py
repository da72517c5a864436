"""What every node held at every moment, made anew of the audit log: the sum that no race may break."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Body = dict[str, Any]
_FINAL = {"Released", "Refused"}
_ALIVE = {"Starting", "Running"}


def versions(log: Path) -> Iterator[tuple[str, str, Body]]:
    """Verb, user and the Assignment after each write, in the order of the writes."""
    found = []
    with log.open() as lines:
        for line in lines:
            if '"resource":"assignments"' not in line:
                continue
            event = json.loads(line)
            thing = event.get("responseObject") or {}
            if event["stage"] == "ResponseComplete" and event["responseStatus"]["code"] < 300:
                if thing.get("kind") != "Assignment":
                    # A Status: the answer to a delete, or to a delete of all, which nobody asks for here.
                    thing = {"metadata": {"name": event["objectRef"].get("name", "")}}
                version = int(thing["metadata"].get("resourceVersion", 0))
                found.append(
                    (version, event["stageTimestamp"], event["verb"], event["user"]["username"], thing)
                )
    deletes = [each for each in found if each[2] == "delete"]
    writes = sorted((each for each in found if each[2] != "delete"), key=lambda each: each[0])
    # A delete has no version of its own; an Assignment is written no more after it.
    for _, _, verb, user, thing in [*writes, *deletes]:
        yield verb, user, thing


def held(order: Body) -> tuple[str, int, int, int] | None:
    """Node, vCPUs, memory and disk that the order holds; None where it holds nothing."""
    spec, status = order.get("spec", {}), order.get("status") or {}
    node = spec.get("nodeName")
    if not node or (status.get("epoch") == spec["epoch"] and status.get("state") in _FINAL):
        return None
    return node, spec["vcpus"], spec["memoryBytes"], spec["rootDiskBytes"]


def check(log: Path, capacity: Body) -> dict[str, int]:
    """Go through the log; AssertionError where a node held more than it has, or an Instance ran twice.

    Returns how much was seen: writes, Instances that ran, and the most vCPUs that a node held.
    """
    now: dict[str, tuple[str, int, int, int]] = {}
    sums: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    limits = [capacity["vcpus"], capacity["memoryBytes"], capacity["diskBytes"]]
    runs: dict[str, set[tuple[str, int]]] = defaultdict(set)
    starts: dict[str, set[str]] = defaultdict(set)
    writes = most = 0
    for _, user, order in versions(log):
        writes += 1
        uid, status = order["metadata"]["name"], order.get("status") or {}
        if (before := now.pop(uid, None)) is not None:
            for n, amount in enumerate(before[1:]):
                sums[before[0]][n] -= amount
        if (after := held(order)) is not None:
            now[uid] = after
            for n, amount in enumerate(after[1:]):
                sums[after[0]][n] += amount
            most = max(most, sums[after[0]][0])
            assert all(sums[after[0]][n] <= limits[n] for n in range(3)), (
                f"{after[0]} holds {sums[after[0]]} of {limits} with {uid}"
            )
        if status.get("state") in _ALIVE and ":orlop-nodes:" in user:
            runs[uid].add((user.rpartition(":")[2], status["epoch"]))
            starts[uid].add(status["startID"])
    twice = {uid: found for uid, found in runs.items() if len(found) > 1 or len(starts[uid]) > 1}
    assert not twice, f"started more than once: {twice}"
    return {"writes": writes, "ran": len(runs), "most_vcpus": most}
