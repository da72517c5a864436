"""The smallest manifests that are right, and a way to make one of their fields wrong."""

from __future__ import annotations

import copy
from typing import Any

Manifest = dict[str, Any]

ABSENT = object()
"""In place of a value: take the field away."""

_IMAGE = "https://mirror.example.org/debian.qcow2"
SPECS: dict[str, Manifest] = {
    "Flavor": {"vcpus": 1, "memory": "512Mi", "rootDisk": "5Gi"},
    "VolumeClass": {"driver": "local"},
    "Image": {"source": {"http": {"url": _IMAGE}}},
    "Aggregate": {"nodeSelector": {"disk": "ssd"}},
    "InstanceGroup": {"policy": "AntiAffinity"},
    "KeyPair": {
        "publicKey": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOjswM8c8i7+nlFxYUrNGprOUV2gfSNcf/0zWgBiqmL5 me@x"
    },
    "Network": {"subnets": [{"name": "v4", "cidr": "10.10.0.0/24"}]},
    "Port": {"networkRef": {"name": "blue"}},
    "FloatingIP": {"networkRef": {"name": "public"}, "portRef": {"name": "web"}},
    "Quota": {"limits": {"instances": 50, "vcpus": 100, "memory": "200Gi"}},
    "Router": {
        "networks": [{"name": "blue"}],
        "routes": [{"destination": "192.168.0.0/16", "via": "10.10.0.5"}],
    },
    "SecurityGroup": {"ingress": [{"protocol": "TCP", "port": 22, "cidr": "0.0.0.0/0"}]},
    "Volume": {"size": "10Gi", "className": "local"},
    "VolumeSnapshot": {"volumeRef": {"name": "data"}},
    "Instance": {
        "flavorName": "small",
        "boot": {"imageRef": {"name": "debian-12"}},
        "networks": [{"name": "eth0", "networkRef": {"name": "blue"}}],
    },
    "Hypervisor": {},
    "Assignment": {
        "instance": {"namespace": "demo", "name": "web-1", "uid": "d2a84f5e-0000-4000-8000-000000000001"},
        "vcpus": 1,
        "memoryBytes": 512 << 20,
        "rootDiskBytes": 5 << 30,
    },
    "Claim": {
        "type": "Segment",
        "value": "4097",
        "networkUID": "d2a84f5e-0000-4000-8000-000000000002",
        "holder": {
            "kind": "Network",
            "namespace": "demo",
            "name": "blue",
            "uid": "d2a84f5e-0000-4000-8000-000000000002",
        },
    },
}
CLUSTER_WIDE = frozenset({"Aggregate", "Flavor", "VolumeClass", "Hypervisor"})


def right(kind: str, name: str = "right", namespace: str = "api") -> Manifest:
    """A manifest with nothing but what is required."""
    # A namespace has one Quota, and only of this name.
    name = "default" if kind == "Quota" else name
    metadata = {"name": name} if kind in CLUSTER_WIDE else {"name": name, "namespace": namespace}
    return {
        "apiVersion": "orlop.dev/v1alpha1",
        "kind": kind,
        "metadata": metadata,
        "spec": copy.deepcopy(SPECS[kind]),
    }


def changed(manifest: Manifest, changes: dict[str, Any]) -> Manifest:
    """A copy with these fields set; a path is `spec.subnets.0.cidr`, and a last `+` appends to a list."""
    made = copy.deepcopy(manifest)
    for path, value in changes.items():
        *way, last = path.split(".")
        node: Any = made
        for step in way:
            node = node[int(step)] if isinstance(node, list) else node.setdefault(step, {})
        if value is ABSENT:
            del node[int(last) if isinstance(node, list) else last]
        elif last == "+":
            node.append(value)
        elif isinstance(node, list):
            node[int(last)] = value
        else:
            node[last] = value
    return made
