"""What makes a namespace a project: who may do what there, a Network and a SecurityGroup to begin with. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network
from typing import Any

from orlop_api.resource import API_VERSION

Manifest = dict[str, Any]

ROLES = ("admin", "editor", "viewer")
_RBAC = "rbac.authorization.k8s.io"


def project(name: str, cidr: IPv4Network | None, groups: Mapping[str, Sequence[str]]) -> list[Manifest]:
    """The manifests in the order in which they are made; `groups` has those of each of ROLES.

    Without a `cidr` there is no Network. Subjects of a role are one binding, so that applying it again takes
    away who is not named any more.
    """
    made = [_of("v1", "Namespace", None, name)]
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
