"""A Volume that is to grow: what the node is asked for, and what is said meanwhile. Pure."""

from __future__ import annotations

from orlop_api.quantity import rounded
from orlop_api.storage import StorageAction, StorageOrder
from orlop_api.volume import Volume
from orlop_api.volume_class import VolumeLocation
from orlop_operator.reconcile.location import holders, who_has


def expansion(volume: Volume, where: VolumeLocation, size: int) -> StorageOrder:
    """For the data of a Volume that nobody has."""
    return StorageOrder(uid=volume.metadata.uid, action=StorageAction.EXPAND, location=where, size_bytes=size)


def growth(volume: Volume, size: int) -> tuple[str, str]:
    """Reason and message while a device that is attached is smaller than it shall be."""
    nodes = sorted({held.node_name for held in holders(volume)})
    message = f"{rounded(size)} grow to {volume.spec.size} on {' and '.join(nodes)}, by {who_has(volume)}"
    return "Growing", f"{message}; {'its' if len(holders(volume)) < 2 else 'their'} VolumesReady says more"
