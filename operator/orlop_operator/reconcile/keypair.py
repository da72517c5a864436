"""KeyPair: what key it is, or why it is none. Pure, over what the store knows."""

from __future__ import annotations

from datetime import datetime

from orlop_api.keypair import KeyPair
from orlop_api.ssh import public_key
from orlop_operator.kinds import KEY_PAIR
from orlop_operator.reconcile.conditions import differs, false, kstatus, settled, true
from orlop_operator.reconcile.effects import Body, Plan, Report
from orlop_operator.store import Key, Store


def look_at_keypair(store: Store, key: Key, now: datetime) -> Plan | None:
    """What it wants; None where it does not exist."""
    pair = store.get(KEY_PAIR, key.namespace, key.name)
    return plan_keypair(pair, now) if pair is not None else None


def plan_keypair(pair: KeyPair, now: datetime) -> Plan:
    """What this KeyPair wants now."""
    if pair.metadata.deleting:
        return Plan()
    found: Body = {}
    try:
        key = public_key(pair.spec.public_key)
    except ValueError as error:
        ready = false("Ready", "InvalidKey", f"spec.publicKey cannot be used: {error}")
    else:
        found = {"type": key.kind, "fingerprint": key.fingerprint}
        ready = true("Ready", "Read", f"{key.kind} {key.fingerprint}")
    old, generation = pair.status, pair.metadata.generation
    conditions = settled(old.conditions if old else [], kstatus(ready, stalled=True), generation, now)
    status = {"observedGeneration": generation, **found, "conditions": [c.wire() for c in conditions]}
    return Plan((Report(KEY_PAIR, pair, status),)) if differs(old.wire() if old else None, status) else Plan()
