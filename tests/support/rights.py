"""Roles given to users on a real API server, and the moment from which it knows of them."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass

from support.rest import Rest

RBAC = "apis/rbac.authorization.k8s.io/v1"
PATIENCE = 30.0
"""Seconds until the API server must know of a binding that it stored; milliseconds are usual."""


@dataclass(frozen=True)
class Right:
    """One thing that a user may do."""

    verb: str
    resource: str
    name: str = ""
    group: str = "orlop.dev"


def wait_for(admin: Rest, user: str, right: Right, namespace: str = "", *, allowed: bool = True) -> None:
    """Until the authorizer, which learns of roles by watching, says this of the user."""
    attributes = {
        "verb": right.verb,
        "group": right.group,
        "resource": right.resource,
        "name": right.name,
        "namespace": namespace,
    }
    # A user of the API server always is in the group of those who are logged in.
    spec = {"user": user, "groups": ["system:authenticated"], "resourceAttributes": attributes}
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    deadline = time.monotonic() + PATIENCE
    path = "apis/authorization.k8s.io/v1/subjectaccessreviews"
    while admin.request("POST", path, review).body["status"]["allowed"] is not allowed:
        assert time.monotonic() < deadline, f"{user}: {right} is not {allowed}"
        # Nothing tells when the authorizer has seen a binding, hence a short poll.
        time.sleep(0.02)


def bind(admin: Rest, namespace: str, role: str, user: str, right: Right) -> None:
    """Bind a ClusterRole in the namespace, and wait until `right`, which it gives, is there."""
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": f"{role}-{secrets.token_hex(3)}", "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    }
    made = admin.request("POST", f"{RBAC}/namespaces/{namespace}/rolebindings", binding)
    assert made.status == 201, made.message
    wait_for(admin, user, right, namespace)


def grant(admin: Rest, namespace: str, user: str, right: Right) -> None:
    """Give just this right in this namespace."""
    allowed: dict[str, list[str]] = {
        "apiGroups": [right.group],
        "resources": [right.resource],
        "verbs": [right.verb],
    }
    if right.name:
        allowed["resourceNames"] = [right.name]
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": f"{right.verb}-{right.resource}-{secrets.token_hex(4)}"},
        "rules": [allowed],
    }
    made = admin.request("POST", f"{RBAC}/clusterroles", role)
    assert made.status == 201, made.message
    bind(admin, namespace, made.body["metadata"]["name"], user, right)
