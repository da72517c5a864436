"""What every node held at every moment, made anew of the audit log: the sum that no race may break."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support.audit import lines

Body = dict[str, Any]
_FINAL = {"Released", "Refused"}
_ALIVE = {"Starting", "Running"}


@dataclass(frozen=True, slots=True)
class Written:
    """What counts of an Assignment after a write: a run writes hundreds of thousands."""

    version: int
    uid: str
    holds: tuple[str, int, int, int] | None
    by: str
    """The node whose agent wrote it; empty where it was somebody else."""
    epoch: int | None
    start: str | None
    """Which start of the guest it tells of, where the guest is alive."""


def versions(log: Path, since: int = 0) -> Iterator[Written]:
    """All writes of Assignments from that byte of the log on, in the order in which the API server made them."""
    found, ended = [], []
    for line in lines(log, since):
        if '"resource":"assignments"' not in line:
            continue
        event = json.loads(line)
        if event["stage"] != "ResponseComplete" or event["responseStatus"]["code"] >= 300:
            continue
        thing = event.get("responseObject") or {}
        if thing.get("kind") != "Assignment":
            # A Status: the answer to a delete, or to a delete of all, which nobody asks for here.
            thing = {"metadata": {"name": event["objectRef"].get("name", "")}}
        (ended if event["verb"] == "delete" else found).append(_written(event["user"]["username"], thing))
    # A delete has no version of its own; an Assignment is written no more after it.
    yield from sorted(found, key=lambda each: each.version)
    yield from ended


def _written(user: str, order: Body) -> Written:
    status, (_, its, node) = order.get("status") or {}, user.rpartition(":orlop-nodes:")
    return Written(
        version=int(order["metadata"].get("resourceVersion", 0)),
        uid=order["metadata"]["name"],
        holds=held(order),
        by=node if its else "",
        epoch=status.get("epoch"),
        start=status["startID"] if status.get("state") in _ALIVE else None,
    )


def held(order: Body) -> tuple[str, int, int, int] | None:
    """Node, vCPUs, memory and disk that the order holds; None where it holds nothing."""
    spec, status = order.get("spec", {}), order.get("status") or {}
    node = spec.get("nodeName")
    if not node or (status.get("epoch") == spec["epoch"] and status.get("state") in _FINAL):
        return None
    return node, spec["vcpus"], spec["memoryBytes"], spec["rootDiskBytes"]


def check(log: Path, capacity: Body, since: int = 0) -> dict[str, int]:
    """Go through the log; AssertionError where a node held more than it has, or an Instance ran twice.

    Returns how much was seen: writes, Instances that ran, and the most vCPUs that a node held. `since` is a byte of the
    log at which nothing was held.
    """
    now: dict[str, tuple[str, int, int, int]] = {}
    sums: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    limits = [capacity["vcpus"], capacity["memoryBytes"], capacity["diskBytes"]]
    runs: dict[str, set[tuple[str, int | None, str]]] = defaultdict(set)
    writes = most = 0
    for order in versions(log, since):
        writes += 1
        if (before := now.pop(order.uid, None)) is not None:
            for n, amount in enumerate(before[1:]):
                sums[before[0]][n] -= amount
        if (after := order.holds) is not None:
            now[order.uid] = after
            for n, amount in enumerate(after[1:]):
                sums[after[0]][n] += amount
            most = max(most, sums[after[0]][0])
            assert all(sums[after[0]][n] <= limits[n] for n in range(3)), (
                f"{after[0]} holds {sums[after[0]]} of {limits} with {order.uid}"
            )
        if order.by and order.start:
            runs[order.uid].add((order.by, order.epoch, order.start))
    twice = {uid: found for uid, found in runs.items() if len(found) > 1}
    assert not twice, f"started more than once: {twice}"
    return {"writes": writes, "ran": len(runs), "most_vcpus": most}
