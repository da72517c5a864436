"""A Volume is put back to a VolumeSnapshot: claimed, made beside, and then pointed at. Pure.

What is put back is new data under a new generation (`location.generation`), which nobody has opened and no order
names. Pointing at it is one compare-and-swap of the Volume's status, so there is the old data or the new, whoever ends
when; the old data is deleted after that. `status.restoring` is the claim: it is only written while there is no
attachment, and no attachment while it is there. A generation is never used twice, so a node that is late makes or
deletes nothing that counts (docs/adr/0016-restore-in-place.md).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from orlop_api.assignment import AssignedOrigin
from orlop_api.condition import Condition, is_true, timestamp
from orlop_api.hypervisor import Hypervisor
from orlop_api.snapshot import VolumeSnapshot
from orlop_api.storage import StorageAction, StorageOrder, StorageState
from orlop_api.volume import Restore, Restoring, Volume
from orlop_api.volume_class import VolumeLocation
from orlop_operator.kinds import VOLUME
from orlop_operator.reconcile.conditions import true
from orlop_operator.reconcile.effects import Body, Patch, Plan
from orlop_operator.reconcile.encryption import asking, keyed
from orlop_operator.reconcile.existence import created
from orlop_operator.reconcile.instance.facts import Blocker, named
from orlop_operator.reconcile.location import served_by, who_has
from orlop_operator.reconcile.node_secret import Secrets
from orlop_operator.reconcile.storage import (
    FULL_AGAIN,
    giving,
    pool_changed,
    storage_order,
    storage_report,
    why,
)

WAITS = "WaitsForDeletion"
"""Why a restore does not begin while what an earlier one replaced is there."""
TYPE = "Restoring"
"""Condition that is there while the Volume is to be put back, and is not."""


@dataclass(frozen=True)
class RestoreFacts:
    """What putting a Volume back depends on."""

    volume: Volume
    now: datetime
    hypervisor: Hypervisor | None = None
    """The node that works on the data."""
    snapshot: VolumeSnapshot | None = None
    """What spec.restore names."""
    read_by: str = ""
    """Who is to copy what the Volume holds now; empty where nobody is."""
    secrets: Secrets = field(default_factory=dict)
    """What was put where a node reads it in this look, and why it could not be."""
    size: int = 0
    """Bytes that it may have by its Quota: at most spec.size."""


def is_due(volume: Volume) -> bool:
    """Whether spec.restore has a value that was not acted on; only data that is there can be put back."""
    wanted, status = volume.spec.restore, volume.status
    if wanted is None or status is None or not created(volume):
        return False
    return status.restored is None or _key(wanted) != _key(status.restored)


def comes_first(volume: Volume) -> str:
    """Why no Instance gets the Volume now; empty where one may."""
    status = volume.status
    if status is not None and status.restoring is not None:
        return f"is being put back to VolumeSnapshot {_snapshot(volume, status.restoring)}"
    if volume.spec.restore is not None and is_due(volume):
        return f"is to be put back to VolumeSnapshot {_snapshot(volume, volume.spec.restore)} first"
    return ""


def is_unfinished(volume: Volume) -> bool:
    """Whether anything of a restore is left to do."""
    status = volume.status
    return is_due(volume) or (status is not None and (status.restoring is not None or bool(status.leftovers)))


def strays(volume: Volume, hosts: Iterable[Hypervisor]) -> list[int]:
    """Generations that nodes were told to make by an operator that was late: they count no more, and have to go."""
    status, uid = volume.status, volume.metadata.uid
    if status is None or status.location is None:
        return []
    known = {status.location.generation or 0, *status.leftovers}
    known |= {status.restoring.generation} if status.restoring is not None else set()
    orders = (order for host in hosts for order in host.spec.storage if order.uid == uid)
    return sorted({o.generation for o in orders if o.action is StorageAction.RESTORE} - known)


def step(facts: RestoreFacts) -> Plan | Condition | None:
    """What is to be done now; or what it waits for; None where there is nothing to restore, nor to tidy."""
    volume, status = facts.volume, facts.volume.status
    if status is None or status.location is None:
        return None
    if status.restoring is not None:
        wanted = volume.spec.restore
        if wanted is None or _key(wanted) != _key(status.restoring):
            return _given_up(volume, status.restoring, status.leftovers)
        return _carry_out(facts, status.restoring, status.location)
    if status.leftovers:
        tidying = _tidy(facts, status.location, status.leftovers)
        if tidying is not None and (tidying.effects or not is_due(volume)):
            return tidying
        if is_due(volume) and (tidying is not None or len(status.leftovers) > _MOST_LEFT):
            return _waits(facts)
    return _begin(facts, status.location) if is_due(volume) else None


def last(facts: RestoreFacts) -> Plan | Condition | None:
    """What is to go before a Volume is let go of whose data stays; None where nothing is, or no node could do it."""
    volume, status, host = facts.volume, facts.volume.status, facts.hypervisor
    if status is None or status.location is None or host is None:
        return None
    if status.location.local is not None and pool_changed(host, status.pool_id):
        return None
    if status.restoring is not None:
        return _given_up(volume, status.restoring, status.leftovers)
    if not status.leftovers:
        return None
    if facts.read_by:
        return true(TYPE, "WaitsForCopy", f"waits until {facts.read_by} has copied it")
    tidying = _tidy(facts, status.location, status.leftovers)
    return tidying if tidying is None or tidying.effects else _waits(facts)


def _given_up(volume: Volume, claim: Restoring, leftovers: list[int]) -> Plan:
    """Whatever the node has made of it by then is deleted next."""
    return _status(volume, {"restoring": None, "leftovers": [*leftovers, claim.generation]})


def _waits(facts: RestoreFacts) -> Condition:
    """For what was replaced to go."""
    host, uid = facts.hypervisor, facts.volume.metadata.uid
    order = storage_order(host, uid) if host is not None else None
    said = why(storage_report(host, order)) if host is not None and order is not None else ""
    keeper = host.metadata.name if host is not None else "a node that has the data"
    return true(TYPE, WAITS, f"waits for {keeper} to delete what was replaced{said}")


_MOST_LEFT = 8
"""Generations that may wait to be deleted before another restore begins."""


def _begin(facts: RestoreFacts, where: VolumeLocation) -> Plan | Condition:
    """Claim the Volume, where nothing is in the way."""
    volume, status, wanted = facts.volume, facts.volume.status, facts.volume.spec.restore
    if status is None or wanted is None:
        raise AssertionError
    mine, what = named("Volume", volume.metadata.namespace, volume.metadata.name), _snapshot(volume, wanted)
    if where.local is None and where.shared is None and served_by(where) is None:
        message = f"{mine} is kept by a server, and only that can put it back"
        return true(TYPE, "NotSupported", f"{message}: take spec.restore away")
    kept = facts.snapshot.status if facts.snapshot is not None else None
    if facts.snapshot is None:
        return true(TYPE, "VolumeSnapshotNotFound", f"VolumeSnapshot {what} does not exist")
    if facts.snapshot.metadata.deleting:
        return true(TYPE, "VolumeSnapshotNotReady", f"VolumeSnapshot {what} is being deleted")
    if kept is None or kept.location is None or not is_true(kept.conditions, "Ready"):
        return true(TYPE, "VolumeSnapshotNotReady", f"VolumeSnapshot {what} is not ready")
    if kept.volume_uid != volume.metadata.uid:
        message = f"VolumeSnapshot {what} is of another Volume than {mine}"
        return true(TYPE, "OtherVolume", f"{message}: create one with source.snapshotRef for what it holds")
    if status.attachments:
        verb = "does" if len(status.attachments) < 2 else "do"
        return true(TYPE, "WaitsForInstance", f"waits until {who_has(volume)} {verb} not have it any more")
    if facts.read_by:
        return true(TYPE, "WaitsForCopy", f"waits until {facts.read_by} has copied what it holds now")
    number = status.restores + 1
    size = max(facts.size, status.capacity_bytes or 0)
    claim = Restoring(
        **wanted.model_dump(),
        snapshot_uid=facts.snapshot.metadata.uid,
        location=kept.location,
        generation=number,
        size_bytes=size,
    )
    return _status(volume, {"restores": number, "restoring": claim.wire()})


def _carry_out(facts: RestoreFacts, claim: Restoring, where: VolumeLocation) -> Plan | Condition:
    """Have the node make the new data, and point at it once it is there."""
    volume, status, host = facts.volume, facts.volume.status, facts.hypervisor
    if status is None:
        raise AssertionError
    what = _snapshot(volume, claim)
    if host is None and where.shared is not None:
        message = f"no hypervisor that is ready has shared pool {where.shared.pool} now"
        return true(TYPE, "PoolNotFound", message)
    if host is None:
        keeper = status.node_name or served_by(where)
        return true(TYPE, "NodeNotFound", f"Hypervisor {keeper}, which has the data, does not exist")
    name = host.metadata.name
    if where.local is not None and pool_changed(host, status.pool_id):
        return true(TYPE, "PoolChanged", f"{name} has another data pool now than the one with its data")
    wanted = StorageOrder(
        uid=volume.metadata.uid,
        action=StorageAction.RESTORE,
        location=_at(where, claim.generation),
        generation=claim.generation,
        size_bytes=claim.size_bytes,
        origin=AssignedOrigin(volume_uid=claim.snapshot_uid, location=claim.location),
    )
    order = keyed(host, wanted, volume)
    ask = asking(host, order, volume, facts.secrets)
    if isinstance(ask, Blocker):
        return true(TYPE, ask.reason, f"{name} cannot put it back to VolumeSnapshot {what}: {ask.message}")
    if ask is not None:
        return ask
    report = storage_report(host, order)
    if report is None or report.state is StorageState.PENDING:
        return true(TYPE, "Restoring", f"{name} puts it back to VolumeSnapshot {what}{why(report)}")
    if report.state is StorageState.FAILED:
        message = f"{name} cannot put it back to VolumeSnapshot {what}{why(report)}"
        return true(
            TYPE, report.reason or "RestoreFailed", f"{message}; take spec.restore away, or name another"
        )
    # Null, should it have none: the one of an earlier restore would stay, and this one be due for ever.
    done = {"snapshotUID": claim.snapshot_uid, "restoredAt": timestamp(facts.now)}
    change: Body = {
        "location": order.location.wire(),
        "capacityBytes": report.size_bytes,
        "restored": Restore(snapshot_ref=claim.snapshot_ref, requested_at=claim.requested_at).whole() | done,
        "restoring": None,
        "leftovers": [*status.leftovers, where.generation or 0],
    }
    return _status(volume, change)


def _tidy(facts: RestoreFacts, where: VolumeLocation, leftovers: list[int]) -> Plan | None:
    """Have what is not pointed at deleted; None while that has to wait, which holds up nothing."""
    volume, status, host, old = facts.volume, facts.volume.status, facts.hypervisor, leftovers[0]
    if status is None or host is None or facts.read_by or old == (where.generation or 0):
        return None
    if where.local is not None and pool_changed(host, status.pool_id):
        return None
    location = _at(where, old)
    order = StorageOrder(
        uid=volume.metadata.uid, action=StorageAction.DISCARD, location=location, generation=old
    )
    ask = giving(host, order, {})
    if ask is not None:
        return ask
    report = storage_report(host, order)
    if report is None or report.state is not StorageState.DONE:
        return Plan(again_after=FULL_AGAIN)
    return _status(volume, {"leftovers": [number for number in leftovers if number != old]})


def _at(where: VolumeLocation, generation: int) -> VolumeLocation:
    return where.model_copy(update={"generation": generation or None})


def _status(volume: Volume, change: Body) -> Plan:
    return Plan((Patch(VOLUME, volume, {"status": change}, "status"),))


def _key(wanted: Restore) -> tuple[str, str | None]:
    return wanted.snapshot_ref.name, wanted.requested_at


def _snapshot(volume: Volume, wanted: Restore) -> str:
    return f"{volume.metadata.namespace}/{wanted.snapshot_ref.name}"
