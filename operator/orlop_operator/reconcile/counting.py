"""What objects count for in their namespace's Quota, and how they stand with it. Pure.

All of them are accepted, and have something reserved before they begin: a Volume before its data is made, or grows; a
VolumeSnapshot before it is ordered, a Port and a FloatingIP before an address is claimed, an Image before a node
fetches it. It goes back when the object is gone, and until then is never made less: so whoever acts by a reservation
that it saw late acts by one that is still there. Instances are counted in `instance/quota.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orlop_api.condition import Condition, is_true
from orlop_api.floating_ip import FloatingIP
from orlop_api.image import Image
from orlop_api.quantity import to_bytes
from orlop_api.quota import Hold, Quota
from orlop_api.resource import Metadata
from orlop_api.snapshot import VolumeSnapshot
from orlop_api.volume import Volume
from orlop_operator.kinds import FLOATING_IP, IMAGE, PORT, VOLUME, VOLUME_SNAPSHOT, Kind, OwnedPort
from orlop_operator.reconcile.conditions import false
from orlop_operator.reserving import NOTHING, Amounts, Asker, covers

TYPE = "QuotaReserved"
EXCEEDED = "QuotaExceeded"
KINDS: tuple[Kind[Any], ...] = (VOLUME, VOLUME_SNAPSHOT, PORT, FLOATING_IP, IMAGE)
"""Kinds that count, beside Instances."""
Counted = Volume | VolumeSnapshot | OwnedPort | FloatingIP | Image


@dataclass(frozen=True)
class Standing:
    """How an object stands with its namespace's Quota."""

    reserved: bool = True
    """It has all that it asks for; also where there is no Quota."""
    why: str = ""
    """Why it has not: what is used, asked and allowed. Empty while the Quota is still to be looked at for it, which
    wakes the object."""
    has: Amounts | None = None
    """What is reserved for it; None where nothing has to be."""

    @property
    def is_open(self) -> bool:
        """Whether nothing can be said yet, and nothing done."""
        return not self.reserved and not self.why

    @property
    def conditions(self) -> list[Condition]:
        """What is said on an object beside Ready, while it waits."""
        return [false(TYPE, EXCEEDED, self.why)] if self.why else []


UNLIMITED = Standing()


def standing(quota: Quota | None, asks: Asker | None, refusal: str) -> Standing:
    """Of what asks so; `refusal` is what the Quota's last look said of it."""
    if quota is None or asks is None:
        return UNLIMITED
    hold = quota.holds.get(asks.uid, NOTHING)
    if covers(hold, asks):
        return Standing(has=hold.amounts)
    return Standing(
        reserved=False, why=f"Quota {quota.metadata.name}: {refusal}" if refusal else "", has=hold.amounts
    )


def asker(thing: Counted, quota: Quota, volume: Volume | None = None, behind: str = "") -> Asker | None:
    """What the object asks of the Quota; None where it does not count by itself, or not yet.

    `volume` is what a VolumeSnapshot is of, `behind` what a Volume has to wait for before it may grow.
    """
    match thing:
        case Volume():
            return _asker("Volume", thing.metadata, _volume(thing), _made(thing), behind)
        case VolumeSnapshot():
            wants = _snapshot(thing, volume, quota)
            # What was reserved was for as large as it could be; a copy that is rounded up is no more than that.
            kept = {} if thing.metadata.uid in quota.holds else _kept(thing)
            return _asker("VolumeSnapshot", thing.metadata, wants, kept) if wants else None
        case OwnedPort():
            there = thing.status is not None and bool(thing.status.addresses)
            made = thing.owner_uid is not None  # and counted with its Instance
            return None if made else _asker("Port", thing.metadata, {"ports": 1}, {"ports": int(there)})
        case FloatingIP():
            there = thing.status is not None and thing.status.address is not None
            return _asker("FloatingIP", thing.metadata, {"floating_ips": 1}, {"floating_ips": int(there)})
        case Image():
            there = thing.status is not None and thing.status.digest is not None
            return _asker("Image", thing.metadata, {"images": 1}, {"images": int(there)})


def size_reserved(volume: Volume, stands: Standing) -> int:
    """Bytes that the device may have: spec.size, or less while the Quota has no room for that."""
    size, capacity = to_bytes(volume.spec.size), volume.status.capacity_bytes if volume.status else None
    return size if stands.has is None else min(size, max(stands.has.get("storage", 0), capacity or 0))


def is_being_taken(snapshot: VolumeSnapshot, quota: Quota) -> bool:
    """Whether it is reserved and not taken: its Volume must not grow before, or it would be larger than reserved."""
    return snapshot.metadata.uid in quota.holds and not is_settled(snapshot)


def is_settled(snapshot: VolumeSnapshot) -> bool:
    """Whether it is kept, or was given up."""
    conditions = snapshot.status.conditions if snapshot.status is not None else []
    return is_true(conditions, "Ready") or is_true(conditions, "Stalled")


def _asker(kind: str, meta: Metadata, wants: Amounts, has: Amounts, behind: str = "") -> Asker:
    return Asker(
        uid=meta.uid,
        name=f"{kind} {meta.name}",
        created=meta.creation_timestamp,
        wants={} if meta.deleting else wants,
        has=has,
        behind=behind,
    )


def _volume(volume: Volume) -> Amounts:
    return {"volumes": 1, "storage": to_bytes(volume.spec.size)}


def _made(volume: Volume) -> Amounts:
    """What it uses already; a device that was rounded up counts with what it was asked for."""
    status = volume.status
    if status is None or (status.location is None and not is_true(status.conditions, "Ready")):
        return {}
    return {"volumes": 1, "storage": min(status.capacity_bytes or 0, to_bytes(volume.spec.size))}


def _snapshot(snapshot: VolumeSnapshot, volume: Volume | None, quota: Quota) -> Amounts:
    """Once it has something reserved that stays; before, for as large as its Volume may be by then."""
    kept, held = _kept(snapshot), quota.holds.get(snapshot.metadata.uid)
    if held is not None or kept:
        return held.amounts if held is not None else kept
    status = volume.status if volume is not None else None
    if volume is None or status is None or status.location is None or is_settled(snapshot):
        return {}
    has = quota.holds.get(volume.metadata.uid, Hold()).amounts.get("storage", 0)
    return {
        "volume_snapshots": 1,
        "storage": max(to_bytes(volume.spec.size), has, status.capacity_bytes or 0),
    }


def _kept(snapshot: VolumeSnapshot) -> Amounts:
    status = snapshot.status
    if status is None or status.location is None:
        return {}
    return {"volume_snapshots": 1, "storage": status.size_bytes or 0}
