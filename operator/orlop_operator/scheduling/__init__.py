"""Which node gets an Instance: filters, then weights. Pure; docs/explanation/scheduling.md."""

from orlop_operator.scheduling.facts import (
    AggregateNeed,
    GroupNeed,
    Host,
    Physical,
    PhysicalNeed,
    Pin,
    Placement,
    PoolNeed,
    Preference,
    Rejection,
    Request,
    Requirement,
    Taint,
    Term,
    Unplaceable,
    Usage,
)
from orlop_operator.scheduling.filters.physical_network import why_not
from orlop_operator.scheduling.hardware import HardwareNeed, Offer
from orlop_operator.scheduling.hosts import host_from
from orlop_operator.scheduling.place import place
from orlop_operator.scheduling.profile import BUILT_IN, Profile
from orlop_operator.scheduling.profiles import ONLY_BUILT_IN, Profiles
from orlop_operator.scheduling.room import Room, room
from orlop_operator.scheduling.table import Row, Verdict, table
from orlop_operator.scheduling.topology import domain_of
from orlop_operator.scheduling.usage import assignment_hold, assignment_work, hypervisor_work
from orlop_operator.scheduling.world import World

__all__ = [
    "BUILT_IN",
    "ONLY_BUILT_IN",
    "AggregateNeed",
    "GroupNeed",
    "HardwareNeed",
    "Host",
    "Offer",
    "Physical",
    "PhysicalNeed",
    "Pin",
    "Placement",
    "PoolNeed",
    "Preference",
    "Profile",
    "Profiles",
    "Rejection",
    "Request",
    "Requirement",
    "Room",
    "Row",
    "Taint",
    "Term",
    "Unplaceable",
    "Usage",
    "Verdict",
    "World",
    "assignment_hold",
    "assignment_work",
    "domain_of",
    "host_from",
    "hypervisor_work",
    "place",
    "room",
    "table",
    "why_not",
]
