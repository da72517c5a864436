"""InstanceGroups that must be refused."""

from __future__ import annotations

from typing import Any

from support.bad import Bad


def _bad(name: str, field: str, message: str | None, **spec: Any) -> Bad:
    changes = {f"spec.{key}": value for key, value in spec.items()}
    return Bad(name, "InstanceGroup", changes, f"spec.{field}" if field else "spec", message)


_MOST = "maxPerDomain goes with policy AntiAffinity only"
_KEY = "must be the key of a node label, for example topology.kubernetes.io/zone"

INSTANCE_GROUPS = [
    _bad("another policy", "policy", None, policy="Nearby"),
    _bad("as many together", "", _MOST, policy="Affinity", maxPerDomain=2),
    _bad("as many softly apart", "", _MOST, policy="SoftAntiAffinity", maxPerDomain=2),
    _bad("none in a domain", "maxPerDomain", None, maxPerDomain=0),
    _bad("a topology without a name", "topologyKey", _KEY, topologyKey=""),
    _bad("a topology with a value", "topologyKey", _KEY, topologyKey="zone=a"),
]
