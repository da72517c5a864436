"""Instances, and internal kinds, that must be refused."""

from __future__ import annotations

from typing import Any

from support.bad import Bad
from support.manifests import ABSENT

IPV4 = "must be an IPv4 address, for example 10.10.0.20"
MAC = "must be a unicast, locally administered MAC address in lower case, for example 02:00:00:00:00:2a"
ONE_NETWORK = "exactly one of networkRef and portRef must be set"
PORT_HAS_ITS_OWN = "address and macAddress go with networkRef: a Port has its own"
PORT_ONCE = "each Port may be named once: a Port is one NIC"
ONE_BOOT = "exactly one of imageRef and volumeRef must be set"
BOOT_TWICE = "volumes lists the disks beside the one that boot.volumeRef names: leave that one out"
ROOT_TAKEN = "the disk that boot.volumeRef names is called root: give the entry of volumes another name"
FROM_VOLUME = {"volumeRef": {"name": "a"}}
VOLUME_ONCE = "each Volume may be named once"
ONE_USER_DATA = "exactly one of inline and secretRef must be set"
LABELS = "must hold label keys and values, for example topology.kubernetes.io/zone: a"


def _nics(*nics: dict[str, Any]) -> dict[str, Any]:
    return {"spec.networks": list(nics)}


def _nic(name: str, **values: Any) -> dict[str, Any]:
    return {"name": name, **values}


BLUE, WWW = {"name": "blue"}, {"name": "www"}
NIC = "spec.networks[0]"

INSTANCES = [
    Bad("no flavor", "Instance", {"spec.flavorName": ABSENT}, "spec.flavorName"),
    Bad("empty flavor", "Instance", {"spec.flavorName": ""}, "spec.flavorName"),
    Bad("flavor too long", "Instance", {"spec.flavorName": "a" * 254}, "spec.flavorName"),
    Bad("no boot", "Instance", {"spec.boot": ABSENT}, "spec.boot"),
    Bad("no boot source", "Instance", {"spec.boot": {}}, "spec.boot", ONE_BOOT),
    Bad("two boot sources", "Instance", {"spec.boot.volumeRef": {"name": "a"}}, "spec.boot", ONE_BOOT),
    Bad(
        "the boot volume twice",
        "Instance",
        {"spec.boot": FROM_VOLUME, "spec.volumes": [{"name": "b", "volumeRef": {"name": "a"}}]},
        "spec",
        BOOT_TWICE,
    ),
    Bad(
        "a disk called as the boot volume",
        "Instance",
        {"spec.boot": FROM_VOLUME, "spec.volumes": [{"name": "root", "volumeRef": {"name": "b"}}]},
        "spec",
        ROOT_TAKEN,
    ),
    Bad(
        "image namespace", "Instance", {"spec.boot.imageRef.namespace": "a/b"}, "spec.boot.imageRef.namespace"
    ),
    Bad("power state", "Instance", {"spec.powerState": "Sometimes"}, "spec.powerState"),
    Bad("paused is not there yet", "Instance", {"spec.powerState": "Paused"}, "spec.powerState"),
    Bad("restart policy", "Instance", {"spec.restartPolicy": "Perhaps"}, "spec.restartPolicy"),
    Bad("stop mode", "Instance", {"spec.stopPolicy": {"mode": "Soft"}}, "spec.stopPolicy.mode"),
    Bad(
        "no time to stop", "Instance", {"spec.stopPolicy.timeoutSeconds": 0}, "spec.stopPolicy.timeoutSeconds"
    ),
    Bad(
        "a day to stop",
        "Instance",
        {"spec.stopPolicy.timeoutSeconds": 86400},
        "spec.stopPolicy.timeoutSeconds",
    ),
    Bad("restartedAt too long", "Instance", {"spec.restartedAt": "x" * 65}, "spec.restartedAt"),
    Bad("NIC on nothing", "Instance", _nics(_nic("eth0")), NIC, ONE_NETWORK),
    Bad("NIC on both", "Instance", _nics(_nic("eth0", networkRef=BLUE, portRef=WWW)), NIC, ONE_NETWORK),
    Bad(
        "address with a Port",
        "Instance",
        _nics(_nic("eth0", portRef=WWW, address="10.10.0.9")),
        NIC,
        PORT_HAS_ITS_OWN,
    ),
    Bad(
        "MAC with a Port",
        "Instance",
        _nics(_nic("eth0", portRef=WWW, macAddress="02:00:00:00:00:01")),
        NIC,
        PORT_HAS_ITS_OWN,
    ),
    Bad(
        "two NICs of one Port",
        "Instance",
        _nics(_nic("eth0", portRef=WWW), _nic("eth1", portRef=WWW)),
        "spec.networks",
        PORT_ONCE,
    ),
    Bad(
        "two NICs of one name",
        "Instance",
        _nics(_nic("e", networkRef=BLUE), _nic("e", portRef=WWW)),
        "spec.networks[1]",
    ),
    Bad("NIC name", "Instance", {"spec.networks.0.name": "eth0\n"}, f"{NIC}.name"),
    Bad("bad address", "Instance", {"spec.networks.0.address": "10.10.0.300"}, f"{NIC}.address", IPV4),
    Bad("bad MAC", "Instance", {"spec.networks.0.macAddress": "02:00:00:00:00:0g"}, f"{NIC}.macAddress", MAC),
    Bad(
        "nine NICs", "Instance", _nics(*(_nic(f"eth{n}", networkRef=BLUE) for n in range(9))), "spec.networks"
    ),
    Bad(
        "one Volume twice",
        "Instance",
        {"spec.volumes": [{"name": name, "volumeRef": {"name": "data"}} for name in ("a", "b")]},
        "spec.volumes",
        VOLUME_ONCE,
    ),
    Bad(
        "seventeen Volumes",
        "Instance",
        {"spec.volumes": [{"name": f"v{n}", "volumeRef": {"name": f"v{n}"}} for n in range(17)]},
        "spec.volumes",
    ),
    Bad("user data of neither kind", "Instance", {"spec.userData": {}}, "spec.userData", ONE_USER_DATA),
    Bad(
        "user data of both kinds",
        "Instance",
        {"spec.userData": {"inline": "#!/bin/sh", "secretRef": {"name": "a", "key": "b"}}},
        "spec.userData",
        ONE_USER_DATA,
    ),
    Bad("user data too long", "Instance", {"spec.userData": {"inline": "x" * 65537}}, "spec.userData.inline"),
    Bad(
        "user data without key",
        "Instance",
        {"spec.userData": {"secretRef": {"name": "a"}}},
        "spec.userData.secretRef.key",
    ),
    Bad(
        "toleration of no key",
        "Instance",
        {"spec.placement": {"tolerations": [{"operator": "Equal"}]}},
        "spec.placement.tolerations[0]",
        "key must be set, or operator Exists for every key",
    ),
    Bad(
        "value of any value",
        "Instance",
        {"spec.placement": {"tolerations": [{"key": "a", "operator": "Exists", "value": "b"}]}},
        "spec.placement.tolerations[0]",
        "value goes with operator Equal only",
    ),
    Bad(
        "toleration of another effect",
        "Instance",
        {"spec.placement": {"tolerations": [{"key": "a", "operator": "Exists", "effect": "Never"}]}},
        "spec.placement.tolerations[0].effect",
    ),
    Bad(
        "label key",
        "Instance",
        {"spec.placement": {"nodeSelector": {"not a key": "a"}}},
        "spec.placement.nodeSelector",
        LABELS,
    ),
    Bad(
        "label value",
        "Instance",
        {"spec.placement": {"nodeSelector": {"zone": "a b"}}},
        "spec.placement.nodeSelector",
        LABELS,
    ),
    # Internal kinds, which a stand-alone agent's tester may write by hand
    Bad("epoch below 0", "Assignment", {"spec.epoch": -1}, "spec.epoch"),
    Bad("unknown order", "Assignment", {"spec.desired": "Paused"}, "spec.desired"),
    Bad("claim of another type", "Claim", {"spec.type": "VNI"}, "spec.type"),
]
