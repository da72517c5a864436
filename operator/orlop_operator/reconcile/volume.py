"""Volume: where its data is, who uses it, and its end. Pure.

Attaching and detaching are planned with the Instance; here is what a Volume does by itself.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from orlop_api.condition import Condition
from orlop_api.hypervisor import Hypervisor
from orlop_api.instance import FINALIZER
from orlop_api.quantity import rounded, to_bytes
from orlop_api.storage import Found, StorageAction, StorageOrder, StorageState
from orlop_api.volume import ReclaimPolicy, Volume
from orlop_api.volume_class import LocalParameters, VolumeClass, VolumeLocation
from orlop_operator.kinds import VOLUME
from orlop_operator.reconcile.conditions import differs, false, kstatus, true
from orlop_operator.reconcile.effects import Body, DropFinalizer, Patch, Plan
from orlop_operator.reconcile.existence import CREATED, conditions, created, is_unsettled
from orlop_operator.reconcile.instance.facts import named
from orlop_operator.reconcile.location import (
    anywhere,
    holders,
    kept_by_others,
    locate,
    maker,
    pinned,
    who_has,
)
from orlop_operator.reconcile.rights import REPLACED, is_replaced, replaced
from orlop_operator.reconcile.storage import (
    FULL_AGAIN,
    Secrets,
    giving,
    pool_changed,
    storage_order,
    storage_report,
    why,
    without_order,
)

RESIZING = "Resizing"
"""Condition that is there while the device is smaller than spec.size."""
_WAITING = false("Ready", "WaitForFirstInstance", "the data is made with the first Instance")
BEGINS_EMPTY = "spec.source is for classes of driver local, shared and rbd: other Volumes begin empty"
_TOO_MUCH = false("Ready", "NotSupported", BEGINS_EMPTY)


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
    secrets: Secrets = field(default_factory=dict)


def plan_volume(facts: VolumeFacts) -> Plan:
    """What this Volume wants now."""
    volume = facts.volume
    left = [held.wire() for held in holders(volume) if held.instance_uid not in facts.gone]
    if len(left) < len(holders(volume)):
        return Plan((Patch(VOLUME, volume, {"status": {"attachments": left}}, "status"),))
    if volume.metadata.deleting:
        return _end(facts)
    if facts.created or created(volume):
        return _kept(facts)
    if is_unsettled(volume):
        return _settle(facts)
    if facts.volume_class is None:
        name = named("VolumeClass", "", volume.spec.class_name)
        return _say(facts, false("Ready", "VolumeClassNotFound", f"{name} does not exist"))
    if maker(volume, facts.volume_class) is not None:
        return _make(facts, facts.volume_class) if volume.spec.source is None else _say(facts, _TOO_MUCH)
    if is_replaced(volume, facts.origin_uid):
        return _with_taken_back(facts, _say(facts, false("Ready", REPLACED, replaced(volume))))
    seen: Body = {"originUID": facts.origin_uid} if facts.origin_uid is not None else {}
    return _with_taken_back(facts, _say(facts, _WAITING, seen))


def _settle(facts: VolumeFacts) -> Plan:
    """Ask the node whether the data was made: before that is known nothing may be made anew, nor forgotten."""
    volume, host, status = facts.volume, facts.hypervisor, facts.volume.status
    if status is None or status.location is None:
        raise AssertionError
    if host is None:
        where = status.node_name or "that reaches its pool"
        message = f"whether its data was made is not known, and Hypervisor {where} does not exist"
        return _say(facts, false("Ready", "NodeNotFound", message))
    name = host.metadata.name
    if status.location.local is not None and pool_changed(host, status.pool_id):
        message = f"whether its data was made is not known: {name} has another data pool now"
        return _say(facts, false("Ready", "PoolChanged", message))
    order = StorageOrder(
        uid=volume.metadata.uid,
        action=StorageAction.FIND,
        location=status.location,
        generation=status.attachment_generation,
    )
    ask = giving(host, order, facts.secrets)
    if ask is not None:
        return ask
    report = storage_report(host, order)
    if report is None or report.state is not StorageState.DONE or report.found is None:
        message = f"waits for {name} to say whether its data was made{why(report)}"
        return _say(facts, false("Ready", "Settling", message))
    if report.found is Found.PRESENT:
        return _say(facts, CREATED, {"capacityBytes": report.size_bytes})
    forgotten: Body = {"nodeName": None, "poolID": None, "location": None, "image": None}
    return Plan((Patch(VOLUME, volume, {"status": forgotten}, "status"),))


def _make(facts: VolumeFacts, volume_class: VolumeClass) -> Plan:
    """Have the node that serves the data make it, whether an Instance wants it or not."""
    volume, host, uid = facts.volume, facts.hypervisor, facts.volume.metadata.uid
    if host is None:
        message = f"Hypervisor {maker(volume, volume_class)}, which makes the data, does not exist"
        return _say(facts, false("Ready", "NodeNotFound", message))
    where = locate(volume, volume_class, host)
    if where is None:
        raise AssertionError
    if pinned(volume) is None:
        # Before it is made: what is made and not written down would outlive the Volume.
        return Plan((Patch(VOLUME, volume, {"status": {"location": where.wire()}}, "status"),))
    size = to_bytes(volume.spec.size)
    order = StorageOrder(uid=uid, action=StorageAction.CREATE, location=where, size_bytes=size)
    ask = giving(host, order, facts.secrets)
    if ask is not None:
        return ask
    report = storage_report(host, order)
    if report is not None and report.state is StorageState.DONE:
        return _say(facts, CREATED, {"capacityBytes": report.size_bytes})
    return _say(
        facts, false("Ready", "Making", f"waits for {host.metadata.name} to make the data{why(report)}")
    )


def _kept(facts: VolumeFacts) -> Plan:
    """The data exists; its size follows spec.size."""
    volume = facts.volume
    known = volume.status.capacity_bytes if volume.status else None
    size = facts.size if facts.size is not None else known
    capacity: Body = {"capacityBytes": size} if size is not None else {}
    free = volume.status is not None and not volume.status.attachments
    if size is not None and size >= to_bytes(volume.spec.size):
        return _with_taken_back(facts, _say(facts, CREATED, capacity))
    if not free:
        # Whoever has it makes it grow, running or not.
        told = None if size is None else true(RESIZING, *_growth(facts, size))
        return _with_taken_back(facts, _say(facts, CREATED, capacity, told))
    return _expand(facts, size)


def _growth(facts: VolumeFacts, size: int) -> tuple[str, str]:
    """Reason and message while a device that is attached is smaller than it shall be."""
    volume = facts.volume
    nodes = sorted({held.node_name for held in holders(volume)})
    message = f"{rounded(size)} grow to {volume.spec.size} on {' and '.join(nodes)}, by {who_has(volume)}"
    return "Growing", f"{message}; {'its' if len(holders(volume)) < 2 else 'their'} VolumesReady says more"


def _expand(facts: VolumeFacts, size: int | None) -> Plan:
    """Have the node make the data of a Volume grow that nobody has."""
    volume, host, status = facts.volume, facts.hypervisor, facts.volume.status
    grows = f"{rounded(size) if size is not None else 'the data'} grow to {volume.spec.size}"
    if host is None or status is None or status.location is None:
        waits = true(RESIZING, "WaitsForInstance", f"{grows} with the next Instance")
        return _say(facts, CREATED, None, waits)
    order = StorageOrder(
        uid=volume.metadata.uid,
        action=StorageAction.EXPAND,
        location=status.location,
        size_bytes=to_bytes(volume.spec.size),
    )
    ask = giving(host, order, facts.secrets)
    if ask is not None:
        return ask
    report = storage_report(host, order)
    if report is not None and report.state is StorageState.DONE and (report.size_bytes or 0) >= (size or 0):
        done: Body = {"capacityBytes": report.size_bytes}
        if report.size_bytes is not None and report.size_bytes >= to_bytes(volume.spec.size):
            return _say(facts, CREATED, done)
    reason = report.reason if report is not None and report.reason else "Growing"
    message = f"{grows} on {host.metadata.name}{why(report)}"
    return _say(facts, CREATED, None, true(RESIZING, reason, message))


def _with_taken_back(facts: VolumeFacts, plan: Plan) -> Plan:
    """And nothing is asked of the node for it any more."""
    host, uid = facts.hypervisor, facts.volume.metadata.uid
    if host is None or storage_order(host, uid) is None:
        return plan
    return Plan((*plan.effects, without_order(host, uid)), plan.again_after)


def _end(facts: VolumeFacts) -> Plan:
    volume = facts.volume
    if FINALIZER not in volume.metadata.finalizers:
        return Plan()
    status = volume.status
    if status is not None and status.attachments:
        lets_go = "does not list it any more, or is gone"
        if len(status.attachments) > 1:
            lets_go = "do not list it any more, or are gone"
        message = f"being deleted; waits until {who_has(volume)} {lets_go}"
        return _say(facts, _keep_truth(volume, "InUse", message))
    if status is None or volume.spec.reclaim_policy is ReclaimPolicy.RETAIN:
        return Plan((DropFinalizer(VOLUME, volume),))
    where = status.location or VolumeLocation(local=LocalParameters())
    made_early, maybe = maker(volume, None) is not None, created(volume) or is_unsettled(volume)
    if not made_early and (not maybe or kept_by_others(where)):
        # Nothing was made, or it is another's server that has it.
        return Plan((DropFinalizer(VOLUME, volume),))
    if facts.copied_by:
        message = f"being deleted; waits until {facts.copied_by} has copied it"
        return replace(_say(facts, _keep_truth(volume, "InUse", message)), again_after=FULL_AGAIN)
    return _destroy(facts, where, status.node_name)


def _destroy(facts: VolumeFacts, where: VolumeLocation, node: str | None) -> Plan:
    """Have a node delete the file, and let go when it says so; the order goes with the object."""
    volume, host, uid = facts.volume, facts.hypervisor, facts.volume.metadata.uid
    if host is None and anywhere(where):
        has = f"has shared pool {where.shared.pool}" if where.shared is not None else "is there"
        message = f"being deleted; no hypervisor that is ready {has} now"
        return replace(_say(facts, _keep_truth(volume, "PoolNotFound", message)), again_after=FULL_AGAIN)
    if host is None:
        keeper = node or maker(volume, None)
        message = f"being deleted; Hypervisor {keeper}, which has the data, does not exist"
        return _say(facts, _keep_truth(volume, "NodeNotFound", message))
    if where.local is not None and pool_changed(host, volume.status.pool_id if volume.status else None):
        message = f"being deleted; {host.metadata.name} has another data pool now than the one with its data"
        return _say(facts, _keep_truth(volume, "PoolChanged", message))
    order = StorageOrder(uid=uid, action=StorageAction.DELETE, location=where)
    ask = giving(host, order, facts.secrets)
    if ask is not None:
        return ask
    report = storage_report(host, order)
    if report is not None and report.state is StorageState.DONE:
        return Plan((DropFinalizer(VOLUME, volume),))
    message = f"being deleted; waits for {host.metadata.name} to delete the data{why(report)}"
    return _say(facts, _keep_truth(volume, "Deleting", message))


def _keep_truth(volume: Volume, reason: str, message: str) -> Condition:
    """Ready says whether the data exists, also at the end: whoever looks must not take it for gone."""
    return (true if created(volume) else false)("Ready", reason, message)


def _say(
    facts: VolumeFacts, ready: Condition, fields: Body | None = None, resizing: Condition | None = None
) -> Plan:
    volume = facts.volume
    wanted = kstatus(ready)
    if resizing is not None:
        wanted += [resizing, true("Reconciling", resizing.reason, resizing.message)]
    change = conditions(volume, wanted, facts.now) | (fields or {})
    old: dict[str, Any] = volume.status.wire() if volume.status else {}
    if not differs(old, old | change):
        return Plan()
    return Plan((Patch(VOLUME, volume, {"status": change}, "status"),))
