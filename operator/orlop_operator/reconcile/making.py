"""Data that a node makes by itself, before any Instance has it: empty, or as what the Volume begins as. Pure."""

from __future__ import annotations

from dataclasses import replace

from orlop_api.hypervisor import Hypervisor
from orlop_api.quantity import to_bytes
from orlop_api.storage import StorageAction, StorageOrder, StorageState
from orlop_api.volume_class import VolumeClass
from orlop_operator.kinds import VOLUME
from orlop_operator.reconcile.conditions import false
from orlop_operator.reconcile.effects import Ask, Body, Patch, Plan
from orlop_operator.reconcile.encryption import KEY_AGAIN, asking, in_trouble, keyed
from orlop_operator.reconcile.existence import CREATED
from orlop_operator.reconcile.instance.facts import Blocker
from orlop_operator.reconcile.instance.origins import Origin, resolve
from orlop_operator.reconcile.location import locate, maker, pinned, pools
from orlop_operator.reconcile.rights import may_begin
from orlop_operator.reconcile.storage import FULL_AGAIN, storage_order, storage_report, taken_back, why
from orlop_operator.reconcile.volume_status import VolumeFacts, say, waits_for_quota


def make(facts: VolumeFacts, volume_class: VolumeClass) -> Plan:
    """Have the node that serves the data make it, whether an Instance wants it or not."""
    volume, host, uid = facts.volume, facts.hypervisor, facts.volume.metadata.uid
    if host is None:
        message = f"Hypervisor {maker(volume, volume_class)}, which makes the data, does not exist"
        return say(facts, false("Ready", "NodeNotFound", message))
    where = locate(volume, volume_class, host)
    if where is None:
        raise AssertionError
    given = storage_order(host, uid)
    report = storage_report(host, given) if given is not None else None
    if given is not None and given.action in _MAKES and report is not None and _is_done(report.state):
        return say(facts, CREATED, {"capacityBytes": report.size_bytes})
    if not facts.standing.reserved:
        return waits_for_quota(facts)
    origin = _origin(facts, host)
    if isinstance(origin, Ask):
        return Plan((origin,))
    if isinstance(origin, Blocker):
        told = say(facts, false("Ready", origin.reason, origin.message), _seen(facts))
        back = taken_back(host, uid) if given is not None else ()
        return Plan((*told.effects, *back), FULL_AGAIN)
    if pinned(volume) is None:
        # Before it is made: what is made and not written down would outlive the Volume.
        pins: Body = {"location": where.wire(), "multiAttach": volume_class.spec.multi_attach.value}
        if origin is not None:
            pins |= _seen(facts)
            pins |= {"image": origin.image.wire()} if origin.image is not None else {}
        return Plan((Patch(VOLUME, volume, {"status": pins}, "status"),))
    begins = origin.assigned if origin is not None else None
    action = StorageAction.CREATE if begins is None else StorageAction.RESTORE
    wanted = StorageOrder(
        uid=uid, action=action, location=where, size_bytes=to_bytes(volume.spec.size), origin=begins
    )
    order = keyed(host, wanted, volume)
    ask = asking(host, order, volume, facts.secrets)
    if isinstance(ask, Blocker):
        return replace(say(facts, false("Ready", ask.reason, ask.message)), again_after=KEY_AGAIN)
    if ask is not None:
        return ask
    report = storage_report(host, order)
    if report is not None and report.state is StorageState.FAILED:
        message = f"{host.metadata.name} cannot make the data{why(report)}"
        return say(facts, false("Ready", report.reason or "NotMade", message))
    told = say(
        facts, false("Ready", "Making", f"waits for {host.metadata.name} to make the data{why(report)}")
    )
    return replace(told, again_after=KEY_AGAIN) if in_trouble(report) else told


_MAKES = frozenset({StorageAction.CREATE, StorageAction.RESTORE})


def _is_done(state: StorageState) -> bool:
    return state is StorageState.DONE


def _seen(facts: VolumeFacts) -> Body:
    """Which object it is that has the name of what it begins as: the first one counts."""
    known = facts.volume.status.origin_uid if facts.volume.status is not None else None
    return {"originUID": facts.origin_uid} if known is None and facts.origin_uid is not None else {}


def _origin(facts: VolumeFacts, host: Hypervisor) -> Origin | Ask | Blocker | None:
    """What it begins as, where the node can read that; None for one that begins empty."""
    volume = facts.volume
    if volume.spec.source is None:
        return None
    right = may_begin(volume, facts.answers)
    if right is not None:
        return right
    found = resolve(facts.begins, facts.answers) if facts.begins is not None else None
    if not isinstance(found, Origin):
        return found
    return _unreachable(found, host) or found


def _unreachable(found: Origin, host: Hypervisor) -> Blocker | None:
    name, where = host.metadata.name, found.assigned.location
    makes = f"{name}, which makes this Volume, cannot read it"
    may = f"it can begin as an Image, or as what is on {name} or in a shared pool there"
    if found.pin is not None and found.pin.node != name:
        return Blocker("SourceElsewhere", f"{found.pin.what} is on {found.pin.node}, and {makes}: {may}")
    pool_id = host.status.pool_id if host.status is not None else None
    if found.pin is not None and found.pin.pool_id not in {None, pool_id}:
        return Blocker("PoolChanged", f"{name} has another data pool now than the one with {found.pin.what}")
    if found.pool is not None and pools(host).get(found.pool.name) != found.pool.pool_id:
        message = f"what it begins as is in shared pool {found.pool.name}, and {makes}: {may}"
        return Blocker("SourceElsewhere", message)
    if where is not None and where.rbd is not None:
        return Blocker("SourceElsewhere", f"what it begins as is in Ceph, and {makes}: {may}")
    return None
