"""Objects as the API server lists them, for who explains where an Instance could be."""

from __future__ import annotations

from typing import Any

from orlop_operator.explaining import Seen
from orlop_operator.kinds import (
    ASSIGNMENT,
    FLAVOR,
    HYPERVISOR,
    IMAGE,
    INSTANCE,
    INSTANCE_GROUP,
    NODE,
    QUOTA,
    VOLUME,
    VOLUME_CLASS,
)
from support import wishes

Body = dict[str, Any]
GI = 2**30


def node(name: str, **spec: Any) -> Body:
    labels = {"orlop.dev/hypervisor": "true", "kubernetes.io/hostname": name}
    return {"metadata": {"name": name, "uid": f"node-{name}", "labels": labels}, "spec": spec}


def hypervisor(name: str, vcpus: int = 8, memory: int = 16 * GI, ready: str = "True") -> Body:
    return {
        "metadata": {"name": name, "uid": f"hv-{name}"},
        "spec": {},
        "status": {
            "capacity": {"vcpus": vcpus, "memoryBytes": memory, "diskBytes": 100 * GI},
            "architecture": "x86_64",
            "poolID": f"pool-{name}",
            "conditions": [{"type": "Ready", "status": ready, "reason": "LeaseRenewed"}],
        },
    }


def image(namespace: str = "demo", **requirements: Any) -> Body:
    made = wishes.image(namespace)
    made["metadata"]["uid"] = "image"
    made["spec"] |= {"requirements": requirements} if requirements else {}
    ready = [{"type": "Ready", "status": "True", "reason": "Imported"}]
    made["status"] = {"digest": "sha256:" + "0" * 64, "format": "qcow2", "sizeBytes": 1, "conditions": ready}
    return made


def instance(name: str, **spec: Any) -> Body:
    made = wishes.instance("demo", name, networks=[], **spec)
    made["metadata"] |= {"uid": f"uid-{name}", "generation": 1}
    return made


def assignment(name: str, on: str | None, *, namespace: str = "demo", vcpus: int = 1, **status: Any) -> Body:
    uid = f"uid-{name}"
    spec = {
        "instance": {"namespace": namespace, "name": name, "uid": uid}, "nodeName": on, "epoch": 1,
        "vcpus": vcpus, "memoryBytes": GI, "rootDiskBytes": 5 * GI,
    }  # fmt: skip
    made = {"metadata": {"name": uid, "namespace": "orlop-assignments", "uid": f"order-{name}"}, "spec": spec}
    return made | ({"status": {"epoch": 1, **status}} if status else {})


def seen(nodes: list[tuple[Body, Body]], *, images: list[Body] | None = None, **things: list[Body]) -> Seen:
    """What was listed: nodes with their hypervisors, and by plural what else there is."""
    made = Seen()
    made.learn(NODE, [NODE.parse(one) for one, _ in nodes])
    made.learn(HYPERVISOR, [HYPERVISOR.parse(two) for _, two in nodes])
    flavors = [wishes.flavor() | {"status": {}}, wishes.flavor("large", "12Gi")]
    for number, flavor in enumerate(flavors):
        flavor["metadata"]["uid"] = f"flavor-{number}"
    made.learn(FLAVOR, [FLAVOR.parse(flavor) for flavor in flavors])
    for kind, bodies in (
        (ASSIGNMENT, things.get("assignments", [])),
        (QUOTA, things.get("quotas", [])),
        (VOLUME_CLASS, [wishes.volume_class()]),
        (VOLUME, things.get("volumes", [])),
        (IMAGE, [image()] if images is None else images),
        (INSTANCE_GROUP, things.get("groups", [])),
        (INSTANCE, things.get("instances", [])),
    ):
        made.learn(kind, [kind.parse(body) for body in bodies])  # type: ignore[attr-defined]
    return made
