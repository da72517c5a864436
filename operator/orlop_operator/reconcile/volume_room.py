"""Which node keeps the data of a Volume, and the room that it takes there. Pure."""

from __future__ import annotations

from orlop_api.quota import Quota
from orlop_api.volume import Volume
from orlop_operator.reconcile.counting import UNLIMITED, Standing, size_reserved
from orlop_operator.reconcile.location import pinned, served_by
from orlop_operator.reserving import NOTHING
from orlop_operator.scheduling import Usage


def granted(volume: Volume, quota: Quota | None) -> Standing:
    """As much of its standing as its size needs: what the Quota has reserved for it."""
    return UNLIMITED if quota is None else Standing(has=quota.holds.get(volume.metadata.uid, NOTHING).amounts)


def volume_hold(volume: Volume, stands: Standing) -> tuple[str, Usage] | None:
    """Node and usage of a Volume; None while no node keeps its data.

    A size that is only wished for takes nothing: it holds what it has, and more as soon as that is reserved. What a
    node serves to all others is in its data pool too.
    """
    where = pinned(volume)
    server = served_by(where) if where is not None else None
    node = server or (volume.status.node_name if volume.status is not None else None)
    return (node, Usage(disk=size_reserved(volume, stands))) if node is not None else None
