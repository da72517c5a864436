"""Router: which of its Networks are joined, and which routes hold; what is not says why. Pure.

A Network is in one Router: whoever created the Claim that is named after it has it. Agents route by the status, so
what goes is taken out there first, and given up then.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network, ip_network

from orlop_api.claim import CLAIM_NAMESPACE, Claim, ClaimType, router_claim
from orlop_api.condition import Condition, find, is_true
from orlop_api.instance import FINALIZER
from orlop_api.network import Network
from orlop_api.router import JoinedIpv6, JoinedNetwork, Router, RouterRoute, UnroutedRouter
from orlop_api.subnet_options import AssignedRoute
from orlop_operator.ipam import gateway
from orlop_operator.ipam6 import gateway6, subnet4, subnet6
from orlop_operator.kinds import CLAIM, ROUTER
from orlop_operator.reconcile.conditions import differs, false, kstatus, settled, true
from orlop_operator.reconcile.effects import Create, Delete, DropFinalizer, Effect, InOrder, Plan, Report
from orlop_operator.reconcile.holding import Holder, claim_body
from orlop_operator.reconcile.instance.facts import Blocker, external, named


@dataclass(frozen=True)
class RouterFacts:
    """The Router and what it depends on."""

    router: Router
    now: datetime
    networks: Mapping[str, Network] = field(default_factory=dict)
    """Those that it names and that exist, by name."""
    claims: Mapping[str, Claim] = field(default_factory=dict)
    """Who has those Networks, by the Claim's name."""
    held: Mapping[str, Claim] = field(default_factory=dict)
    """What this Router has."""
    used: Collection[str] = ()
    """Names of those Networks that have Ports."""
    failing: Mapping[str, UnroutedRouter] = field(default_factory=dict)
    """What nodes say that cannot have it as it shall be, by the node."""


@dataclass
class _Found:
    joined: list[JoinedNetwork] = field(default_factory=list)
    routes: list[AssignedRoute] = field(default_factory=list)
    missing: list[Effect] = field(default_factory=list)
    blockers: list[Blocker] = field(default_factory=list)


def plan_router(facts: RouterFacts) -> Plan:
    """What this Router wants now."""
    router = facts.router
    if router.metadata.deleting:
        if FINALIZER not in router.metadata.finalizers:
            return Plan()
        gone = tuple(Delete(CLAIM, claim) for claim in facts.held.values())
        return Plan(gone or (DropFinalizer(ROUTER, router),))
    found = _Found()
    for name in (ref.name for ref in router.spec.networks):
        one = _join(facts, name, found.joined)
        if isinstance(one, Blocker):
            found.blockers.append(one)
            continue
        found.joined.append(one)
        if router_claim(one.network_uid) not in facts.claims:
            found.missing.append(_claim(router, one.network_uid))
    if found.missing:
        return Plan(tuple(found.missing))
    for route in router.spec.routes:
        problem = _why_not(route, found.joined)
        if problem is not None:
            found.blockers.append(Blocker("RouteInvalid", f"route {route.destination}: {problem}"))
        else:
            found.routes.append(AssignedRoute(destination=route.destination, via=route.via))
    mine = {router_claim(each.network_uid) for each in found.joined}
    said = _say(facts, found)
    left = tuple(Delete(CLAIM, claim) for name, claim in facts.held.items() if name not in mine)
    return Plan((InOrder((*said, *left)),) if left else said)


def _join(facts: RouterFacts, name: str, before: Collection[JoinedNetwork]) -> JoinedNetwork | Blocker:
    meta = facts.router.metadata
    what, network = named("Network", meta.namespace, name), facts.networks.get(name)
    if network is None:
        return Blocker("NetworkNotFound", f"{what} does not exist")
    if network.is_external:
        return Blocker("NetworkIsExternal", external(what))
    if network.is_on_physical:
        kind = network.spec.segment.type
        return Blocker(
            "NetworkOnPhysical",
            f"{what} has segment.type {kind}: its own router leads to others; a Router joins Overlay Networks",
        )
    uid, status = network.metadata.uid, network.status
    claim = facts.claims.get(router_claim(uid))
    is_mine = claim is not None and claim.spec.holder.uid == meta.uid
    if claim is not None and not is_mine:
        other = named(claim.spec.holder.kind, claim.spec.holder.namespace, claim.spec.holder.name)
        return Blocker("NetworkInUse", f"{what} is joined by {other}: a Network is in one Router")
    if network.metadata.deleting:
        if not is_mine or name not in facts.used:
            return Blocker("NetworkNotReady", f"{what} is being deleted")
        # Guests that it waits for go on as they did.
        is_ready = True
    else:
        is_ready = status is not None and is_true(status.conditions, "Ready")
    if not is_ready or status is None or status.segment_id is None:
        ready = find(status.conditions, "Ready") if status else None
        return Blocker("NetworkNotReady", f"{what} is not ready{f': {ready.message}' if ready else ''}")
    first, second = subnet4(network), subnet6(network)
    joined = JoinedNetwork(
        name=name,
        network_uid=uid,
        segment_id=status.segment_id,
        cidr=first.cidr if first is not None else None,
        gateway=gateway(first) if first is not None else None,
        ipv6=None if second is None else JoinedIpv6(cidr=second.cidr, gateway=gateway6(second)),
        mtu=status.mtu or 1450,
    )
    overlap = next((found for other_one in before if (found := _overlap(other_one, joined))), None)
    return Blocker("SubnetsOverlap", overlap) if overlap is not None else joined


def _overlap(one: JoinedNetwork, other: JoinedNetwork) -> str | None:
    """Which subnets of the two overlap, of either family."""
    for cidr in _subnets(one):
        for another in _subnets(other):
            first, second = ip_network(cidr), ip_network(another)
            if first.version == second.version and first.overlaps(second):
                return (
                    f"subnets of Network {one.name} ({cidr}) and Network {other.name} ({another})"
                    " overlap: a Router joins Networks whose subnets are apart"
                )
    return None


def _subnets(joined: JoinedNetwork) -> list[str]:
    found = (joined.cidr, joined.ipv6.cidr if joined.ipv6 is not None else None)
    return [cidr for cidr in found if cidr is not None]


def _why_not(route: RouterRoute, joined: Collection[JoinedNetwork]) -> str | None:
    destination, via = IPv4Network(route.destination), IPv4Address(route.via)
    # Routes are of IPv4: Networks of IPv6 alone have no part in them.
    subnets = [(each, IPv4Network(each.cidr)) for each in joined if each.cidr is not None]
    for each, subnet in subnets:
        if destination.overlaps(subnet):
            return (
                f"it overlaps Network {each.name} ({each.cidr}): routes lead out of all the Router's Networks"
            )
    home = next(((each, subnet) for each, subnet in subnets if via in subnet), None)
    if home is None:
        return f"{via} is on none of the Networks that are joined"
    network, subnet = home
    if str(via) == network.gateway or via in {subnet.network_address, subnet.broadcast_address}:
        return f"{via} is no Port's address: a Port of Network {network.name} takes what is sent there"
    return None


def _claim(router: Router, network_uid: str) -> Create[Claim]:
    meta = router.metadata
    holder = Holder(meta.namespace, meta.name, meta.uid)
    body = claim_body(router_claim(network_uid), ClaimType.ROUTER, network_uid, network_uid, holder)
    return Create(CLAIM, body, CLAIM_NAMESPACE)


def _routing(facts: RouterFacts) -> list[Condition]:
    """Where it is not as it shall be; nothing where all nodes have it."""
    if not facts.failing:
        return []
    node = min(facts.failing)
    first, others = facts.failing[node], len(facts.failing) - 1
    more = f" ({others} other nodes fail too)" if others else ""
    return [false("Routing", first.reason or "Failed", f"on node {node}: {first.message}{more}")]


def _say(facts: RouterFacts, found: _Found) -> tuple[Effect, ...]:
    router, old = facts.router, facts.router.status
    if found.blockers:
        ready = false("Ready", found.blockers[0].reason, found.blockers[0].message)
    else:
        ready = true(
            "Ready",
            "Joined",
            f"{len(found.joined)} Networks are joined, {len(found.routes)} static routes hold",
        )
    generation = router.metadata.generation
    made = [*kstatus(ready), *_routing(facts)]
    conditions = settled(old.conditions if old else [], made, generation, facts.now)
    status = {
        "observedGeneration": generation,
        "networks": [each.wire() for each in found.joined],
        "routes": [each.wire() for each in found.routes],
        "conditions": [c.wire() for c in conditions],
    }
    return (Report(ROUTER, router, status),) if differs(old.wire() if old else None, status) else ()
