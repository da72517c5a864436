"""Objects as users write them, with what the admission webhook would add."""

from __future__ import annotations

from typing import Any

from orlop_api.requester import Requester

Body = dict[str, Any]
API = "orlop.dev/v1alpha1"
FINALIZER = "orlop.dev/operator"
ADMIN = Requester("admin", "admin", ("system:authenticated", "system:masters"))


def thing(kind: str, namespace: str, name: str, spec: Body, *, finalizer: bool = True) -> Body:
    metadata: Body = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    if finalizer:
        metadata["finalizers"] = [FINALIZER]
    return {"apiVersion": API, "kind": kind, "metadata": metadata, "spec": spec}


def asked_for(made: Body, requester: Requester = ADMIN) -> Body:
    """With who asked, as the webhook records it."""
    made["metadata"]["annotations"] = requester.annotations()
    return made


def flavor(name: str = "small", memory: str = "512Mi") -> Body:
    return thing("Flavor", "", name, {"vcpus": 1, "memory": memory, "rootDisk": "5Gi"}, finalizer=False)


def image(namespace: str, name: str = "tiny", url: str = "https://images.example/tiny.qcow2") -> Body:
    made = thing("Image", namespace, name, {"source": {"http": {"url": url}}}, finalizer=False)
    return asked_for(made)


def network(namespace: str, name: str = "blue", cidr: str = "10.10.0.0/24") -> Body:
    return thing("Network", namespace, name, {"subnets": [{"name": "v4", "cidr": cidr}]})


def port(namespace: str, name: str, network_name: str = "blue", **spec: str) -> Body:
    return thing("Port", namespace, name, {"networkRef": {"name": network_name}, **spec})


def volume(namespace: str, name: str = "data", reclaim: str = "Delete", **spec: Any) -> Body:
    whole = {"size": "1Gi", "className": "local", "reclaimPolicy": reclaim, **spec}
    return asked_for(thing("Volume", namespace, name, whole))


def snapshot(namespace: str, name: str, volume_name: str = "data") -> Body:
    return thing("VolumeSnapshot", namespace, name, {"volumeRef": {"name": volume_name}})


def shared_class(pool: str) -> Body:
    spec = {"driver": "shared", "shared": {"pool": pool}}
    return thing("VolumeClass", "", pool, spec, finalizer=False)


def volume_class(name: str = "local") -> Body:
    return thing("VolumeClass", "", name, {"driver": "local"}, finalizer=False)


def instance(namespace: str, name: str, requester: Requester = ADMIN, **spec: Any) -> Body:
    """One NIC on `blue`, unless told otherwise."""
    nic = {"name": "eth0", "networkRef": {"name": "blue"}}
    whole = {"flavorName": "small", "boot": {"imageRef": {"name": "tiny"}}, "networks": [nic], **spec}
    return asked_for(thing("Instance", namespace, name, whole), requester)


def condition(thing: Body | None, kind: str) -> Body:
    """The condition, or an empty one."""
    conditions = (thing or {}).get("status", {}).get("conditions", [])
    return next((c for c in conditions if c["type"] == kind), {})


def is_because(thing: Body | None, kind: str, reason: str) -> bool:
    """A condition has this reason, for the present generation."""
    found = condition(thing, kind)
    return (
        thing is not None
        and found.get("reason") == reason
        and found.get("observedGeneration") == thing["metadata"]["generation"]
    )


def is_ready(thing: Body | None) -> bool:
    """Ready, for the present generation."""
    ready = condition(thing, "Ready")
    return (
        thing is not None
        and ready.get("status") == "True"
        and ready.get("observedGeneration") == thing["metadata"]["generation"]
    )
