"""Service: which Instances it leads to, as an EndpointSlice (discovery.k8s.io/v1). Pure.

Kubernetes fills in the slices of Services that select pods. A Service without a selector leads where somebody
else's slices say: here to floating addresses, which pods and nodes reach as anything else on the nodes' network.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from orlop_operator.kinds import SERVICE
from orlop_operator.reconcile.effects import Announce, Apply, Body, Plan, Remove
from orlop_operator.service import SELECTOR, Service, asks, selector

MANAGED = "endpointslice.kubernetes.io/managed-by"
MANAGER = "orlop.dev"
OF_SERVICE = "kubernetes.io/service-name"
SLICES = "/apis/discovery.k8s.io/v1/endpointslices"
MOST = 1000
"""Endpoints of one EndpointSlice."""


@dataclass(frozen=True)
class Backend:
    """An Instance that the Service selects."""

    name: str
    uid: str
    address: str | None
    """Its floating address; None where it has none."""
    node: str | None
    is_ready: bool
    is_ending: bool


def slices_of(namespace: str) -> str:
    """Where the slices of a namespace are."""
    return f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices"


def slice_path(namespace: str, service: str) -> str:
    """Where the slice of a Service is."""
    return f"{slices_of(namespace)}/{slice_name(service)}"


def slice_name(service: str) -> str:
    """No slice that Kubernetes makes has this name: those end with five letters."""
    return f"{service}-orlop.dev"


def plan_service(service: Service, backends: Collection[Backend]) -> Plan:
    """What a Service wants that leads, or led, to Instances."""
    meta = service.metadata
    if meta.deleting:
        return Plan()
    problem = _problem(service)
    if problem is not None or not asks(service):
        gone = Remove(slice_path(meta.namespace, meta.name))
        said = (Announce(service, SERVICE.name, "Warning", "NoEndpoints", problem),) if problem else ()
        return Plan((gone, *said), final=True)
    reached = sorted((b for b in backends if b.address is not None), key=lambda b: b.name)
    applied = Apply(slice_path(meta.namespace, meta.name), _slice(service, reached[:MOST]))
    without = sorted(b.name for b in backends if b.address is None)
    said = ()
    if without:
        names = ", ".join(without[:5]) + (f" and {len(without) - 5} more" if len(without) > 5 else "")
        message = f"leads to {len(reached)} of {len(backends)} Instances: no floating address has {names}"
        said = (Announce(service, SERVICE.name, "Warning", "NoFloatingAddress", message),)
    elif len(reached) > MOST:
        message = f"leads to the first {MOST} of {len(reached)} Instances, by name: more is not possible"
        said = (Announce(service, SERVICE.name, "Warning", "TooManyEndpoints", message),)
    return Plan((applied, *said), final=True)


def _problem(service: Service) -> str | None:
    if not asks(service):
        return None
    spec = service.spec
    if spec.selector:
        return f"the annotation {SELECTOR} goes with a Service without spec.selector, which selects pods"
    if spec.type == "ExternalName":
        return (
            f"the annotation {SELECTOR} goes with type ClusterIP, NodePort or LoadBalancer, not ExternalName"
        )
    if spec.ip_families and "IPv4" not in spec.ip_families:
        return "floating addresses are IPv4: ipFamilies has to have IPv4"
    named = next((port.target_port for port in spec.ports if isinstance(port.target_port, str)), None)
    if named is not None:
        return f"targetPort {named!r} is a name, which Instances do not give to ports: use its number"
    try:
        selector(service)
    except ValueError as error:
        return str(error)
    return None


def _slice(service: Service, backends: Collection[Backend]) -> Body:
    meta, spec = service.metadata, service.spec
    owner = {
        "apiVersion": "v1", "kind": SERVICE.name, "name": meta.name, "uid": meta.uid, "controller": True,
        "blockOwnerDeletion": False,
    }  # fmt: skip
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": slice_name(meta.name),
            "namespace": meta.namespace,
            "labels": {OF_SERVICE: meta.name, MANAGED: MANAGER},
            "ownerReferences": [owner],
        },
        "addressType": "IPv4",
        "endpoints": [
            _endpoint(meta.namespace, b, at_once=spec.publish_not_ready_addresses) for b in backends
        ],
        "ports": [
            {"name": port.name, "protocol": port.protocol, "port": port.target_port or port.port}
            for port in spec.ports
        ],
    }


def _endpoint(namespace: str, backend: Backend, *, at_once: bool) -> Body:
    is_serving = backend.is_ready or at_once
    place = {"nodeName": backend.node} if backend.node else {}
    return {
        "addresses": [backend.address],
        "conditions": {
            "ready": is_serving and not backend.is_ending,
            "serving": is_serving,
            "terminating": backend.is_ending,
        },
        "targetRef": {
            "apiVersion": "orlop.dev/v1alpha1", "kind": "Instance", "namespace": namespace, "name": backend.name,
            "uid": backend.uid,
        },
        **place,
    }  # fmt: skip
