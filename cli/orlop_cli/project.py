"""What makes a namespace a project: its Quota, who may do what there, a Network and a SecurityGroup. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any

from pydantic import ValidationError

from orlop_api.quota import NAME, Limits
from orlop_api.resource import API_VERSION, to_wire_name

Manifest = dict[str, Any]

ROLES = ("admin", "editor", "viewer")
_RBAC = "rbac.authorization.k8s.io"


def limits(words: Sequence[str]) -> Limits | None:
    """Those of a Quota, as `instances=50`; None where there are none. ValueError."""
    known = [to_wire_name(field) for field in Limits.model_fields]
    found: dict[str, Any] = {}
    for word in words:
        name, given, value = word.partition("=")
        if not given or name not in known:
            raise ValueError(f"RESOURCE=MOST with one of {', '.join(known)}, not {word}")
        try:
            Limits.model_validate({name: value})
        except ValidationError as error:
            sizes = "a size as 200Gi" if name in {"memory", "storage"} else "a whole number from 0 to 1000000"
            raise ValueError(f"{sizes}, not {word}") from error
        found[name] = value
    return Limits.model_validate(found) if found else None


def project(
    name: str,
    cidr: IPv4Network | None,
    groups: Mapping[str, Sequence[str]],
    most: Limits | None = None,
) -> list[Manifest]:
    """The manifests in the order in which they are made; `groups` has those of each of ROLES.

    Without a `cidr` there is no Network, without limits no Quota. Subjects of a role are one binding, so that
    applying it again takes away who is not named any more.
    """
    made = [_of("v1", "Namespace", None, name)]
    if most is not None:
        # Before anybody may make anything there.
        made.append(_of(API_VERSION, "Quota", name, NAME, spec={"limits": most.wire()}))
    for role in ROLES:
        if groups.get(role):
            subjects = [{"apiGroup": _RBAC, "kind": "Group", "name": group} for group in groups[role]]
            reference = {"apiGroup": _RBAC, "kind": "ClusterRole", "name": f"orlop-{role}"}
            body = {"roleRef": reference, "subjects": subjects}
            made.append(_of(f"{_RBAC}/v1", "RoleBinding", name, f"orlop-{role}", **body))
    everywhere = [{"cidr": "0.0.0.0/0"}, {"cidr": "::/0"}]
    members = [{"securityGroupRef": {"name": "default"}}]
    made.append(
        _of(API_VERSION, "SecurityGroup", name, "default", spec={"ingress": members, "egress": everywhere})
    )
    if cidr is not None:
        spec = {"subnets": [{"name": "v4", "cidr": str(cidr)}], "egress": "NAT"}
        made.append(_of(API_VERSION, "Network", name, "default", spec=spec))
    return made


def _of(version: str, kind: str, namespace: str | None, name: str, **body: Any) -> Manifest:
    metadata = {"name": name} | ({"namespace": namespace} if namespace is not None else {})
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **body}
