"""Port: the identity that a user asked for, claimed; released when the Port goes. Pure.

Ports that Orlop makes for an Instance are planned with that Instance; here is only what outlives it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from orlop_api.assignment import AssignedNic
from orlop_api.claim import Claim
from orlop_api.condition import Condition, find, is_true
from orlop_api.instance import FINALIZER
from orlop_api.network import Network
from orlop_api.nic_addresses import addresses_of
from orlop_operator.ipam import pair_why_not
from orlop_operator.ipam6 import subnet4
from orlop_operator.kinds import PORT, OwnedPort
from orlop_operator.reconcile import patience
from orlop_operator.reconcile.addresses import again_after, identify
from orlop_operator.reconcile.conditions import differs, false, kstatus, settled, true
from orlop_operator.reconcile.counting import EXCEEDED, UNLIMITED, Standing
from orlop_operator.reconcile.effects import Body, Delete, DropFinalizer, Effect, Patch, Plan
from orlop_operator.reconcile.guarding import Groups, in_force
from orlop_operator.reconcile.holding import Holder, Taken
from orlop_operator.reconcile.instance.facts import Blocker, external, named
from orlop_operator.reconcile.quarantine import given_back


@dataclass(frozen=True)
class PortFacts:
    """The Port and what it depends on."""

    port: OwnedPort
    now: datetime
    network: Network | None = None
    claims: Mapping[str, Claim] = field(default_factory=dict)
    """Claims of the Network."""
    held: Mapping[str, Claim] = field(default_factory=dict)
    """Claims that this Port holds."""
    claimed: frozenset[str] = frozenset()
    """Claims that somebody is just creating."""
    user_is_gone: bool = False
    """The Instance that it is bound to, or was made for, does not exist, by an uncached read."""
    groups: Groups = field(default_factory=dict)
    """The SecurityGroups that it lists, or `default` where it lists none; those that exist."""
    standing: Standing = UNLIMITED
    """With the Quota of its namespace."""


def status_of(port: OwnedPort, nic: AssignedNic, ready: Condition, now: datetime) -> Body:
    """The status of a Port with this identity, without the binding and the SecurityGroups."""
    old = port.status.conditions if port.status else []
    return {
        "observedGeneration": port.metadata.generation,
        "networkUID": nic.network_uid,
        "segmentID": nic.segment_id,
        "macAddress": nic.mac_address,
        "addresses": addresses_of(nic),
        "conditions": [c.wire() for c in settled(old, [ready], port.metadata.generation, now)],
    }


def plan_port(facts: PortFacts) -> Plan:
    """What this Port wants now."""
    port = facts.port
    if port.metadata.deleting:
        return _release(facts)
    binding = port.status.binding if port.status else None
    if facts.user_is_gone:
        if port.owner_uid is not None:
            return Plan((Delete(PORT, port),))
        if binding is not None:
            return Plan((Patch(PORT, port, {"status": {"binding": None}}, "status"),))
    if port.owner_uid is not None:
        return Plan()
    there = port.status is not None and bool(port.status.addresses)
    if facts.standing.is_open and not there:
        return Plan()
    found = Blocker(EXCEEDED, facts.standing.why) if facts.standing.why and not there else _claim(facts)
    if isinstance(found, tuple):
        return Plan(found)
    return _say(facts, found)


def _claim(facts: PortFacts) -> tuple[Effect, ...] | Blocker | Body:
    """Claims to make; or what is in the way; or the identity, as status fields."""
    port, network = facts.port, facts.network
    what = named("Network", port.metadata.namespace, port.spec.network_ref.name)
    if network is None:
        return Blocker("NetworkNotFound", f"{what} does not exist")
    if network.is_external:
        return Blocker("NetworkIsExternal", external(what))
    if network.metadata.deleting:
        return Blocker("NetworkNotReady", f"{what} is being deleted")
    if (
        network.status is None
        or network.status.segment_id is None
        or not is_true(network.status.conditions, "Ready")
    ):
        ready = find(network.status.conditions, "Ready") if network.status else None
        return Blocker("NetworkNotReady", f"{what} is not ready{f': {ready.message}' if ready else ''}")
    first = subnet4(network)
    if first is None and port.spec.allowed_address_pairs:
        return Blocker(
            "AddressPairInvalid", f"allowedAddressPairs are of IPv4, and {what} has none: leave them out"
        )
    for pair in port.spec.allowed_address_pairs:
        problem = pair_why_not(first, pair.address) if first is not None else None
        if problem is not None:
            return Blocker("AddressPairInvalid", f"allowedAddressPairs: {problem} of {what}")
    holder = Holder(port.metadata.namespace, port.metadata.name, port.metadata.uid)
    identity = identify(
        network,
        holder,
        Taken(facts.claims, facts.claimed),
        address=port.spec.address,
        mac=port.spec.mac_address,
        ipv6=port.spec.ipv6_address,
    )
    if isinstance(identity, Blocker):
        return identity
    if identity.missing:
        return identity.claiming()
    guarded = _guarded(facts)
    if isinstance(guarded, Blocker):
        return guarded
    return {
        "networkUID": network.metadata.uid,
        "segmentID": network.status.segment_id,
        "macAddress": identity.mac,
        "addresses": identity.addresses,
        "securityGroups": guarded,
    }


def _guarded(facts: PortFacts) -> list[str] | Blocker:
    """Uids of the SecurityGroups in force."""
    port = facts.port
    known = (port.status.security_groups if port.status else None) or ()
    return in_force(port.metadata.namespace, port.spec.security_group_refs, facts.groups, known)


def _still_guarded(facts: PortFacts) -> Body:
    """The same as status fields, of a Port that a guest may have whatever else is wrong with it, its deletion too."""
    status = facts.port.status
    if facts.port.owner_uid is not None or status is None or not status.addresses:
        return {}
    guarded = _guarded(facts)
    return {} if isinstance(guarded, Blocker) else {"securityGroups": guarded}


def _say(facts: PortFacts, found: Blocker | Body) -> Plan:
    port = facts.port
    identity: Body
    if isinstance(found, Blocker):
        ready, identity = false("Ready", found.reason, found.message), _still_guarded(facts)
    else:
        ready = true("Ready", "Claimed", f"{found['addresses'][0]} is claimed")
        identity = found
    again = again_after(found) if isinstance(found, Blocker) else None
    old: dict[str, Any] = port.status.wire() if port.status else {}
    known = port.status.conditions if port.status else []
    conditions = settled(
        known, [*kstatus(ready), *facts.standing.conditions], port.metadata.generation, facts.now
    )
    change = {
        "observedGeneration": port.metadata.generation,
        **identity,
        "conditions": [c.wire() for c in conditions],
    }
    if differs(old, old | change):
        return Plan((Patch(PORT, port, {"status": change}, "status"),), again)
    return Plan(again_after=again)


def _release(facts: PortFacts) -> Plan:
    """Deletion: wait for the Instance, then give the Claims back.

    Where both are deleted at once, as with their namespace, the Instance frees the Port within a moment: what would be
    said before that only gets in its way.
    """
    port = facts.port
    if FINALIZER not in port.metadata.finalizers:
        return Plan()
    binding = port.status.binding if port.status else None
    if not facts.user_is_gone and (binding is not None or port.owner_uid is not None):
        user = binding.instance_name if binding else "that it was made for"
        ready = false("Ready", "InUse", f"being deleted; waits until Instance {user} is gone")
        conditions = settled(
            port.status.conditions if port.status else [], kstatus(ready), port.metadata.generation, facts.now
        )
        early = patience.left(port.metadata, facts.now)
        said = {} if early else {"conditions": [c.wire() for c in conditions]}
        change = said | _still_guarded(facts)
        old: dict[str, Any] = port.status.wire() if port.status else {}
        is_news = differs(old, old | change)
        return Plan((Patch(PORT, port, {"status": change}, "status"),) if is_news else (), early or None)
    if facts.held:
        networks = {facts.network.metadata.uid: facts.network} if facts.network is not None else {}
        return Plan(given_back(facts.held.values(), networks, facts.now))
    return Plan((DropFinalizer(PORT, port),))
