"""Facts on FloatingIPs, from the store."""

from __future__ import annotations

from orlop_api.claim import floating_claim
from orlop_operator.kinds import FLOATING_IP, HYPERVISOR, NETWORK, PORT
from orlop_operator.reconcile.effects import Plan
from orlop_operator.reconcile.floating_ip import FloatingFacts, plan_floating_ip
from orlop_operator.reconcile.gather import Context
from orlop_operator.reconcile.gather_quota import stands
from orlop_operator.reconcile.holding import Taken
from orlop_operator.store import Key


def look_at_floating_ip(context: Context, key: Key) -> Plan | None:
    """What it wants; None where it does not exist."""
    facts = floating_facts(context, key)
    return plan_floating_ip(facts) if facts is not None else None


def floating_facts(context: Context, key: Key) -> FloatingFacts | None:
    """All about a FloatingIP."""
    store = context.store
    floating = store.get(FLOATING_IP, key.namespace, key.name)
    if floating is None:
        return None
    ref, port_ref = floating.spec.network_ref, floating.spec.port_ref
    network = store.get(NETWORK, ref.namespace or key.namespace, ref.name)
    port = store.get(PORT, key.namespace, port_ref.name) if port_ref is not None else None
    binding = port.status.binding if port is not None and port.status is not None else None
    return FloatingFacts(
        floating,
        context.now(),
        network,
        Taken(
            store.claims_of_network(network.metadata.uid) if network is not None else {},
            frozenset(context.claimed),
        ),
        dict(store.claims_of_holder(floating.metadata.uid)),
        port,
        store.get(NETWORK, key.namespace, port.spec.network_ref.name) if port is not None else None,
        store.claim(floating_claim(port.metadata.uid)) if port is not None else None,
        store.get(HYPERVISOR, "", binding.node_name) if binding is not None else None,
        stands(store, context.verdicts, floating),
    )
