"""Volumes of a bound Instance that come and go: claimed before the order lists them, freed after the node let go. Pure.

The order of writes is what keeps a Volume out of two domains (docs/adr/0010-attach-and-detach.md):
claimed on the Volume, then listed in the Assignment; not listed, then not in the domain by the node's word for that
very order, then free. Each write is a compare-and-swap, and an order never follows an older Instance than the last
one did: so whatever a slow operator still means to do fails once a Volume was let go.
"""

from __future__ import annotations

from dataclasses import dataclass

from orlop_api.assignment import AssignedOrigin, AssignedVolume, Assignment, Desired, State
from orlop_api.condition import Condition, Truth, find
from orlop_api.instance import Instance
from orlop_api.volume import Volume
from orlop_operator.protocol import answer
from orlop_operator.reconcile.conditions import false
from orlop_operator.reconcile.effects import Patch
from orlop_operator.reconcile.existence import created, record
from orlop_operator.reconcile.instance import origins
from orlop_operator.reconcile.instance.facts import Blocker, DiskFacts, Facts, named
from orlop_operator.reconcile.instance.volumes import (
    TYPE,
    blocked,
    claim,
    detach,
    held_by,
    holds,
    home,
    resolved,
)
from orlop_operator.reconcile.location import held_elsewhere, locate, needed_pool, pinned


@dataclass(frozen=True)
class Change:
    """What is due for the Volumes of a bound Instance."""

    claims: tuple[Patch[Volume], ...] = ()
    """Volumes to attach; they are listed once they are."""
    listed: tuple[AssignedVolume, ...] = ()
    """What the order shall list."""
    blocker: Blocker | None = None
    """Why the first of those that are not listed is not."""


def follow(facts: Facts, assignment: Assignment, *, allowed: bool) -> Change:
    """The Instance's list, as far as it can be followed; what the guest has already is never given up for a blocker."""
    claims: list[Patch[Volume]] = []
    listed: list[AssignedVolume] = []
    blocker: Blocker | None = None
    for disk in facts.disks:
        known = _listed(facts, assignment, disk)
        if known is not None:
            listed.append(known)
            continue
        found = _come(facts, assignment, disk, allowed=allowed)
        if isinstance(found, AssignedVolume):
            listed.append(found)
        elif isinstance(found, Patch):
            claims.append(found)
        else:
            blocker = blocker or found
    return Change(tuple(claims), tuple(listed), blocker)


def _listed(facts: Facts, assignment: Assignment, disk: DiskFacts) -> AssignedVolume | None:
    """A Volume that the order lists already, with what changed of it since."""
    known = next((v for v in assignment.spec.volumes if v.name == disk.mount.name), None)
    volume = disk.volume
    if known is None:
        return None
    if volume is not None and volume.metadata.uid != known.volume_uid:
        # The disk that a machine boots from is never another one, whatever was done to the object.
        return known if known.volume_uid == assignment.spec.boot_volume_uid else None
    if volume is None:
        return known
    # What it begins as stays as it was told: preparation may be under way.
    told = resolved(facts.instance, disk, volume, known.location)
    # What was told before is never taken back: a Quota may have been made since.
    size = max(known.size_bytes, told.size_bytes)
    return told.model_copy(update={"origin": _origin(known, disk), "size_bytes": size})


def _origin(known: AssignedVolume, disk: DiskFacts) -> AssignedOrigin | None:
    """But for whose guest has that now."""
    told, source = known.origin, disk.origin
    if told is None or source is None or disk.volume is None or created(disk.volume):
        return told
    if told.volume_uid != source.metadata.uid:
        return told
    return told.model_copy(update={"held_by": held_elsewhere(source)})


def _come(
    facts: Facts, assignment: Assignment, disk: DiskFacts, *, allowed: bool
) -> AssignedVolume | Patch[Volume] | Blocker | None:
    """A Volume that the order does not list: attached already, to be attached now, or why it cannot be."""
    spec, volume = assignment.spec, disk.volume
    stop = blocked(facts.instance, disk) or _elsewhere(facts.instance, assignment, volume)
    if stop is not None or not allowed:
        return stop
    if volume is None or disk.volume_class is None or spec.node_name is None:
        raise AssertionError
    meta = volume.metadata
    where = locate(volume, disk.volume_class, facts.node)
    if where is None:
        pool, what = needed_pool(volume, disk.volume_class), named("Volume", meta.namespace, meta.name)
        name = pool.name if pool is not None else ""
        message = f"the data of {what} is in shared pool {name}, which {spec.node_name} does not have"
        return Blocker("VolumeElsewhere", message)
    origin = origins.resolve(disk, facts.answers)
    if isinstance(origin, Blocker):
        return origin
    if origin is not None and origin.pin is not None and origin.pin.node != spec.node_name:
        message = f"{origin.pin.what} is on {origin.pin.node}, and the Instance on {spec.node_name}"
        return Blocker("VolumeElsewhere", message)
    held = held_by(facts.instance, volume)
    new = held is not None and held.instance_generation == facts.instance.metadata.generation
    if new and holds(facts.instance, volume, spec.node_name) and pinned(volume) is not None:
        return resolved(facts.instance, disk, volume, where, origin)
    # Also a claim that is there already: another operator, which knows an older Instance, may be about to free it.
    return claim(facts.instance, disk, where, spec.node_name, spec.pool_id, origin, renew=True)


def _elsewhere(instance: Instance, assignment: Assignment, volume: Volume | None) -> Blocker | None:
    spec = assignment.spec
    pin = home(instance, volume, pinned(volume)) if volume is not None else None
    if pin is None:
        return None
    if pin.node != spec.node_name:
        message = f"the data of {pin.what} is on {pin.node}, and the Instance on {spec.node_name}"
        return Blocker("VolumeElsewhere", message)
    if pin.pool_id != spec.pool_id:
        message = f"the data of {pin.what} is in another data pool of {spec.node_name} than the Instance's"
        return Blocker("VolumeElsewhere", message)
    return None


def leaving(facts: Facts) -> tuple[Volume, ...]:
    """Volumes that are attached to the Instance, and that it does not list any more."""
    wanted = {disk.volume.metadata.uid for disk in facts.disks if disk.volume is not None}
    return tuple(volume for volume in facts.used_volumes if volume.metadata.uid not in wanted)


def outdated(facts: Facts, assignment: Assignment) -> bool:
    """Whether a Volume is to be let go, and the order does not say yet that it follows this Instance.

    Only then can no other operator list the Volume again by what it knew before.
    """
    return bool(leaving(facts)) and assignment.spec.instance_generation < facts.instance.metadata.generation


def released(facts: Facts, assignment: Assignment) -> tuple[Patch[Volume], ...]:
    """Free what no domain has any more."""
    if assignment.spec.instance_generation < facts.instance.metadata.generation:
        return ()
    made = assignment.status.created_volumes if assignment.status else []
    return tuple(
        detach(facts.instance, volume, record(volume, facts.now) if volume.metadata.uid in made else None)
        for volume in leaving(facts)
        if _let_go(assignment, volume.metadata.uid)
    )


def _let_go(assignment: Assignment, uid: str) -> bool:
    if any(volume.volume_uid == uid for volume in assignment.spec.volumes):
        return False
    if assignment.spec.node_name is None:
        return True
    said = answer(assignment)
    return (
        said is not None
        and said.observed_generation == assignment.metadata.generation
        and all(volume.volume_uid != uid for volume in said.attached_volumes)
    )


def ready(facts: Facts, assignment: Assignment, blocker: Blocker | None) -> Condition | None:
    """VolumesReady while a Volume comes or goes; None where the node's own word is all there is to say."""
    if blocker is not None:
        return false(TYPE, blocker.reason, blocker.message)
    node, said = assignment.spec.node_name, answer(assignment)
    reported = find(said.conditions, TYPE) if said is not None else None
    detail = reported if reported is not None and reported.status is Truth.FALSE else None
    for volume in leaving(facts):
        what = named("Volume", volume.metadata.namespace, volume.metadata.name)
        why = f": {detail.message}" if detail is not None and detail.message else ""
        return false(TYPE, detail.reason if detail else "Detaching", f"{node} detaches {what}{why}")
    if said is None or said.state is not State.RUNNING or assignment.spec.desired is not Desired.RUNNING:
        return None
    has = {volume.volume_uid for volume in said.attached_volumes}
    for disk in facts.disks:
        if disk.volume is not None and disk.volume.metadata.uid not in has:
            what = named("Volume", disk.volume.metadata.namespace, disk.volume.metadata.name)
            why = f": {detail.message}" if detail is not None and detail.message else ""
            return false(TYPE, detail.reason if detail else "Attaching", f"{node} attaches {what}{why}")
    return None
