"""Which node gets an Instance: filters, then weights. Pure; docs/explanation/scheduling.md."""

from orlop_operator.scheduling.facts import (
    Host,
    Physical,
    PhysicalNeed,
    Pin,
    Placement,
    PoolNeed,
    Rejection,
    Request,
    Taint,
    Unplaceable,
    Usage,
)
from orlop_operator.scheduling.filters.physical_network import why_not
from orlop_operator.scheduling.hosts import host_from
from orlop_operator.scheduling.place import place
from orlop_operator.scheduling.usage import assignment_hold, usage_from, volume_hold
from orlop_operator.scheduling.world import World

__all__ = [
    "Host",
    "Physical",
    "PhysicalNeed",
    "Pin",
    "Placement",
    "PoolNeed",
    "Rejection",
    "Request",
    "Taint",
    "Unplaceable",
    "Usage",
    "World",
    "assignment_hold",
    "host_from",
    "place",
    "usage_from",
    "volume_hold",
    "why_not",
]
