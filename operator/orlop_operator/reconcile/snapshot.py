"""VolumeSnapshot: ordered at the node that has the Volume, recorded once it is kept, and its end. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from orlop_api.condition import Condition, is_true
from orlop_api.hypervisor import Hypervisor
from orlop_api.instance import FINALIZER
from orlop_api.snapshot import VolumeSnapshot
from orlop_api.storage import StorageAction, StorageOrder, StorageReport, StorageState
from orlop_api.volume import Volume
from orlop_api.volume_class import VolumeLocation
from orlop_operator.kinds import VOLUME_SNAPSHOT
from orlop_operator.reconcile.conditions import differs, false, kstatus, settled, true
from orlop_operator.reconcile.counting import EXCEEDED, UNLIMITED, Standing
from orlop_operator.reconcile.effects import Body, DropFinalizer, Plan, Report
from orlop_operator.reconcile.encryption import KEY_AGAIN, asking, in_trouble, keyed
from orlop_operator.reconcile.existence import created
from orlop_operator.reconcile.instance.facts import Blocker, named
from orlop_operator.reconcile.location import (
    alive,
    anywhere,
    held_elsewhere,
    holders,
    kept_by_others,
    reaches,
    reader,
    served_by,
    takes_several,
    who_has,
)
from orlop_operator.reconcile.node_secret import Secrets
from orlop_operator.reconcile.restore import comes_first
from orlop_operator.reconcile.storage import (
    FULL_AGAIN,
    giving,
    pool_changed,
    storage_order,
    storage_report,
    taken_back,
    why,
)


@dataclass(frozen=True)
class SnapshotFacts:
    """The snapshot, its Volume, and the nodes."""

    snapshot: VolumeSnapshot
    now: datetime
    volume: Volume | None = None
    hypervisors: Collection[Hypervisor] = ()
    copied_by: str = ""
    """Who is to read it before it goes: `Instance demo/web`; empty where nobody is."""
    secrets: Secrets = field(default_factory=dict)
    """What was put where a node reads it in this look, and why it could not be."""
    standing: Standing = UNLIMITED
    """With the Quota of its namespace."""


def plan_snapshot(facts: SnapshotFacts) -> Plan:
    """What this VolumeSnapshot wants now."""
    snapshot = facts.snapshot
    if snapshot.metadata.deleting:
        return _end(facts)
    host = _ordered(facts)
    if kept(snapshot) or _stalled(snapshot):
        # It says what the node said, so the order has served.
        return Plan(taken_back(host, snapshot.metadata.uid)) if host is not None else Plan()
    if host is None:
        return _order(facts)
    order = storage_order(host, snapshot.metadata.uid)
    report = storage_report(host, order) if order is not None else None
    if order is None or report is None or report.state is StorageState.PENDING:
        if _misplaced(facts, host):
            return Plan(taken_back(host, snapshot.metadata.uid))
        return _wait(facts, host, order, report)
    if report.state is StorageState.DONE:
        return _say(facts, true("Ready", "Taken", "it is kept"), _pins(facts, host, order, report))
    return _say(facts, false("Ready", report.reason or "SnapshotFailed", report.message), stalled=True)


def kept(snapshot: VolumeSnapshot) -> bool:
    """Whether its data exists."""
    return snapshot.status is not None and is_true(snapshot.status.conditions, "Ready")


def _stalled(snapshot: VolumeSnapshot) -> bool:
    return snapshot.status is not None and is_true(snapshot.status.conditions, "Stalled")


def _ordered(facts: SnapshotFacts) -> Hypervisor | None:
    uid = facts.snapshot.metadata.uid
    return next((h for h in facts.hypervisors if storage_order(h, uid) is not None), None)


def _order(facts: SnapshotFacts) -> Plan:
    snapshot, volume = facts.snapshot, facts.volume
    what = named("Volume", snapshot.metadata.namespace, snapshot.spec.volume_ref.name)
    if volume is None:
        return _say(facts, false("Ready", "VolumeNotFound", f"{what} does not exist"))
    if not created(volume) or volume.status is None or volume.status.location is None:
        return _say(facts, false("Ready", "VolumeNotReady", f"{what} has no data yet"))
    if volume.metadata.deleting:
        return _say(facts, false("Ready", "VolumeNotReady", f"{what} is being deleted"))
    if volume.status.restoring is not None:
        return _say(facts, false("Ready", "VolumeRestoring", f"{what} {comes_first(volume)}"))
    blocked = _blocked(volume.status.location, what)
    if blocked is not None:
        return _say(facts, blocked, stalled=True)
    if takes_several(volume) and holders(volume):
        # QEMU keeps aside only what its own guest overwrites: what others write would be in the copy, or not.
        message = f"{what} may be written to by several guests: it is kept once nobody has it, and {who_has(volume)} "
        return _say(
            facts, false("Ready", "InUse", message + ("has it" if len(holders(volume)) < 2 else "have it"))
        )
    host = reader(volume, facts.hypervisors)
    if host is None or not alive(host):
        name = host.metadata.name if host is not None else "the node"
        return _say(facts, false("Ready", "NodeUnreachable", f"{name}, which has {what}, is not Ready"))
    if facts.standing.is_open:
        return Plan()
    if facts.standing.why:
        return _say(facts, false("Ready", EXCEEDED, facts.standing.why))
    order = StorageOrder(
        uid=snapshot.metadata.uid,
        action=StorageAction.SNAPSHOT,
        location=volume.status.location,
        volume_uid=volume.metadata.uid,
        quiesce=snapshot.spec.quiesce,
        held_by=held_elsewhere(volume),
    )
    return _ask(facts, host, keyed(host, order, volume), volume) or Plan()


def _ask(facts: SnapshotFacts, host: Hypervisor, order: StorageOrder, volume: Volume) -> Plan | None:
    """Give the order, what it needs before it; None where it is given."""
    ask = asking(host, order, volume, facts.secrets)
    if isinstance(ask, Blocker):
        return Plan(_say(facts, false("Ready", ask.reason, ask.message)).effects, KEY_AGAIN)
    return ask


def _wait(
    facts: SnapshotFacts, host: Hypervisor, order: StorageOrder | None, report: StorageReport | None
) -> Plan:
    """Say how far the node is; where it cannot open the Volume, give it the present passphrase."""
    if order is None or facts.volume is None or not in_trouble(report):
        return _say(facts, _taking(host, report))
    ask = _ask(facts, host, order, facts.volume)
    return ask or Plan(_say(facts, _taking(host, report)).effects, KEY_AGAIN)


def _misplaced(facts: SnapshotFacts, host: Hypervisor) -> bool:
    """Whether another node must take it: a guest there has the Volume now, or this node is lost and others reach it.

    And whether the node that serves the data must ask another one for it.
    """
    status = facts.volume.status if facts.volume is not None else None
    if facts.volume is None or status is None or status.location is None:
        return False
    if served_by(status.location) is not None:
        order = storage_order(host, facts.snapshot.metadata.uid)
        return order is not None and order.held_by != held_elsewhere(facts.volume)
    if not anywhere(status.location):
        return False
    if status.attachments:
        return any(held.node_name != host.metadata.name for held in status.attachments)
    return not alive(host)


def _blocked(where: VolumeLocation, what: str) -> Condition | None:
    """Nothing keeps a guest from writing to a server's data while it is copied: such a copy would be torn."""
    if not kept_by_others(where):
        return None
    return false(
        "Ready", "NotSupported", f"{what} is kept by others' server, and only that can take snapshots of it"
    )


def _taking(host: Hypervisor, report: StorageReport | None) -> Condition:
    return false("Ready", "Taking", f"{host.metadata.name} takes it{why(report)}")


def _pins(facts: SnapshotFacts, host: Hypervisor, order: StorageOrder, report: StorageReport) -> Body:
    volume = facts.volume
    same = volume is not None and volume.metadata.uid == order.volume_uid
    image = volume.status.image if same and volume is not None and volume.status is not None else None
    status: Body = {
        "volumeUID": order.volume_uid,
        "location": order.location.wire(),
        "sizeBytes": report.size_bytes,
        "consistency": report.consistency.value if report.consistency else None,
        "takenAt": report.taken_at,
        "image": image.wire() if image is not None else None,
    }
    if _stays(order.location):
        status |= {"nodeName": host.metadata.name, "poolID": host.status.pool_id if host.status else None}
    return {name: value for name, value in status.items() if value is not None}


def _stays(location: VolumeLocation) -> bool:
    """Whether only one node reaches it."""
    return location.local is not None or served_by(location) is not None


def _end(facts: SnapshotFacts) -> Plan:
    snapshot, uid = facts.snapshot, facts.snapshot.metadata.uid
    if FINALIZER not in snapshot.metadata.finalizers:
        return Plan()
    host = _ordered(facts)
    status = snapshot.status
    location = status.location if status is not None else None
    if host is None and location is None:
        return Plan((DropFinalizer(VOLUME_SNAPSHOT, snapshot),))
    if host is None and status is not None and location is not None:
        host = _keeper(facts, status.node_name, location)
    if host is None:
        message = "being deleted; no Hypervisor that reaches its data exists"
        return _say(facts, _keep_truth(snapshot, "NodeNotFound", message))
    if facts.copied_by:
        message = f"being deleted; waits until {facts.copied_by} has copied it"
        return Plan(_say(facts, _keep_truth(snapshot, "InUse", message)).effects, again_after=FULL_AGAIN)
    if pool_changed(host, status.pool_id if status is not None else None):
        message = f"being deleted; {host.metadata.name} has another data pool now than the one with its data"
        return _say(facts, _keep_truth(snapshot, "PoolChanged", message))
    known = storage_order(host, uid)
    location = location if known is None else known.location
    if location is None:
        raise AssertionError
    order = StorageOrder(uid=uid, action=StorageAction.DELETE, location=location)
    # A snapshot that is being taken is given up by this too.
    ask = giving(host, order, facts.secrets)
    if ask is not None:
        return ask
    report = storage_report(host, order)
    if report is not None and report.state is StorageState.DONE:
        return Plan((DropFinalizer(VOLUME_SNAPSHOT, snapshot),))
    message = f"being deleted; waits for {host.metadata.name} to delete the data{why(report)}"
    return _say(facts, _keep_truth(snapshot, "Deleting", message))


def _keeper(facts: SnapshotFacts, node: str | None, location: VolumeLocation) -> Hypervisor | None:
    """The node that keeps it; the first by name that is Ready and reaches it where several do."""
    if node is not None:
        return next((h for h in facts.hypervisors if h.metadata.name == node), None)
    fit = (h for h in facts.hypervisors if alive(h) and reaches(h, location))
    return min(fit, key=lambda h: h.metadata.name, default=None)


def _keep_truth(snapshot: VolumeSnapshot, reason: str, message: str) -> Condition:
    """Ready says whether the data exists, also at the end."""
    return (true if kept(snapshot) else false)("Ready", reason, message)


def _say(facts: SnapshotFacts, ready: Condition, pins: Body | None = None, *, stalled: bool = False) -> Plan:
    snapshot = facts.snapshot
    generation, old = snapshot.metadata.generation, snapshot.status
    known = old.wire() if old else {}
    wanted = [*kstatus(ready, stalled=stalled), *facts.standing.conditions]
    conditions = settled(old.conditions if old else [], wanted, generation, facts.now)
    status: Body = {name: known[name] for name in _PINNED if name in known} | (pins or {})
    status |= {"observedGeneration": generation, "conditions": [c.wire() for c in conditions]}
    if ready.status != "True" or ready.message:
        status["message"] = ready.message
    return Plan((Report(VOLUME_SNAPSHOT, snapshot, status),)) if differs(known, status) else Plan()


_PINNED = ("volumeUID", "nodeName", "poolID", "location", "sizeBytes", "consistency", "takenAt", "image")
