"""FloatingIP: an address of an external Network, claimed, and the Port that it leads to, or what is in the way. Pure.

A Port has one FloatingIP: whichever created the Claim that is named after the Port. Agents announce by the status, so
what goes is taken out there first, and given up then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network

from orlop_api.claim import CLAIM_NAMESPACE, Claim, ClaimType, address_claim, floating_claim
from orlop_api.condition import Condition, find, is_true
from orlop_api.floating_ip import FloatingIP, FloatingTarget
from orlop_api.hypervisor import Hypervisor
from orlop_api.instance import FINALIZER
from orlop_api.network import Egress, Network, Subnet
from orlop_operator.ipam6 import subnet4
from orlop_operator.kinds import CLAIM, FLOATING_IP, OwnedPort
from orlop_operator.reconcile.addresses import address_for
from orlop_operator.reconcile.conditions import differs, false, kstatus, settled, true
from orlop_operator.reconcile.counting import EXCEEDED, UNLIMITED, Standing
from orlop_operator.reconcile.effects import (
    Body,
    Create,
    Delete,
    DropFinalizer,
    Effect,
    InOrder,
    Plan,
    Report,
)
from orlop_operator.reconcile.holding import Holder, Taken, claim_body
from orlop_operator.reconcile.instance.facts import Blocker, named
from orlop_operator.reconcile.quarantine import given_back


@dataclass(frozen=True)
class FloatingFacts:
    """The FloatingIP and what it depends on."""

    floating: FloatingIP
    now: datetime
    network: Network | None = None
    """The external one."""
    taken: Taken = field(default_factory=lambda: Taken({}))
    """Claims of that Network, and those that somebody is just creating."""
    held: Mapping[str, Claim] = field(default_factory=dict)
    """Claims that this FloatingIP holds."""
    port: OwnedPort | None = None
    inside: Network | None = None
    """The Port's Network."""
    port_claim: Claim | None = None
    """Who leads to the Port."""
    node: Hypervisor | None = None
    """The node that the Port is bound to."""
    standing: Standing = UNLIMITED
    """With the Quota of its namespace."""


def plan_floating_ip(facts: FloatingFacts) -> Plan:
    """What this FloatingIP wants now."""
    if facts.floating.metadata.deleting:
        return _release(facts)
    if not facts.standing.reserved and not facts.held:
        why = facts.standing.why
        return _say(facts, {}, false("Ready", EXCEEDED, why), {}) if why else Plan()
    network = _network(facts)
    if isinstance(network, Blocker):
        return _say(facts, {}, false("Ready", network.reason, network.message), _led(facts))
    meta = facts.floating.metadata
    holder = Holder(meta.namespace, meta.name, meta.uid, FLOATING_IP.name)
    address = _address(facts, network, holder)
    if isinstance(address, Blocker):
        return _say(facts, {}, false("Ready", address.reason, address.message), _led(facts))
    name = address_claim(network.metadata.uid, address)
    if name not in facts.held:
        body = claim_body(name, ClaimType.ADDRESS, address, network.metadata.uid, holder)
        old, create = facts.taken.claims.get(name), Create(CLAIM, body, CLAIM_NAMESPACE)
        resting = old is not None and not old.is_held
        return Plan(
            (InOrder((Delete(CLAIM, old, unchanged=True), create)),) if old and resting else (create,)
        )
    found: Body = {
        "address": address,
        "networkUID": network.metadata.uid,
        "physicalNetwork": network.spec.segment.physical_network,
    }
    if facts.floating.spec.port_ref is None:
        return _say(facts, found, true("Ready", "Reserved", f"{address} is reserved"), _led(facts))
    target = _target(facts, network)
    if isinstance(target, Blocker):
        return _say(facts, found, false("Ready", target.reason, target.message), _led(facts))
    claim = floating_claim(target.uid)
    if facts.port_claim is None:
        body = claim_body(claim, ClaimType.FLOATING, target.uid, network.metadata.uid, holder)
        return Plan((Create(CLAIM, body, CLAIM_NAMESPACE),))
    ready, node = _where(facts, network, address, target)
    found |= {"target": target.wire()} | ({"nodeName": node} if node is not None else {})
    return _say(facts, found, ready, {n: c for n, c in _led(facts).items() if n != claim})


def _led(facts: FloatingFacts) -> dict[str, Claim]:
    """Ports that it has."""
    return {name: claim for name, claim in facts.held.items() if claim.spec.type is ClaimType.FLOATING}


def _network(facts: FloatingFacts) -> Network | Blocker:
    ref, network = facts.floating.spec.network_ref, facts.network
    what = named("Network", ref.namespace or facts.floating.metadata.namespace, ref.name)
    if network is None:
        return Blocker("NetworkNotFound", f"{what} does not exist")
    if not network.is_external:
        return Blocker(
            "NetworkNotExternal",
            f"{what} is not external: FloatingIPs are of Networks with segment.type Flat",
        )
    if network.metadata.deleting:
        # What has an address goes on: the Network waits for it.
        return network if facts.held else Blocker("NetworkNotReady", f"{what} is being deleted")
    if network.status is None or not is_true(network.status.conditions, "Ready"):
        return Blocker("NetworkNotReady", f"{what} is not ready")
    return network


def _address(facts: FloatingFacts, network: Network, holder: Holder) -> str | Blocker:
    wanted, subnet = facts.floating.spec.address, network.spec.subnets[0]
    if wanted is not None and not _in_pools(subnet, wanted):
        pools = ", ".join(f"{pool.start} to {pool.end}" for pool in subnet.pools)
        what = named("Network", network.metadata.namespace, network.metadata.name)
        return Blocker("AddressInvalid", f"{what}: {wanted} is not in its pools ({pools})")
    return address_for(network, subnet, holder, facts.taken, wanted)


def _in_pools(subnet: Subnet, address: str) -> bool:
    number = IPv4Address(address)
    return any(IPv4Address(pool.start) <= number <= IPv4Address(pool.end) for pool in subnet.pools)


def _target(facts: FloatingFacts, network: Network) -> FloatingTarget | Blocker:
    ref, home, port, inside = (
        facts.floating.spec.port_ref, facts.floating.metadata.namespace, facts.port, facts.inside
    )  # fmt: skip
    what = named("Port", home, ref.name if ref else "")
    if port is None:
        return Blocker("PortNotFound", f"{what} does not exist")
    if port.metadata.deleting:
        return Blocker("PortNotReady", f"{what} is being deleted")
    status = port.status
    first = subnet4(inside) if inside is not None else None
    if inside is not None and first is None:
        of = named("Network", home, inside.metadata.name)
        return Blocker(
            "NoIPv4Address",
            f"{of} of {what} has IPv6 alone: a floating address is of IPv4, and leads to a Port with one",
        )
    fixed = next((a for a in (status.addresses if status else ()) if ":" not in a), None)
    if (
        inside is None
        or first is None
        or status is None
        or fixed is None
        or not status.segment_id
        or not status.network_uid
    ):
        ready = find(status.conditions, "Ready") if status else None
        return Blocker("PortNotReady", f"{what} is not ready{f': {ready.message}' if ready else ''}")
    of = named("Network", home, inside.metadata.name)
    if inside.is_on_physical:
        return Blocker(
            "NetworkOnPhysical",
            f"{of} of {what} has segment.type {inside.spec.segment.type}: machines there reach its Ports by their"
            " own addresses; FloatingIPs lead to Ports of Overlay Networks",
        )
    if inside.spec.egress is not Egress.NAT:
        return Blocker(
            "EgressDisabled", f"{of} of {what} has egress None: a floating address needs egress NAT"
        )
    ours, theirs = network.spec.subnets[0].cidr, first.cidr
    if IPv4Network(ours).overlaps(IPv4Network(theirs)):
        return Blocker(
            "SubnetsOverlap",
            f"{of} ({theirs}) overlaps the external subnet {ours}: its guests could not tell who is outside",
        )
    claim = facts.port_claim
    if claim is not None and claim.spec.holder.uid != facts.floating.metadata.uid:
        other = named(claim.spec.holder.kind, claim.spec.holder.namespace, claim.spec.holder.name)
        return Blocker("PortInUse", f"{what} has {other}: a Port has one FloatingIP at a time")
    return FloatingTarget(
        name=port.metadata.name,
        uid=port.metadata.uid,
        network_uid=status.network_uid,
        segment_id=status.segment_id,
        address=fixed,
    )


def _where(
    facts: FloatingFacts, network: Network, address: str, target: FloatingTarget
) -> tuple[Condition, str | None]:
    """The node that announces it, where there is one, and what is to be said of that."""
    status = facts.port.status if facts.port is not None else None
    node = status.binding.node_name if status is not None and status.binding is not None else None
    led = f"{address} leads to Port {target.name} ({target.address})"
    if node is None:
        return true("Ready", "Associated", f"{led}, which no Instance has"), None
    wanted, host = network.spec.segment.physical_network, facts.node
    known = host.status.physical_networks if host is not None and host.status is not None else []
    if wanted not in known:
        return false(
            "Ready",
            "PhysicalNetworkMissing",
            f"{node} has no physical network {wanted}: its agent finds no interface of that name in"
            " node.physicalNetworks of orlop-config",
        ), node
    return true("Ready", "Associated", f"{led} on {node}"), node


def _release(facts: FloatingFacts) -> Plan:
    floating = facts.floating
    if FINALIZER not in floating.metadata.finalizers:
        return Plan()
    if not facts.held:
        return Plan((DropFinalizer(FLOATING_IP, floating),))
    found: Body = {"address": floating.status.address} if floating.status and floating.status.address else {}
    return _say(facts, found, false("Ready", "Deleting", "being deleted"), facts.held)


def _say(facts: FloatingFacts, found: Body, ready: Condition, left: Mapping[str, Claim]) -> Plan:
    """The status, and after it Claims that are left behind."""
    floating, old = facts.floating, facts.floating.status
    generation = floating.metadata.generation
    conditions = settled(
        old.conditions if old else [], [*kstatus(ready), *facts.standing.conditions], generation, facts.now
    )
    status = {
        "observedGeneration": generation,
        **found,
        "conditions": [c.wire() for c in conditions],
    }
    said: tuple[Effect, ...] = ()
    if differs(old.wire() if old else None, status):
        said = (Report(FLOATING_IP, floating, status),)
    networks = {facts.network.metadata.uid: facts.network} if facts.network is not None else {}
    gone = given_back(left.values(), networks, facts.now)
    return Plan((InOrder((*said, *gone)),) if gone else said)
