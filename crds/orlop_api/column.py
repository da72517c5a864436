"""Columns of `kubectl get`, and those that several kinds have."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Column:
    """One column of `kubectl get`."""

    name: str
    path: str
    kind: Literal["string", "integer", "date"] = "string"
    wide: bool = False
    """Shown only with `-o wide`."""


def _ready(field: str) -> str:
    return f'.status.conditions[?(@.type=="Ready")].{field}'


READY = Column("Ready", _ready("status"))
REASON = Column("Reason", _ready("reason"))
MESSAGE = Column("Message", _ready("message"), wide=True)
AGE = Column("Age", ".metadata.creationTimestamp", "date")
VCPUS = Column("vCPUs", ".spec.vcpus", "integer")
SIZES = (VCPUS, Column("Memory", ".spec.memory"), Column("Root disk", ".spec.rootDisk"), AGE)
JOINED = Column("Networks", ".status.networks[*].name")
GROUPED = (
    READY,
    REASON,
    Column("Policy", ".spec.policy"),
    Column("Topology", ".spec.topologyKey"),
    AGE,
    MESSAGE,
)
AGGREGATED = (
    READY,
    Column("Hypervisors", ".status.hypervisorCount", "integer"),
    *(
        Column(title, f".spec.overcommit.{field}")
        for title, field in (("vCPUs", "vcpus"), ("Memory", "memory"), ("Disk", "disk"))
    ),
    AGE,
    MESSAGE,
)
LED = (
    Column("IP", ".status.address"),
    Column("Port", ".spec.portRef.name"),
    Column("Node", ".status.nodeName"),
)

ALLOWED = tuple(
    Column(*column)
    for column in (
        ("Instances", ".status.used.instances", "integer"),
        ("of", ".spec.limits.instances", "integer"),
        ("vCPUs", ".status.used.vcpus", "integer"),
        ("of vCPUs", ".spec.limits.vcpus", "integer"),
        ("Memory", ".status.used.memory"),
        ("of memory", ".spec.limits.memory"),
    )
)
ALSO_ALLOWED = tuple(
    Column(name, f".{of}.{field}", "string" if field == "storage" else "integer", wide=True)
    for title, field in (
        ("Volumes", "volumes"),
        ("Storage", "storage"),
        ("Snapshots", "volumeSnapshots"),
        ("Ports", "ports"),
        ("FloatingIPs", "floatingIPs"),
        ("Images", "images"),
    )
    for name, of in ((title, "status.used"), (f"of {title}", "spec.limits"))
)
