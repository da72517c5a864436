"""What is known of a Volume, and how that is said on it. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from orlop_api.condition import Condition
from orlop_api.hypervisor import Hypervisor
from orlop_api.snapshot import VolumeSnapshot
from orlop_api.volume import Volume
from orlop_api.volume_class import VolumeClass
from orlop_operator.kinds import VOLUME
from orlop_operator.reconcile.conditions import differs, false, kstatus, true
from orlop_operator.reconcile.counting import EXCEEDED, UNLIMITED, Standing
from orlop_operator.reconcile.effects import Body, Patch, Plan
from orlop_operator.reconcile.existence import CREATED, as_found, conditions, created
from orlop_operator.reconcile.instance.facts import DiskFacts
from orlop_operator.reconcile.node_secret import Secrets
from orlop_operator.reconcile.rights import Answers


@dataclass(frozen=True)
class VolumeFacts:
    """The Volume and what it depends on."""

    volume: Volume
    now: datetime
    volume_class: VolumeClass | None = None
    created: bool = False
    """The Assignment of the Instance that uses it says that the data exists."""
    size: int | None = None
    """Bytes of the device, as the same Assignment says."""
    gone: Collection[str] = ()
    """Uids of Instances that it is attached to and that do not exist, by an uncached read."""
    copied_by: str = ""
    """Who is to read it before it goes: `Instance demo/web`; empty where nobody is."""
    hypervisor: Hypervisor | None = None
    """The node that keeps the data."""
    origin_uid: str | None = None
    """Uid of what has the name of what it begins as."""
    others: tuple[Hypervisor, ...] = ()
    """Other nodes with orders for it: they were lost, or their pool, and the one above took over."""
    snapshot: VolumeSnapshot | None = None
    """What it is to be put back to."""
    secrets: Secrets = field(default_factory=dict)
    begins: DiskFacts | None = None
    """The Volume with what it begins as, where it has no data yet."""
    answers: Answers = field(default_factory=dict)
    """Whether whoever made it may use that."""
    standing: Standing = UNLIMITED
    """With the Quota of its namespace."""


def keep_truth(volume: Volume, reason: str, message: str) -> Condition:
    """Ready says whether the data exists, also at the end: whoever looks must not take it for gone."""
    return (true if created(volume) else false)("Ready", reason, message)


def waits_for_quota(facts: VolumeFacts) -> Plan:
    """Nothing is made of it until it is reserved."""
    stands = facts.standing
    return Plan() if stands.is_open else say(facts, false("Ready", EXCEEDED, stands.why))


def say(
    facts: VolumeFacts, ready: Condition, fields: Body | None = None, *under_way: Condition | None
) -> Plan:
    volume = facts.volume
    wanted = [*kstatus(ready), *facts.standing.conditions]
    changing = [condition for condition in under_way if condition is not None]
    if changing:
        wanted += [*changing, true("Reconciling", changing[-1].reason, changing[-1].message)]
    change = conditions(volume, wanted, facts.now) | (fields or {})
    if ready is CREATED and not created(volume):
        change |= as_found(volume)
    old: dict[str, Any] = volume.status.wire() if volume.status else {}
    if not differs(old, old | change):
        return Plan()
    return Plan((Patch(VOLUME, volume, {"status": change}, "status"),))
