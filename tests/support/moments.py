"""What became of each Instance when, and what was written for it, by the API server's audit log."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from support.audit import Call, orlops_writes
from support.scale import quantile, spread

if TYPE_CHECKING:
    from support.load import Seen

PHASES = ("created", "port", "assigned", "bound", "starting", "running", "reported", "seen")
"""Answers to writes, in the order of a create: the Instance, its Port, its Assignment, that bound, the node's two
answers, the Instance's Ready; and the moment at which the client's watch says so."""
PICTURED = ("created", "bound", "running", "reported", "seen")
PERCENT = (1, 2, 5, 10, 20, 35, 50, 65, 80, 90, 95, 99, 100)


def moments(found: Iterable[Call], seen: Seen) -> dict[str, dict[str, float]]:
    """When each phase of each Instance ended, in seconds from when the API server received its create."""
    by_uid = {uid: key for key, uid in seen.uids.items()}
    at: defaultdict[str, dict[str, float]] = defaultdict(dict)
    for call in found:
        if call.code >= 300:
            continue
        key = f"{call.namespace}/{call.name}"
        match call.what:
            case "create instances" if key in seen.sent:
                at[key]["received"] = call.received
                at[key]["created"] = call.done
            case "create ports":
                at[key.rpartition("-")[0]]["port"] = call.done
            case "create assignments" if call.name in by_uid:
                at[by_uid[call.name]]["assigned"] = call.done
            case "patch assignments" if call.name in by_uid:
                at[by_uid[call.name]].setdefault("bound", call.done)
            case "patch assignments/status" if call.name in by_uid:
                its = at[by_uid[call.name]]
                its["running" if "starting" in its else "starting"] = call.done
            case "patch instances/status":
                at[key]["reported"] = call.done
    for key, when in seen.ready.items():
        at[key]["seen"] = when
    return {
        key: {phase: its[phase] - its["received"] for phase in PHASES if phase in its}
        for key, its in at.items()
        if "received" in its
    }


def phases(at: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """p50, p95 and p99 of each phase."""
    values = {phase: [its[phase] for its in at.values() if phase in its] for phase in PHASES}
    return {phase: spread(seconds) for phase, seconds in values.items() if seconds}


def curves(at: Mapping[str, Mapping[str, float]]) -> dict[str, list[tuple[float, float]]]:
    """Of phases far enough from each other to be told apart: within how many seconds what percentage had got so far."""
    found = {}
    for phase in PICTURED:
        values = [its[phase] for its in at.values() if phase in its]
        if values:
            found[phase] = [(max(quantile(values, share / 100), 0.001), share) for share in PERCENT]
    return found


def counted(found: Iterable[Call], seen: Seen) -> dict[str, Counter[str]]:
    """Writes of operator and agents for each Instance, by name: all, and those on the Instance itself.

    A Claim is named after its address, so it is known by who made it alone: each NIC has one.
    """
    by_uid = {uid: key for key, uid in seen.uids.items()}
    each = {key: Counter({"all": 1, "instances": 0}) for key in seen.sent}
    for call in orlops_writes(list(found), 0, time.time()):
        key = f"{call.namespace}/{call.name}"
        if call.resource == "ports":
            key = key.rpartition("-")[0]
        its = each.get(by_uid.get(call.name, key))
        if its is not None:
            its.update({"all": 1, "instances": int(call.resource == "instances")})
    return each


def writes(audit: list[Call], begin: float, count: int) -> dict[str, float]:
    """Writes of operator and agents since then, for each Instance, by verb and resource."""
    found = orlops_writes(audit, begin, time.time())
    return {what: round(n / count, 3) for what, n in sorted(Counter(call.what for call in found).items())}
