"""Network: a segment number that nobody else has, an MTU, and an end after its Ports. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from orlop_api.claim import CLAIM_NAMESPACE, Claim, ClaimType, segment_claim
from orlop_api.condition import Condition
from orlop_api.instance import FINALIZER
from orlop_api.network import Egress, Network
from orlop_operator.ipam import OVERHEAD, next_segment
from orlop_operator.ipam6 import subnet4
from orlop_operator.kinds import CLAIM, NETWORK
from orlop_operator.reconcile import lan
from orlop_operator.reconcile.conditions import differs, false, kstatus, settled, true
from orlop_operator.reconcile.effects import Body, Create, Delete, DropFinalizer, Plan, Report
from orlop_operator.reconcile.holding import Holder, claim_body
from orlop_operator.reconcile.instance.facts import Blocker, several
from orlop_operator.scheduling import Host

UNDERLAY_MTU = 1500
"""What is assumed while no hypervisor has said its own."""
_AT_ONCE, _MOMENT = 32, 0.5
"""Claims that a deleted Network gives up at once, and seconds until the next ones."""


@dataclass(frozen=True)
class NetworkFacts:
    """The Network and what it depends on."""

    network: Network
    now: datetime
    held: Mapping[str, Claim] = field(default_factory=dict)
    """Claims that the Network itself holds."""
    segments: Collection[str] = ()
    """Segment numbers that are claimed, or being claimed, by anybody."""
    underlay_mtus: Collection[int] = ()
    ports: Collection[str] = ()
    """Names of its Ports."""
    freed: Collection[Claim] = ()
    """Claims on its addresses that nobody holds any more."""
    router: str | None = None
    """The Router that it is in."""
    floating: Collection[str] = ()
    """Names of FloatingIPs that are of it."""
    lan: Claim | None = None
    """Whose the VLAN is that it is on, or what is untagged there."""
    hosts: Collection[Host] = ()
    """All nodes, for one that is on a physical network."""


def plan_network(facts: NetworkFacts) -> Plan:
    """What this Network wants now."""
    network = facts.network
    if network.metadata.deleting:
        return _end(facts)
    if network.is_external:
        where = network.spec.segment.physical_network
        return _say(
            facts, true("Ready", "External", f"FloatingIPs have addresses of physical network {where}"), {}
        )
    if network.is_on_physical:
        taken = lan.claimed(network, facts.lan)
        if isinstance(taken, Blocker):
            return _say(facts, false("Ready", taken.reason, taken.message), {})
        if taken is not None:
            return Plan((Create(CLAIM, taken, CLAIM_NAMESPACE),))
    segment = next((c for c in facts.held.values() if c.spec.type is ClaimType.SEGMENT), None)
    if segment is None:
        return _claim(facts)
    if network.is_on_physical:
        mtu = lan.mtu(network, facts.hosts, has_ports=bool(facts.ports))
        ready = true("Ready", "Allocated", lan.said(network, facts.hosts, mtu))
    else:
        known = network.status.mtu if network.status else None
        mtu = network.spec.mtu or known or min(facts.underlay_mtus, default=UNDERLAY_MTU) - OVERHEAD
        ready = true("Ready", "Allocated", f"segment {segment.spec.value}, MTU {mtu}{_no_way_out(network)}")
    return _say(facts, ready, {"segmentID": int(segment.spec.value), "mtu": mtu})


def _no_way_out(network: Network) -> str:
    """What is said where egress, NAT by default, cannot hold."""
    has_none = network.spec.egress is Egress.NAT and subnet4(network) is None
    return "; there is no way out: egress NAT is by IPv4" if has_none else ""


def _claim(facts: NetworkFacts) -> Plan:
    meta = facts.network.metadata
    number = next_segment(facts.segments)
    if number is None:
        return _say(facts, false("Ready", "NoFreeSegment", "every segment number is taken"), {})
    holder = Holder(meta.namespace, meta.name, meta.uid)
    body = claim_body(segment_claim(number), ClaimType.SEGMENT, str(number), meta.uid, holder)
    return Plan((Create(CLAIM, body, CLAIM_NAMESPACE),))


def _end(facts: NetworkFacts) -> Plan:
    network = facts.network
    if FINALIZER not in network.metadata.finalizers:
        return Plan()
    routers = (facts.router,) if facts.router else ()
    users = {"Port": facts.ports, "Router": routers, "FloatingIP": facts.floating}
    user = next((f"{kind} {several(names)}" for kind, names in users.items() if names), None)
    if user is not None:
        status = network.status
        kept: Body = (
            {"segmentID": status.segment_id, "mtu": status.mtu} if status and status.segment_id else {}
        )
        return _say(facts, false("Ready", "InUse", f"being deleted; waits for {user}"), kept)
    if facts.held or facts.freed:
        freed = (Delete(CLAIM, claim, unchanged=True) for claim in facts.freed)
        ends = [*freed, *(Delete(CLAIM, claim) for claim in facts.held.values())]
        # The others a moment later: thousands at once would leave no connection to whoever else needs one.
        return Plan(tuple(ends[:_AT_ONCE]), _MOMENT if ends[_AT_ONCE:] else None, final=bool(ends[_AT_ONCE:]))
    return Plan((DropFinalizer(NETWORK, network),))


def _say(facts: NetworkFacts, ready: Condition, found: Body) -> Plan:
    network = facts.network
    generation, old = network.metadata.generation, network.status
    conditions = settled(old.conditions if old else [], kstatus(ready), generation, facts.now)
    status = {
        "observedGeneration": generation,
        **found,
        "conditions": [c.wire() for c in conditions],
    }
    if not differs(old.wire() if old else None, status):
        return Plan()
    return Plan((Report(NETWORK, network, status),))
