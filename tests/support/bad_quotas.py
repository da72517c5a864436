"""Quotas that must be refused."""

from __future__ import annotations

from support.bad import Bad

SIZE = "must be a quantity from 0 to 1000000Ti, for example 200Gi"

QUOTAS = [
    Bad(
        "another name",
        "Quota",
        {"metadata.name": "more"},
        "<nil>",
        "a Quota is called default: each namespace has one, and its limits are changed there",
    ),
    Bad("less than nothing", "Quota", {"spec.limits.instances": -1}, "spec.limits.instances"),
    Bad("half a vCPU", "Quota", {"spec.limits.vcpus": 0.5}, "spec.limits.vcpus"),
    Bad("milli-units", "Quota", {"spec.limits.memory": "500m"}, "spec.limits.memory", SIZE),
    Bad("negative memory", "Quota", {"spec.limits.memory": "-1Gi"}, "spec.limits.memory", SIZE),
    Bad("a number of bytes", "Quota", {"spec.limits.memory": 1024}, "spec.limits.memory"),
    Bad("half a Volume", "Quota", {"spec.limits.volumes": 0.5}, "spec.limits.volumes"),
    Bad("too much storage", "Quota", {"spec.limits.storage": "2000000Ti"}, "spec.limits.storage", SIZE),
    Bad("fewer than no Ports", "Quota", {"spec.limits.ports": -1}, "spec.limits.ports"),
    Bad("no limits", "Quota", {"spec": {}}, "spec.limits"),
    Bad("an unknown policy", "Quota", {"spec.stoppedInstances": "Sometimes"}, "spec.stoppedInstances"),
]
