"""The API server's own record of who wrote what, read as events."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

WRITES = frozenset({"create", "update", "patch", "delete"})
OPERATOR = "system:serviceaccount:orlop-system:orlop-operator"
# What the budget of a create does not count: heartbeats, events, questions to the authorizer, tokens.
UNCOUNTED = frozenset({"leases", "events", "subjectaccessreviews", "tokenreviews", "serviceaccounts"})


@dataclass(frozen=True)
class Call:
    user: str
    verb: str
    resource: str
    subresource: str
    namespace: str
    name: str
    code: int
    received: float
    done: float

    @property
    def what(self) -> str:
        return f"{self.verb} {self.resource}" + (f"/{self.subresource}" if self.subresource else "")


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def calls(log: str) -> list[Call]:
    """Every completed request in the log, in order of receipt."""
    return _sorted(log.splitlines())


def writes_of(log: Path, since: int = 0) -> list[Call]:
    """Every completed write in the file from this byte on: of a file of gigabytes, as a scale run makes it."""
    return _sorted(line for line in lines(log, since) if any(verb in line for verb in _SAID))


def lines(log: Path, since: int = 0) -> Iterator[str]:
    """The file from this byte on, line by line; a line that is being written comes in no part."""
    with log.open("rb") as file:
        file.seek(since)
        for line in file:
            if line.endswith(b"\n"):
                yield line.decode()


_SAID = tuple(f'"verb":"{verb}"' for verb in sorted(WRITES))


def _sorted(log: Iterable[str]) -> list[Call]:
    found = []
    for line in log:
        event = json.loads(line)
        if event.get("stage") != "ResponseComplete":
            continue
        ref = event.get("objectRef", {})
        found.append(
            Call(
                user=event["user"]["username"],
                verb=event["verb"],
                resource=ref.get("resource", ""),
                subresource=ref.get("subresource", ""),
                namespace=ref.get("namespace", ""),
                name=ref.get("name", ""),
                code=event.get("responseStatus", {}).get("code", 0),
                received=_seconds(event["requestReceivedTimestamp"]),
                done=_seconds(event["stageTimestamp"]),
            )
        )
    return sorted(found, key=lambda call: call.received)


# An address that somebody gave back before has rested, whatever else happens just then.
RESTED = "delete claims"


def orlops_writes(found: list[Call], start: float, end: float) -> list[Call]:
    """Successful writes by operator and agents for a create between two moments."""
    return [
        call
        for call in found
        if start <= call.received <= end
        and call.verb in WRITES
        and 200 <= call.code < 300
        and call.resource not in UNCOUNTED
        and call.what != RESTED
        and (call.user == OPERATOR or ":orlop-nodes:" in call.user)
    ]
