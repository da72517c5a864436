"""An API server with what holds without the operator: kinds, roles and policies, but no webhook."""

from __future__ import annotations

import json
import time
from pathlib import Path

from support.apiserver import ApiServer
from support.rest import Answer, Rest, User

BASE = Path(__file__).parents[2] / "manifests/base"
PATIENCE = 30.0
"""Seconds until the API server must obey a policy it has; one or two are usual."""

OPERATOR = User(
    "system:serviceaccount:orlop-system:orlop-operator",
    ("system:serviceaccounts", "system:serviceaccounts:orlop-system", "system:authenticated"),
)

_API = "admissionregistration.k8s.io/v1"


def node_account(name: str) -> User:
    """A node's own account."""
    return User(
        f"system:serviceaccount:orlop-nodes:{name}",
        ("system:serviceaccounts", "system:serviceaccounts:orlop-nodes", "system:authenticated"),
    )


def agent_account(node: str | None) -> User:
    """The agent's pod on this node; without one, an old token that says no node."""
    return User(
        "system:serviceaccount:orlop-system:orlop-agent",
        ("system:serviceaccounts", "system:serviceaccounts:orlop-system", "system:authenticated"),
        {"authentication.kubernetes.io/node-name": node} if node else None,
    )


def denial(answer: Answer) -> str:
    """The words of the policy that refused, or what was said instead."""
    return answer.message.partition(" denied request: ")[2] or f"{answer.status} {answer.message}"


def install(server: ApiServer) -> None:
    """Apply everything and return when the API server obeys it."""
    server.kubectl("apply", "--server-side", "-f", str(BASE / "namespaces.yaml"))
    server.kubectl("apply", "--server-side", "-k", str(BASE / "../../crds/generated"))
    server.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=60s")
    server.kubectl("apply", "--server-side", "-k", str(BASE / "policies"))
    for name in ("rbac-users", "rbac-platform", "rbac-node", "rbac-operator", "operator-fence"):
        server.kubectl("apply", "--server-side", "-f", str(BASE / f"{name}.yaml"))
    _wait_for_policies(server)


def _wait_for_policies(server: ApiServer) -> None:
    """The API server reads all policies at once, a moment after they are made: the last one tells."""
    canary = [
        {
            "apiVersion": _API,
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": "zz-canary"},
            "spec": {
                "matchConstraints": {
                    "resourceRules": [
                        {
                            "apiGroups": [""],
                            "apiVersions": ["v1"],
                            "operations": ["CREATE"],
                            "resources": ["configmaps"],
                        }
                    ]
                },
                "validations": [{"expression": "object.metadata.name != 'canary'", "message": "tweet"}],
            },
        },
        {
            "apiVersion": _API,
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": "zz-canary"},
            "spec": {"policyName": "zz-canary", "validationActions": ["Deny"]},
        },
    ]
    for manifest in canary:
        server.kubectl("create", "-f", "-", stdin=json.dumps(manifest))
    client = Rest(server)
    deadline = time.monotonic() + PATIENCE
    sung = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "canary"}}
    while True:
        answer = client.request("POST", "api/v1/namespaces/default/configmaps?dryRun=All", sung)
        if denial(answer) == "tweet":
            break
        assert time.monotonic() < deadline, f"the policies are not obeyed: {answer.message}"
        # Nothing tells when a policy is in force, hence a short poll.
        time.sleep(0.1)
    client.close()
