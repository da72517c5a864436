"""The public keys that the guest lets in. Pure.

As with Nova they are the Instance's own from when it first has a node: another key under the same name, or none,
changes nothing for it.
"""

from __future__ import annotations

from orlop_api.keypair import AssignedKey
from orlop_api.ssh import public_key
from orlop_operator.reconcile.instance.facts import Blocker, Facts, named


def resolve(facts: Facts) -> tuple[AssignedKey, ...] | Blocker:
    """All keys, or the first blocker."""
    known = {key.name: key for key in facts.assignment.spec.public_keys} if facts.assignment else {}
    keys: list[AssignedKey] = []
    for reference in facts.instance.spec.key_pair_refs:
        pair = facts.key_pairs.get(reference.name)
        what = named("KeyPair", facts.instance.metadata.namespace, reference.name)
        if reference.name in known:
            keys.append(known[reference.name])
        elif pair is None:
            return Blocker("KeyPairNotFound", f"{what} does not exist")
        else:
            try:
                public_key(pair.spec.public_key)
            except ValueError as error:
                return Blocker("KeyPairInvalid", f"{what} cannot be used: {error}")
            keys.append(AssignedKey(name=reference.name, public_key=pair.spec.public_key))
    return tuple(keys)
