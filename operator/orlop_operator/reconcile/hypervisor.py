"""Hypervisor: one for each labeled Node, with what its agent needs to begin; and whether it is alive. Pure."""

from __future__ import annotations

from collections.abc import Callable, Container
from dataclasses import dataclass
from datetime import datetime

from orlop_api.capacity import Ratios
from orlop_api.condition import Condition
from orlop_api.hypervisor import (
    HYPERVISOR_LABEL,
    NODE_ACCOUNTS_NAMESPACE,
    Hypervisor,
    HypervisorStatus,
    node_namespace,
)
from orlop_api.peer import NodeCertificate
from orlop_api.resource import API_VERSION
from orlop_operator.kinds import HYPERVISOR, Node
from orlop_operator.node_certificate import RequestError
from orlop_operator.reconcile.conditions import differs, false, settled, true, unknown
from orlop_operator.reconcile.effects import (
    Body,
    Create,
    Delete,
    Effect,
    Ensure,
    InOrder,
    Patch,
    Plan,
    Remove,
    Report,
)
from orlop_operator.reconcile.node_secret import secrets_path
from orlop_operator.reconcile.storage import over

LAPSE = 40.0
"""Seconds without a change of its Lease after which a node counts as unreachable."""
_NO_RATIOS = Ratios()
_RBAC = "rbac.authorization.k8s.io"
_OPERATOR = {"kind": "ServiceAccount", "namespace": "orlop-system", "name": "orlop-operator"}


@dataclass(frozen=True)
class HypervisorFacts:
    """The node, by name, as every object about it says."""

    name: str
    now: datetime
    node: Node | None = None
    hypervisor: Hypervisor | None = None
    silent_for: float | None = None
    """Seconds since its Lease was last seen to change; None where there is no Lease."""
    bound: int = 0
    """Assignments that are bound to it."""
    images: Container[str] = ()
    """Uids of all Images."""
    certify: Callable[[str, str, NodeCertificate | None], NodeCertificate | None] = lambda *_: None
    """A new certificate for a node's request and present certificate, where it needs one."""
    data: Container[str] = ()
    """Uids of all Volumes and VolumeSnapshots."""
    ratios: Ratios = _NO_RATIOS
    """How much more than it has the node shall give."""


def wanted(node: Node | None) -> bool:
    """Whether the Node is labeled as a hypervisor."""
    return node is not None and node.metadata.labels.get(HYPERVISOR_LABEL) == "true"


def is_leaving(facts: HypervisorFacts) -> bool:
    """Whether its Node is no hypervisor any more, and no Instance is left there, nor an Image that it keeps for all."""
    gone = facts.hypervisor is not None and not wanted(facts.node) and facts.bound == 0
    return gone and not _kept(facts)


def plan_hypervisor(facts: HypervisorFacts) -> Plan:
    """What this node's Hypervisor wants now."""
    host = facts.hypervisor
    if host is None:
        return Plan((InOrder(_prepare(facts.name)),)) if wanted(facts.node) else Plan()
    if is_leaving(facts):
        # First what it may read, so that nothing is left which nobody knows of; then it may begin anew.
        return Plan((InOrder((Remove(secrets_path(node_namespace(facts.name))), Delete(HYPERVISOR, host))),))
    prune = _prune(facts, host)
    if prune is not None:
        return Plan((prune,))
    certificate = _certificate(facts, host)
    if isinstance(certificate, NodeCertificate):
        return Plan((Patch(HYPERVISOR, host, {"spec": {"certificate": certificate.wire()}}),))
    if facts.ratios != (host.spec.overcommit or _NO_RATIOS):
        return Plan((Patch(HYPERVISOR, host, {"spec": {"overcommit": facts.ratios.whole()}}),))
    ready = _alive(facts)
    again = None
    if facts.silent_for is not None and facts.silent_for < LAPSE:
        again = LAPSE - facts.silent_for + 0.1
    old = host.status.conditions if host.status else []
    generation = host.metadata.generation
    made = [c.wire() for c in settled(old, [ready, *certificate, *_lacks(host)], generation, facts.now)]
    # A condition about an older generation counts as not met (kubectl wait), so an order costs a write here too.
    if not differs({"conditions": [c.wire() for c in old]}, {"conditions": made}):
        return Plan(again_after=again)
    return Plan((Report(HYPERVISOR, host, {"conditions": made}),), again_after=again)


def _certificate(facts: HypervisorFacts, host: Hypervisor) -> NodeCertificate | list[Condition]:
    """The certificate that the node is to get; or that it gets none, and why."""
    offer = host.status.image_peer if host.status else None
    if offer is None or not wanted(facts.node):
        return []
    try:
        return facts.certify(facts.name, offer.certificate_request, host.spec.certificate) or []
    except RequestError as error:
        return [false("Certified", "BadRequest", str(error))]


def _lacks(host: Hypervisor) -> list[Condition]:
    """What of Networks cannot be had there; nothing where all can."""
    status = host.status or HypervisorStatus()
    found = []
    if status.bridge_filter == "Missing":
        message = (
            "the kernel module br_netfilter is not there, and cannot be loaded: no Instance in a SecurityGroup"
            " starts here, and NICs that are in one reach nobody on their Network"
        )
        found.append(false("Filtering", "BridgeFilterMissing", message))
    if status.unrouted:
        first, number = status.unrouted[0], len(status.unrouted)
        what = "1 Router cannot" if number == 1 else f"{number} Routers cannot"
        message = f"{what} be had here as they shall be; one of namespace {first.namespace}: {first.message}"
        found.append(false("Routing", first.reason or "Failed", message))
    return found


def _alive(facts: HypervisorFacts) -> Condition:
    reported = facts.hypervisor is not None and facts.hypervisor.status is not None
    capacity = facts.hypervisor.status.capacity if facts.hypervisor and facts.hypervisor.status else None
    if facts.silent_for is None or not reported or capacity is None:
        return false("Ready", "AgentNotReported", "its agent has not reported yet")
    if facts.silent_for >= LAPSE:
        message = (
            f"its agent has not renewed its Lease for {LAPSE:.0f} s; nothing is moved, its guests may run"
        )
        return unknown("Ready", "NodeUnreachable", message)
    if not wanted(facts.node):
        kept = f", and {len(_kept(facts))} Images that were published here" if _kept(facts) else ""
        message = f"the Node lost its label; {facts.bound} Instances{kept} are still here, no new ones come"
        return true("Ready", "Draining", message)
    return true("Ready", "AgentAlive", "its agent renews its Lease")


def _kept(facts: HypervisorFacts) -> list[str]:
    """Uids of Images that this node makes, or made, of its disks: what it has of them may be all that there is."""
    if facts.hypervisor is None:
        return []
    spec = facts.hypervisor.spec
    made = {order.image_uid for order in spec.imports if order.origin is not None}
    for order in spec.pre_pulls:
        source = order.image.source.published
        if source is not None and source.node_name == facts.name:
            made.add(order.image_uid)
    return sorted(uid for uid in made if uid in facts.images)


def _prune(facts: HypervisorFacts, host: Hypervisor) -> Patch[Hypervisor] | None:
    """Orders for objects that are gone."""
    imports = [order.wire() for order in host.spec.imports if order.image_uid in facts.images]
    storage = [order for order in host.spec.storage if order.uid in facts.data or not over(host, order)]
    pulls = [order.wire() for order in host.spec.pre_pulls if order.image_uid in facts.images]
    change: Body = {}
    if len(pulls) != len(host.spec.pre_pulls):
        change["prePulls"] = pulls
    if len(imports) != len(host.spec.imports):
        change["imports"] = imports
    if len(storage) != len(host.spec.storage):
        change["storage"] = [order.wire() for order in storage]
    return Patch(HYPERVISOR, host, {"spec": change}) if change else None


def _prepare(node: str) -> tuple[Effect, ...]:
    """The node's identity, its namespace with the rights in it, and last the Hypervisor."""
    namespace = node_namespace(node)
    account = {"kind": "ServiceAccount", "namespace": NODE_ACCOUNTS_NAMESPACE, "name": node}
    metadata = {"name": namespace, "annotations": {"orlop.dev/node": node}}
    bindings = f"/apis/{_RBAC}/v1/namespaces/{namespace}/rolebindings"
    return (
        Ensure(
            f"/api/v1/namespaces/{NODE_ACCOUNTS_NAMESPACE}/serviceaccounts",
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": node}},
        ),
        Ensure("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}),
        Ensure(bindings, _binding("orlop-node-secrets", account)),
        Ensure(bindings, _binding("orlop-operator-node-secrets", _OPERATOR)),
        Create(
            HYPERVISOR,
            {"apiVersion": API_VERSION, "kind": "Hypervisor", "metadata": {"name": node}, "spec": {}},
        ),
    )


def _binding(role: str, subject: Body) -> Body:
    return {
        "apiVersion": f"{_RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": role},
        "roleRef": {"apiGroup": _RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [subject],
    }
