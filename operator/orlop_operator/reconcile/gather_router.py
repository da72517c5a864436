"""Facts on Routers, from the store."""

from __future__ import annotations

from datetime import datetime

from orlop_api.claim import ClaimType, router_claim
from orlop_operator.kinds import HYPERVISOR, NETWORK, PORT, ROUTER
from orlop_operator.reconcile.effects import Plan, planned
from orlop_operator.reconcile.router import RouterFacts, plan_router
from orlop_operator.store import Key, Store


def look_at_router(store: Store, key: Key, now: datetime) -> Plan | None:
    """What it wants; None where it does not exist."""
    return planned(router_facts(store, key, now), plan_router)


def router_facts(store: Store, key: Key, now: datetime) -> RouterFacts | None:
    """All about a Router."""
    router = store.get(ROUTER, key.namespace, key.name)
    if router is None:
        return None
    found = (store.get(NETWORK, key.namespace, ref.name) for ref in router.spec.networks)
    networks = {network.metadata.name: network for network in found if network is not None}
    names = [router_claim(network.metadata.uid) for network in networks.values()]
    claims = {name: claim for name in names if (claim := store.claim(name)) is not None}
    held = {
        name: claim
        for name, claim in store.claims_of_holder(router.metadata.uid).items()
        if claim.spec.type is ClaimType.ROUTER
    }
    used = [name for name in networks if _has_ports(store, Key(NETWORK.name, key.namespace, name))]
    failing = {
        host.metadata.name: each
        for host in store.all(HYPERVISOR)
        if host.status is not None
        for each in host.status.unrouted
        if each.router_uid == router.metadata.uid
    }
    return RouterFacts(router, now, networks, claims, held, used, failing)


def router_of(store: Store, network_uid: str) -> str | None:
    """Name of the Router that has the Network."""
    claim = store.claim(router_claim(network_uid))
    return claim.spec.holder.name if claim is not None else None


def _has_ports(store: Store, network: Key) -> bool:
    return any(key.kind == PORT.name for key in store.dependents(network))
