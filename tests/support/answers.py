"""What a scripted agent says of its orders."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

Body = dict[str, Any]
PUBLISHED = "published"


def stored(order: Body, there: Collection[str]) -> Body:
    """What is said of an order about data: that it is done; `there` are the uids of what has data."""
    report = {"uid": order["uid"], "action": order["action"], "state": "Done"}
    report["generation"] = order.get("generation", 0)
    if order["action"] == "Find":
        report |= {"found": "Present", "sizeBytes": 1 << 30} if order["uid"] in there else {"found": "Absent"}
    if order["action"] in {"Expand", "Restore"}:
        report |= {"sizeBytes": order["sizeBytes"]}
    if order["action"] == "Snapshot":
        report |= {"sizeBytes": 1 << 30, "consistency": "Crash", "takenAt": "2026-01-01T00:00:00Z"}
    return report


def imported(order: Body, scripted: dict[str, Body]) -> Body:
    """What is said of an import: what the script has for its url, or of what is published, or that it is Ready."""
    good = {
        "state": "Ready",
        "digest": "sha256:" + "ab" * 32,
        "format": "qcow2",
        "sizeBytes": 4096,
        "virtualSizeBytes": 1 << 20,
    }
    head = {"imageUID": order["imageUID"], "generation": order.get("generation", 0), "retry": "Useful"}
    return (
        head
        | {"reason": "", "message": ""}
        | scripted.get(order["source"].get("http", {}).get("url", PUBLISHED), good)
    )


def locked(order: Body) -> Body:
    """The condition that says that a Volume of the order cannot be opened."""
    return {
        "type": "VolumesReady",
        "status": "False",
        "reason": "KeyWrong",
        "message": "the passphrase does not open it",
        "observedGeneration": order["metadata"]["generation"],
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    }


def wired(order: Body, clinging: Collection[str]) -> list[Body]:
    """The NICs that a guest has: the order's, and by the names of their Ports those that it holds on to."""
    spec = order["spec"]
    start, ports = (
        spec["instance"]["name"] + "-",
        {nic["portName"]: nic["name"] for nic in spec.get("nics", [])},
    )
    ports |= {port: port.removeprefix(start) for port in clinging if port.startswith(start)}
    return [{"name": name, "portName": port} for port, name in ports.items()]


def sized(sizes: Mapping[str, int], clinging: Collection[str]) -> list[Body]:
    """How large Volumes are; those that guests hold on to do not grow."""
    return [{"volumeUID": uid, "sizeBytes": size} for uid, size in sizes.items() if uid not in clinging]
