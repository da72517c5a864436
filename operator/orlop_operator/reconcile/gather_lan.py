"""What a Network asks of nodes, from the store."""

from __future__ import annotations

from dataclasses import replace

from orlop_api.claim import CLAIM_NAMESPACE
from orlop_operator.kinds import CLAIM, HYPERVISOR, NODE
from orlop_operator.reconcile.gather_router import router_of
from orlop_operator.reconcile.lan import claim_name
from orlop_operator.reconcile.network import NetworkFacts
from orlop_operator.scheduling import Host, host_from
from orlop_operator.store import Store


def with_nodes(store: Store, facts: NetworkFacts) -> NetworkFacts:
    """And its Router, and what nodes say of the underlay, or of the physical network and whose its VLAN is."""
    network = facts.network
    facts = replace(facts, router=router_of(store, network.metadata.uid))
    if not network.is_on_physical:
        if network.spec.mtu or (network.status is not None and network.status.mtu):
            return facts  # which it keeps: thousands of nodes need not be asked at each look
        said = (host.status for host in store.all(HYPERVISOR))
        return replace(facts, underlay_mtus=[s.underlay_mtu for s in said if s and s.underlay_mtu])
    return replace(
        facts,
        lan=store.get(CLAIM, CLAIM_NAMESPACE, claim_name(network)),
        hosts=_hosts(store),
    )


def _hosts(store: Store) -> list[Host]:
    found = ((host, store.get(NODE, "", host.metadata.name)) for host in store.all(HYPERVISOR))
    return [host_from(host, labels=node.metadata.labels if node is not None else {}) for host, node in found]
