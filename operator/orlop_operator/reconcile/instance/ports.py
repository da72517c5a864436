"""The end of a Port that Orlop made: by its Instance, as long as there is one. Pure."""

from __future__ import annotations

from orlop_api.instance import FINALIZER
from orlop_operator.kinds import PORT, OwnedPort
from orlop_operator.reconcile.effects import Delete, DropFinalizer, Effect, InOrder


def ended(port: OwnedPort) -> Effect:
    """No request more than it takes: one that somebody deleted goes with its finalizer."""
    drop, delete = DropFinalizer(PORT, port), Delete(PORT, port)
    if port.metadata.deleting:
        return drop
    return InOrder((drop, delete)) if FINALIZER in port.metadata.finalizers else delete
