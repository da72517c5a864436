"""Updates that must be refused, and fields that do not exist."""

from __future__ import annotations

from support.bad import Bad
from support.bad_keys import ED25519

_HTTP = {"http": {"url": "https://mirror.example.org/vmlinuz"}}

MOUNT_STAYS = (
    "volumeRef and access of an entry are fixed while it is listed: add an entry with another name, or remove"
    " this one first"
)

CHANGED = [
    Bad(
        "flavor",
        "Flavor",
        {"spec.vcpus": 2},
        "spec",
        "spec is immutable: create another Flavor, Instances keep theirs",
    ),
    Bad("class", "VolumeClass", {"spec": None}, "spec"),
    Bad(
        "image",
        "Image",
        {"spec.source.http.url": "https://mirror.example.org/other.qcow2"},
        "spec",
        "spec is immutable but for prePull and refresh: create another Image for another disk",
    ),
    Bad("network", "Network", {"spec.egress": "None"}, "spec", "spec is immutable: create another Network"),
    Bad(
        "key",
        "KeyPair",
        {"spec.publicKey": f"ssh-ed25519 {ED25519} you"},
        "spec",
        "spec is immutable: create another KeyPair",
    ),
    Bad(
        "group",
        "InstanceGroup",
        {"spec.policy": "Affinity"},
        "spec",
        "spec is immutable: create another InstanceGroup",
    ),
    Bad(
        "into a group",
        "Instance",
        {"spec.placement": {"groupRef": {"name": "web"}}},
        "spec",
        "placement.groupRef is immutable: create another Instance",
    ),
    Bad(
        "another board",
        "Instance",
        {"spec.hardware": {"machineType": "q35"}},
        "spec",
        "hardware is immutable: create another Instance",
    ),
    Bad(
        "a feature more",
        "Instance",
        {"spec.hardware.cpu.features": ["aes", "avx2"]},
        "spec",
        "hardware is immutable: create another Instance",
        first={"spec.hardware": {"cpu": {"features": ["aes"]}}},
    ),
    Bad(
        "a key more",
        "Instance",
        {"spec.keyPairRefs": [{"name": "k"}]},
        "spec",
        "keyPairRefs is immutable: create another Instance",
    ),
    Bad(
        "port",
        "Port",
        {"spec.address": "10.10.0.9"},
        "spec",
        "only securityGroupRefs and qos of spec may change: create another Port",
    ),
    Bad(
        "shrink",
        "Volume",
        {"spec.size": "5Gi"},
        "spec.size",
        "size can only grow (10Gi -> 5Gi): create a smaller Volume and copy the data",
    ),
    Bad(
        "shrink by another unit",
        "Volume",
        {"spec.size": "10G"},
        "spec.size",
        "size can only grow (10Gi -> 10G): create a smaller Volume and copy the data",
    ),
    Bad(
        "class",
        "Volume",
        {"spec.className": "b"},
        "spec.className",
        "className is immutable: create another Volume",
    ),
    Bad(
        "flavor",
        "Instance",
        {"spec.flavorName": "b"},
        "spec",
        "flavorName is immutable: create another Instance",
    ),
    Bad(
        "image",
        "Instance",
        {"spec.boot.imageRef.name": "b"},
        "spec",
        "boot is immutable: create another Instance",
    ),
    Bad(
        "a volume in the place of the image",
        "Instance",
        {"spec.boot": {"imageRef": None, "volumeRef": {"name": "b"}}},
        "spec",
        "boot is immutable: create another Instance",
    ),
    Bad(
        "another volume under the same name",
        "Instance",
        {"spec.volumes": [{"name": "a", "volumeRef": {"name": "b"}}]},
        "spec.volumes",
        MOUNT_STAYS,
        first={"spec.volumes": [{"name": "a", "volumeRef": {"name": "a"}}]},
    ),
    Bad(
        "another access",
        "Instance",
        {"spec.volumes": [{"name": "a", "volumeRef": {"name": "a"}, "access": "ReadOnly"}]},
        "spec.volumes",
        MOUNT_STAYS,
        first={"spec.volumes": [{"name": "a", "volumeRef": {"name": "a"}}]},
    ),
    Bad(
        "user data later",
        "Instance",
        {"spec.userData": {"inline": "#!/bin/sh"}},
        "spec",
        "userData is immutable: create another Instance",
    ),
    Bad(
        "user data away",
        "Instance",
        {"spec.userData": None},
        "spec",
        "userData is immutable: create another Instance",
        {"spec.userData": {"inline": "#!/bin/sh"}},
    ),
    Bad(
        "claim",
        "Claim",
        {"spec.value": "4098"},
        "spec",
        "spec is immutable, but for quarantinedUntil: a Claim is made, given back or deleted",
    ),
    Bad(
        "a claim given back for longer",
        "Claim",
        {"spec.quarantinedUntil": "2026-11-26T13:00:00Z"},
        "spec",
        "quarantinedUntil may be set once: who takes the address deletes this Claim and makes another",
        {"spec.quarantinedUntil": "2026-11-26T12:00:00Z"},
    ),
]


UNKNOWN = [
    Bad("cpu for vcpus", "Flavor", {"spec.cpu": 2}, 'unknown field "spec.cpu"'),
    Bad("nodeName", "Instance", {"spec.nodeName": "node-1"}, 'unknown field "spec.nodeName"'),
    Bad("vlan", "Network", {"spec.segment": {"type": "Overlay", "id": 5}}, 'unknown field "spec.segment.id"'),
    Bad(
        "volume of another namespace",
        "Instance",
        {"spec.volumes": [{"name": "a", "volumeRef": {"name": "a", "namespace": "b"}}]},
        'unknown field "spec.volumes[0].volumeRef.namespace"',
    ),
    Bad(
        "no other source yet",
        "Image",
        {"spec.source": {"http": _HTTP["http"], "ftp": {}}},
        'unknown field "spec.source.ftp"',
    ),
]
