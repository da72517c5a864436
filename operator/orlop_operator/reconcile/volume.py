"""Volume: where its data is, who uses it, and its end. Pure.

Attaching and detaching are planned with the Instance; here is what a Volume does by itself.
"""

from __future__ import annotations

from dataclasses import replace

from orlop_api.condition import Condition
from orlop_api.instance import FINALIZER
from orlop_api.quantity import rounded, to_bytes
from orlop_api.storage import Found, StorageAction, StorageOrder, StorageState
from orlop_api.volume import ReclaimPolicy
from orlop_api.volume_class import LocalParameters, VolumeLocation
from orlop_operator.kinds import VOLUME
from orlop_operator.reconcile import restore
from orlop_operator.reconcile.conditions import false, true
from orlop_operator.reconcile.counting import EXCEEDED, size_reserved
from orlop_operator.reconcile.effects import Body, DropFinalizer, Patch, Plan
from orlop_operator.reconcile.encryption import KEY_AGAIN, asking, in_trouble, keyed, refusal
from orlop_operator.reconcile.existence import CREATED, created, is_unsettled
from orlop_operator.reconcile.growth import expansion, growth
from orlop_operator.reconcile.instance.facts import Blocker, named
from orlop_operator.reconcile.location import anywhere, holders, kept_by_others, maker, who_has
from orlop_operator.reconcile.making import make
from orlop_operator.reconcile.rights import REPLACED, is_replaced, replaced
from orlop_operator.reconcile.storage import (
    FULL_AGAIN,
    giving,
    pool_changed,
    storage_order,
    storage_report,
    taken_back,
    why,
)
from orlop_operator.reconcile.volume_status import VolumeFacts, keep_truth, say, waits_for_quota

RESIZING = "Resizing"
"""Condition that is there while the device is smaller than spec.size."""
_WAITING = false("Ready", "WaitForFirstInstance", "the data is made with the first Instance")


def plan_volume(facts: VolumeFacts) -> Plan:
    """What this Volume wants now."""
    volume = facts.volume
    left = [held.wire() for held in holders(volume) if held.instance_uid not in facts.gone]
    if len(left) < len(holders(volume)):
        return Plan((Patch(VOLUME, volume, {"status": {"attachments": left}}, "status"),))
    hosts = [host for host in (facts.hypervisor, *facts.others) if host is not None]
    late = [] if volume.metadata.deleting else restore.strays(volume, hosts)
    if late and volume.status is not None:
        gone: Body = {"leftovers": [*volume.status.leftovers, *late]}
        return Plan((Patch(VOLUME, volume, {"status": gone}, "status"),))
    if facts.others:
        return Plan(tuple(one for host in facts.others for one in taken_back(host, volume.metadata.uid)))
    if volume.metadata.deleting:
        return _end(facts)
    if created(volume) and restore.is_unfinished(volume):
        return _restored(facts)
    if facts.created or created(volume):
        return _kept(facts)
    if is_unsettled(volume):
        return _settle(facts)
    if facts.volume_class is None:
        name = named("VolumeClass", "", volume.spec.class_name)
        return say(facts, false("Ready", "VolumeClassNotFound", f"{name} does not exist"))
    refused = refusal(volume, facts.volume_class)
    if refused is not None:
        return say(facts, false("Ready", "NotSupported", refused))
    if maker(volume, facts.volume_class) is not None:
        return make(facts, facts.volume_class)
    if is_replaced(volume, facts.origin_uid):
        return _with_taken_back(facts, say(facts, false("Ready", REPLACED, replaced(volume))))
    if not facts.standing.reserved:
        return _with_taken_back(facts, waits_for_quota(facts))
    seen: Body = {"originUID": facts.origin_uid} if facts.origin_uid is not None else {}
    return _with_taken_back(facts, say(facts, _WAITING, seen))


def _settle(facts: VolumeFacts) -> Plan:
    """Ask the node whether the data was made: before that is known nothing may be made anew, nor forgotten."""
    volume, host, status = facts.volume, facts.hypervisor, facts.volume.status
    if status is None or status.location is None:
        raise AssertionError
    if host is None:
        where = status.node_name or "that reaches its pool"
        message = f"whether its data was made is not known, and Hypervisor {where} does not exist"
        return say(facts, false("Ready", "NodeNotFound", message))
    name = host.metadata.name
    if status.location.local is not None and pool_changed(host, status.pool_id):
        message = f"whether its data was made is not known: {name} has another data pool now"
        return say(facts, false("Ready", "PoolChanged", message))
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
        return say(facts, false("Ready", "Settling", message))
    if report.found is Found.PRESENT:
        return say(facts, CREATED, {"capacityBytes": report.size_bytes})
    forgotten: Body = {"nodeName": None, "poolID": None, "location": None, "image": None}
    return Plan((Patch(VOLUME, volume, {"status": forgotten}, "status"),))


def _kept(facts: VolumeFacts, restoring: Condition | None = None, *, tidying: bool = False) -> Plan:
    """The data exists; its size follows spec.size.

    `tidying`: a node is to delete what a restore replaced, and has one order about a Volume at a time.
    """
    volume = facts.volume
    known = volume.status.capacity_bytes if volume.status else None
    size = facts.size if facts.size is not None else known
    capacity: Body = {"capacityBytes": size} if size is not None else {}
    free = volume.status is not None and not volume.status.attachments
    if size is not None and size >= to_bytes(volume.spec.size):
        told = say(facts, CREATED, capacity, restoring)
        return told if tidying else _with_taken_back(facts, told)
    if facts.standing.is_open:
        return Plan()
    if size is not None and size >= size_reserved(volume, facts.standing):
        told = say(facts, CREATED, capacity, _short(facts, size), restoring)
        return told if tidying else _with_taken_back(facts, told)
    if not free:
        # Whoever has it makes it grow, running or not.
        grows = None if size is None else true(RESIZING, *growth(volume, size))
        told = say(facts, CREATED, capacity, grows, restoring)
        return told if tidying else _with_taken_back(facts, told)
    if tidying:
        message = f"grows to {volume.spec.size} once what a restore replaced is deleted"
        return say(facts, CREATED, capacity, true(RESIZING, restore.WAITS, message), restoring)
    return _expand(facts, size)


def _restored(facts: VolumeFacts) -> Plan:
    """The data exists, and something of a restore is due, which may come before all else."""
    found = restore.step(_asked(facts))
    if isinstance(found, Plan) and found.effects:
        return found
    if isinstance(found, Plan):
        return replace(_kept(facts, tidying=True), again_after=found.again_after)
    if found is None:
        return replace(_kept(facts), again_after=FULL_AGAIN)
    tidying = found.reason == restore.WAITS
    kept = (
        _kept(facts, found, tidying=tidying)
        if tidying or holders(facts.volume)
        else say(facts, CREATED, None, found)
    )
    return replace(kept, again_after=FULL_AGAIN)


def _asked(facts: VolumeFacts) -> restore.RestoreFacts:
    return restore.RestoreFacts(
        facts.volume,
        facts.now,
        facts.hypervisor,
        facts.snapshot,
        read_by=facts.copied_by,
        secrets=facts.secrets,
        size=size_reserved(facts.volume, facts.standing),
    )


def _expand(facts: VolumeFacts, size: int | None) -> Plan:
    """Have the node make the data of a Volume grow that nobody has."""
    volume, host, status = facts.volume, facts.hypervisor, facts.volume.status
    grows = f"{rounded(size) if size is not None else 'the data'} grow to {volume.spec.size}"
    if host is None or status is None or status.location is None:
        waits = true(RESIZING, "WaitsForInstance", f"{grows} with the next Instance")
        return say(facts, CREATED, None, waits)
    allowed = size_reserved(volume, facts.standing)
    order = keyed(host, expansion(volume, status.location, allowed), volume)
    ask = asking(host, order, volume, facts.secrets)
    if isinstance(ask, Blocker):
        told = say(facts, CREATED, None, true(RESIZING, ask.reason, f"{grows}: {ask.message}"))
        return replace(told, again_after=KEY_AGAIN)
    if ask is not None:
        return ask
    report = storage_report(host, order)
    now = report.size_bytes if report is not None and report.state is StorageState.DONE else None
    if now is not None and now >= max(size or 0, allowed):
        done: Body = {"capacityBytes": now}
        return say(facts, CREATED, done, None if now >= to_bytes(volume.spec.size) else _short(facts, now))
    reason = report.reason if report is not None and report.reason else "Growing"
    message = f"{grows} on {host.metadata.name}{why(report)}"
    told = say(facts, CREATED, None, true(RESIZING, reason, message))
    return Plan(told.effects, KEY_AGAIN) if in_trouble(report) else told


def _short(facts: VolumeFacts, size: int) -> Condition:
    """It is as large as its Quota allows."""
    message = f"{rounded(size)} grow to {facts.volume.spec.size} once there is room: {facts.standing.why}"
    return true(RESIZING, EXCEEDED, message)


def _with_taken_back(facts: VolumeFacts, plan: Plan) -> Plan:
    """And nothing is asked of the node for it any more."""
    host, uid = facts.hypervisor, facts.volume.metadata.uid
    if host is None or storage_order(host, uid) is None:
        return plan
    return Plan((*plan.effects, *taken_back(host, uid)), plan.again_after)


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
        return say(facts, keep_truth(volume, "InUse", message))
    if status is None or volume.spec.reclaim_policy is ReclaimPolicy.RETAIN:
        return _let_go(facts)
    where = status.location or VolumeLocation(local=LocalParameters())
    made_early, maybe = maker(volume, None) is not None, created(volume) or is_unsettled(volume)
    if not made_early and (not maybe or kept_by_others(where)):
        # Nothing was made, or it is another's server that has it.
        return Plan((DropFinalizer(VOLUME, volume),))
    if facts.copied_by:
        message = f"being deleted; waits until {facts.copied_by} has copied it"
        return replace(say(facts, keep_truth(volume, "InUse", message)), again_after=FULL_AGAIN)
    return _destroy(facts, where, status.node_name)


def _let_go(facts: VolumeFacts) -> Plan:
    """The data stays; but nobody will know any more of what restores replaced, or did not finish."""
    left = restore.last(_asked(facts))
    if left is None:
        return Plan((DropFinalizer(VOLUME, facts.volume),))
    if isinstance(left, Plan):
        return left
    ready = keep_truth(facts.volume, "Deleting", f"being deleted; {left.message}")
    return replace(say(facts, ready), again_after=FULL_AGAIN)


def _destroy(facts: VolumeFacts, where: VolumeLocation, node: str | None) -> Plan:
    """Have a node delete the file, and let go when it says so; the order goes with the object."""
    volume, host, uid = facts.volume, facts.hypervisor, facts.volume.metadata.uid
    if host is None and anywhere(where):
        has = f"has shared pool {where.shared.pool}" if where.shared is not None else "is there"
        message = f"being deleted; no hypervisor that is ready {has} now"
        return replace(say(facts, keep_truth(volume, "PoolNotFound", message)), again_after=FULL_AGAIN)
    if host is None:
        keeper = node or maker(volume, None)
        message = f"being deleted; Hypervisor {keeper}, which has the data, does not exist"
        return say(facts, keep_truth(volume, "NodeNotFound", message))
    if where.local is not None and pool_changed(host, volume.status.pool_id if volume.status else None):
        message = f"being deleted; {host.metadata.name} has another data pool now than the one with its data"
        return say(facts, keep_truth(volume, "PoolChanged", message))
    order = StorageOrder(uid=uid, action=StorageAction.DELETE, location=where)
    ask = giving(host, order, facts.secrets)
    if ask is not None:
        return ask
    report = storage_report(host, order)
    if report is not None and report.state is StorageState.DONE:
        return Plan((DropFinalizer(VOLUME, volume),))
    message = f"being deleted; waits for {host.metadata.name} to delete the data{why(report)}"
    return say(facts, keep_truth(volume, "Deleting", message))
