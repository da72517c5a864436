"""The manifests, as a real API server takes them: everything applies, and nobody may more than is needed."""

import json

import pytest
import yaml

from orlop_cluster.apiserver import ApiServer
from orlop_cluster.process import StepError

from .conftest import OVERLAY

pytestmark = pytest.mark.component

OPERATOR = "system:serviceaccount:orlop-system:orlop-operator"
AGENT = "system:serviceaccount:orlop-system:orlop-agent"
NODE = "system:serviceaccount:orlop-nodes:worker"
GROUPS = {
    OPERATOR: ["system:serviceaccounts", "system:serviceaccounts:orlop-system"],
    AGENT: ["system:serviceaccounts", "system:serviceaccounts:orlop-system"],
    NODE: ["system:serviceaccounts", "system:serviceaccounts:orlop-nodes"],
}


@pytest.fixture(scope="module")
def objects(installed: ApiServer) -> list[dict]:
    return list(yaml.safe_load_all(installed.kubectl("kustomize", str(OVERLAY))))


def pod_of(objects: list[dict], kind: str, name: str) -> dict:
    [found] = [o for o in objects if o["kind"] == kind and o["metadata"]["name"] == name]
    return found["spec"]["template"]["spec"]


def test_applies_twice_without_a_change(installed: ApiServer) -> None:
    installed.kubectl("diff", "--server-side", "-k", str(OVERLAY))


def test_no_wildcards(objects: list[dict]) -> None:
    for role in (o for o in objects if o["kind"] in {"Role", "ClusterRole"}):
        for rule in role.get("rules", []):
            assert "*" not in [*rule["verbs"], *rule.get("resources", []), *rule.get("apiGroups", [])], role
            assert "nonResourceURLs" not in rule


def test_the_operator_s_pod_can_do_little(objects: list[dict]) -> None:
    pod = pod_of(objects, "Deployment", "orlop-operator")
    [container] = pod["containers"]
    assert container["image"] == "localhost/orlop-operator:dev"
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"readinessProbe", "livenessProbe", "resources"} <= container.keys()
    assert not any("hostPath" in volume for volume in pod["volumes"])


def test_the_agent_sees_the_node_s_own_paths(objects: list[dict]) -> None:
    pod = pod_of(objects, "DaemonSet", "orlop-agent")
    [container] = pod["containers"]
    assert (pod["hostNetwork"], pod["hostPID"]) == (True, True)
    assert pod["nodeSelector"] == {"orlop.dev/hypervisor": "true"}
    on_node = {v["name"]: v["hostPath"]["path"] for v in pod["volumes"] if "hostPath" in v}
    in_pod = {m["name"]: m["mountPath"] for m in container["volumeMounts"] if m["name"] in on_node}
    assert on_node == in_pod, "one path for agent, libvirt and node"
    assert set(on_node.values()) == {
        "/run/libvirt", "/run/netns", "/run/orlop", "/run/tgtd", "/var/lib/libvirt/swtpm", "/var/lib/orlop",
        "/var/log/orlop",
    }  # fmt: skip
    [netns] = [m for m in container["volumeMounts"] if m["mountPath"] == "/run/netns"]
    assert netns["mountPropagation"] == "HostToContainer"


def allowed(server: ApiServer, questions: list[tuple[str, str, str, str, str]]) -> list[bool]:
    """SubjectAccessReviews of (user, verb, resource[.group][/subresource], namespace, name), in one call."""
    reviews = []
    for user, verb, what, namespace, name in questions:
        plural, _, subresource = what.partition("/")
        resource, _, group = plural.partition(".")
        attributes = {"verb": verb, "resource": resource, "group": group, "subresource": subresource}
        reviews.append(
            {
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SubjectAccessReview",
                "spec": {
                    "user": user,
                    "groups": GROUPS[user],
                    "resourceAttributes": {**attributes, "namespace": namespace, "name": name},
                },
            }
        )
    answer = server.kubectl("create", "-f", "-", "-o", "json", stdin=yaml.safe_dump_all(reviews))
    decoder, answers, rest = json.JSONDecoder(), [], answer.strip()
    while rest:
        one, end = decoder.raw_decode(rest)
        answers += one.get("items", [one])
        rest = rest[end:].strip()
    return [review["status"]["allowed"] for review in answers]


MAY = [
    (OPERATOR, "watch", "instances.orlop.dev", "", ""),
    (OPERATOR, "patch", "instances.orlop.dev/status", "demo", "web"),
    (OPERATOR, "patch", "instances.orlop.dev", "demo", "web"),
    (OPERATOR, "create", "ports.orlop.dev", "demo", ""),
    (OPERATOR, "create", "claims.orlop.dev", "orlop-system", ""),
    (OPERATOR, "create", "assignments.orlop.dev", "orlop-assignments", ""),
    (OPERATOR, "patch", "assignments.orlop.dev", "orlop-assignments", "x"),
    (OPERATOR, "create", "hypervisors.orlop.dev", "", ""),
    (OPERATOR, "get", "secrets", "demo", "cloud-init"),
    (OPERATOR, "create", "subjectaccessreviews.authorization.k8s.io", "", ""),
    (OPERATOR, "create", "serviceaccounts", "orlop-nodes", ""),
    (OPERATOR, "update", "leases.coordination.k8s.io", "orlop-system", "orlop-operator"),
    (OPERATOR, "patch", "secrets", "orlop-system", "orlop-webhook-certificate"),
    (OPERATOR, "patch", "secrets", "orlop-system", "orlop-node-authority"),
    (OPERATOR, "patch", "mutatingwebhookconfigurations.admissionregistration.k8s.io", "", "orlop"),
    (OPERATOR, "bind", "clusterroles.rbac.authorization.k8s.io", "", "orlop-node-secrets"),
    (AGENT, "create", "serviceaccounts/token", "orlop-nodes", "worker"),
    (NODE, "watch", "assignments.orlop.dev", "orlop-assignments", ""),
    (NODE, "patch", "assignments.orlop.dev/status", "orlop-assignments", "x"),
    (NODE, "watch", "hypervisors.orlop.dev", "", ""),
    (NODE, "patch", "hypervisors.orlop.dev/status", "", "worker"),
    (NODE, "watch", "ports.orlop.dev", "", ""),
    (NODE, "create", "leases.coordination.k8s.io", "orlop-nodes", ""),
    (NODE, "patch", "leases.coordination.k8s.io", "orlop-nodes", "worker"),
]
MAY_NOT = [
    (OPERATOR, "list", "secrets", "demo", ""),
    (OPERATOR, "create", "secrets", "demo", ""),
    (OPERATOR, "delete", "secrets", "orlop-system", "orlop-webhook-certificate"),
    (OPERATOR, "update", "instances.orlop.dev", "demo", "web"),
    (OPERATOR, "create", "instances.orlop.dev", "demo", ""),
    (OPERATOR, "delete", "instances.orlop.dev", "demo", "web"),
    (OPERATOR, "delete", "volumes.orlop.dev", "demo", "data"),
    (OPERATOR, "patch", "assignments.orlop.dev/status", "orlop-assignments", "x"),
    (OPERATOR, "create", "assignments.orlop.dev", "demo", ""),
    (OPERATOR, "create", "claims.orlop.dev", "demo", ""),
    (OPERATOR, "create", "pods", "orlop-system", ""),
    (OPERATOR, "patch", "nodes", "", "worker"),
    (OPERATOR, "create", "serviceaccounts/token", "orlop-nodes", "worker"),
    (OPERATOR, "bind", "clusterroles.rbac.authorization.k8s.io", "", "cluster-admin"),
    (OPERATOR, "escalate", "clusterroles.rbac.authorization.k8s.io", "", "orlop-node"),
    (OPERATOR, "impersonate", "users", "", "alice"),
    (OPERATOR, "patch", "mutatingwebhookconfigurations.admissionregistration.k8s.io", "", "other"),
    (AGENT, "create", "serviceaccounts/token", "orlop-system", "orlop-operator"),
    (AGENT, "get", "secrets", "orlop-system", "orlop-webhook-certificate"),
    (AGENT, "get", "secrets", "orlop-system", "orlop-node-authority"),
    (NODE, "get", "secrets", "orlop-system", "orlop-node-authority"),
    (AGENT, "list", "assignments.orlop.dev", "orlop-assignments", ""),
    (AGENT, "get", "nodes", "", "worker"),
    (NODE, "patch", "assignments.orlop.dev", "orlop-assignments", "x"),
    (NODE, "create", "assignments.orlop.dev", "orlop-assignments", ""),
    (NODE, "delete", "assignments.orlop.dev", "orlop-assignments", "x"),
    (NODE, "patch", "hypervisors.orlop.dev", "", "worker"),
    (NODE, "get", "instances.orlop.dev", "demo", "web"),
    (NODE, "get", "images.orlop.dev", "demo", "debian"),
    (NODE, "get", "volumes.orlop.dev", "demo", "data"),
    (NODE, "get", "secrets", "demo", "cloud-init"),
    (NODE, "get", "secrets", "orlop-node-0123456789abcdef", "x"),
    (NODE, "get", "nodes", "", "worker"),
    (NODE, "create", "serviceaccounts/token", "orlop-nodes", "worker"),
    (NODE, "delete", "leases.coordination.k8s.io", "orlop-nodes", "worker"),
]


def test_rights(installed: ApiServer) -> None:
    answers = dict(zip(MAY + MAY_NOT, allowed(installed, MAY + MAY_NOT), strict=True))
    assert [question for question in MAY if not answers[question]] == []
    assert [question for question in MAY_NOT if answers[question]] == []


def test_the_operator_binds_only_in_node_namespaces(installed: ApiServer) -> None:
    def bind(namespace: str, role: str) -> str:
        command = [
            "-n",
            namespace,
            "create",
            "rolebinding",
            "x",
            f"--clusterrole={role}",
            f"--user={OPERATOR}",
        ]
        return installed.kubectl(f"--as={OPERATOR}", *command)

    with pytest.raises(StepError, match="only for namespaces called orlop-node-…, not default"):
        bind("default", "orlop-operator-node-secrets")
    with pytest.raises(StepError, match="only for namespaces called orlop-node-…, not escape"):
        installed.kubectl(f"--as={OPERATOR}", "create", "namespace", "escape")
    installed.kubectl(f"--as={OPERATOR}", "create", "namespace", "orlop-node-0123")
    bind("orlop-node-0123", "orlop-operator-node-secrets")
    with pytest.raises(StepError, match="attempting to grant RBAC permissions not currently held"):
        bind("orlop-node-0123", "cluster-admin")
