"""What a thief tries who has a node's tokens: requests that must all be refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from support.rest import Answer, Rest

_ORLOP = "apis/orlop.dev/v1alpha1"
_MERGE = "application/merge-patch+json"


@dataclass(frozen=True)
class Scene:
    """Names of what is there: the thief's node, the victim's, and what the victim has."""

    node: str
    node_uid: str
    other: str
    other_namespace: str
    copied: str
    """The Secret there that the other's guest needs."""
    project: str
    instance: str
    assignment: str
    secret: str
    port: str


@dataclass(frozen=True)
class Try:
    """One request; `pod` is by the token of the agent's pod, the others by that of the node's account."""

    what: str
    method: str
    path: str
    body: Any = None
    pod: bool = False
    headers: tuple[tuple[str, str], ...] = ()

    def by(self, client: Rest) -> Answer:
        """Send it."""
        kind = _MERGE if self.method == "PATCH" else "application/json"
        return client.request(self.method, self.path, self.body, kind, self.headers)


def _get(what: str, path: str, **more: Any) -> Try:
    return Try(what, "GET", path, **more)


def _patch(what: str, path: str, body: Any, **more: Any) -> Try:
    return Try(what, "PATCH", path, body, **more)


def _made(kind: str, version: str, name: str, **body: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, **body}


def _token(node: str, uid: str, seconds: int = 3600) -> dict[str, Any]:
    bound = {"apiVersion": "v1", "kind": "Node", "name": node, "uid": uid}
    spec = {"boundObjectRef": bound, "expirationSeconds": seconds}
    return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}


def tries(scene: Scene) -> list[Try]:
    """All of them."""
    return [*_reads(scene), *_orders(scene), *_tenants(scene), *_climbs(scene), *_impersonations(scene)]


def _reads(scene: Scene) -> list[Try]:
    secrets = "api/v1/namespaces/{}/secrets"
    project = f"{_ORLOP}/namespaces/{scene.project}"
    return [
        _get("Secrets for the other node", secrets.format(scene.other_namespace)),
        _get(
            "the Secret of the other node's guest",
            f"{secrets.format(scene.other_namespace)}/{scene.assignment}",
        ),
        _get("the tenant's Secret", f"{secrets.format(scene.project)}/{scene.secret}"),
        _get("all Secrets", "api/v1/secrets"),
        _get("the authority of nodes", f"{secrets.format('orlop-system')}/orlop-node-authority"),
        _get("the webhook's key", f"{secrets.format('orlop-system')}/orlop-webhook-certificate"),
        _get("the tenant's Secret, by the pod", f"{secrets.format(scene.project)}/{scene.secret}", pod=True),
        _get("Secrets for the other node, by the pod", secrets.format(scene.other_namespace), pod=True),
        _get("the platform's Secrets, by the pod", secrets.format("orlop-system"), pod=True),
        _get("all Instances", f"{_ORLOP}/instances"),
        _get("one Instance", f"{project}/instances/{scene.instance}"),
        _get("Images", f"{project}/images"),
        _get("Volumes", f"{project}/volumes"),
        _get("VolumeSnapshots", f"{project}/volumesnapshots"),
        _get("KeyPairs", f"{project}/keypairs"),
        _get("Claims", f"{_ORLOP}/claims"),
        _get("Assignments, by the pod", f"{_ORLOP}/assignments", pod=True),
        _get("pods", "api/v1/pods"),
        _get("nodes", "api/v1/nodes"),
        _get("configuration of the platform", "api/v1/namespaces/orlop-system/configmaps"),
        _get("service accounts", "api/v1/namespaces/orlop-nodes/serviceaccounts"),
        _get("role bindings", "apis/rbac.authorization.k8s.io/v1/rolebindings"),
        _get("logs of a kubelet", f"api/v1/nodes/{scene.node}/proxy/logs/"),
    ]


def _orders(scene: Scene) -> list[Try]:
    assignments = f"{_ORLOP}/namespaces/orlop-assignments/assignments"
    theirs = f"{assignments}/{scene.assignment}"
    hypervisors = f"{_ORLOP}/hypervisors"
    leases = "apis/coordination.k8s.io/v1/namespaces/{}/leases"
    bound = {"nodeName": scene.node, "epoch": 2}
    released = {"status": {"epoch": 1, "state": "Released"}}
    ready = [{"type": "Ready", "status": "True", "reason": "AgentAlive", "message": ""}]
    order = {
        "instance": {
            "namespace": scene.project,
            "name": "forged",
            "uid": "d2a84f5e-0000-4000-8000-00000000000f",
        },
        "vcpus": 1,
        "memoryBytes": 64 << 20,
        "rootDiskBytes": 1 << 30,
        "nodeName": scene.node,
        "epoch": 1,
    }
    forged = _made("Assignment", "orlop.dev/v1alpha1", "d2a84f5e-0000-4000-8000-00000000000f", spec=order)
    lease = _made(
        "Lease", "coordination.k8s.io/v1", f"{scene.other}-second", spec={"holderIdentity": "thief"}
    )
    return [
        _patch("say that the other's guest is released", f"{theirs}/status", released),
        _patch("bind the other's Instance to itself", theirs, {"spec": bound}),
        _patch("have the other's guest purged", theirs, {"spec": {"desired": "Purged"}}),
        Try("delete the other's Assignment", "DELETE", theirs),
        Try("order itself a guest", "POST", assignments, forged),
        Try("delete all Assignments", "DELETE", assignments),
        _patch(
            "speak for the other Hypervisor",
            f"{hypervisors}/{scene.other}/status",
            {"status": {"bootID": "x"}},
        ),
        _patch("call itself Ready", f"{hypervisors}/{scene.node}/status", {"status": {"conditions": ready}}),
        _patch("order itself an import", f"{hypervisors}/{scene.node}", {"spec": {"imports": []}}),
        Try("delete the other Hypervisor", "DELETE", f"{hypervisors}/{scene.other}"),
        _patch(
            "keep the other alive",
            f"{leases.format('orlop-nodes')}/{scene.other}",
            {"spec": {"holderIdentity": "thief"}},
        ),
        Try("a Lease of another name", "POST", leases.format("orlop-nodes"), lease),
        Try("delete the other's Lease", "DELETE", f"{leases.format('orlop-nodes')}/{scene.other}"),
        _patch(
            "take the operator's election",
            f"{leases.format('orlop-system')}/orlop-operator",
            {"spec": {"holderIdentity": "thief"}},
        ),
        _patch(
            "a Lease of Kubernetes' nodes", f"{leases.format('kube-node-lease')}/{scene.other}", {"spec": {}}
        ),
    ]


def _tenants(scene: Scene) -> list[Try]:
    project = f"{_ORLOP}/namespaces/{scene.project}"
    claim = _made("Claim", "orlop.dev/v1alpha1", "forged", spec={})
    started = {"spec": {"powerState": "Stopped"}}
    return [
        _patch("stop the tenant's Instance", f"{project}/instances/{scene.instance}", started),
        _patch("write the Instance's status", f"{project}/instances/{scene.instance}/status", {"status": {}}),
        Try("delete the tenant's Instance", "DELETE", f"{project}/instances/{scene.instance}"),
        Try(
            "create an Instance",
            "POST",
            f"{project}/instances",
            _made("Instance", "orlop.dev/v1alpha1", "x", spec={}),
        ),
        _patch(
            "give the Port another MAC",
            f"{project}/ports/{scene.port}/status",
            {"status": {"macAddress": "02:00:00:00:00:01"}},
        ),
        Try("delete the Port", "DELETE", f"{project}/ports/{scene.port}"),
        Try(
            "a Port of its own", "POST", f"{project}/ports", _made("Port", "orlop.dev/v1alpha1", "x", spec={})
        ),
        _patch("change the Network", f"{project}/networks/blue", {"spec": {"egress": "None"}}),
        Try(
            "open a SecurityGroup",
            "POST",
            f"{project}/securitygroups",
            _made("SecurityGroup", "orlop.dev/v1alpha1", "default", spec={}),
        ),
        Try("claim an address", "POST", f"{_ORLOP}/namespaces/orlop-system/claims", claim),
    ]


def _climbs(scene: Scene) -> list[Try]:
    rbac = "apis/rbac.authorization.k8s.io/v1"
    tokens = "api/v1/namespaces/{}/serviceaccounts/{}/token"
    pod = _made("Pod", "v1", "thief", spec={"hostPID": True, "containers": [{"name": "a", "image": "a"}]})
    binding = {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": scene.node, "namespace": "orlop-nodes"}],
    }
    everything = _made("ClusterRoleBinding", "rbac.authorization.k8s.io/v1", "thief", **binding)
    webhooks = "apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/orlop"
    networks = "api/v1/namespaces/orlop-system/configmaps/orlop-cluster-networks"
    policies = "apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/orlop-node-fence"
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": "x", "resourceAttributes": {"verb": "get", "resource": "secrets"}},
    }
    reviews = "apis/authorization.k8s.io/v1/subjectaccessreviews"
    own = _token(scene.node, scene.node_uid)
    return [
        Try("a pod beside the operator", "POST", "api/v1/namespaces/orlop-system/pods", pod),
        Try("a pod of the tenant", "POST", f"api/v1/namespaces/{scene.project}/pods", pod),
        Try("a pod, by the pod", "POST", "api/v1/namespaces/orlop-system/pods", pod, pod=True),
        Try("the role cluster-admin", "POST", f"{rbac}/clusterrolebindings", everything),
        Try("the role cluster-admin, by the pod", "POST", f"{rbac}/clusterrolebindings", everything, pod=True),
        Try("a token of the other node", "POST", tokens.format("orlop-nodes", scene.other), own),
        Try("its own token anew", "POST", tokens.format("orlop-nodes", scene.node), own),
        Try("the operator's token", "POST", tokens.format("orlop-system", "orlop-operator"), own),
        Try("a token of the other node, by the pod", "POST", tokens.format("orlop-nodes", scene.other), own, pod=True),
        Try("the operator's token, by the pod", "POST", tokens.format("orlop-system", "orlop-operator"), own, pod=True),
        Try(
            "a token for a week, by the pod", "POST", tokens.format("orlop-nodes", scene.node),
            _token(scene.node, scene.node_uid, 7 * 86400), pod=True,
        ),
        Try(
            "a token that outlives its node, by the pod", "POST", tokens.format("orlop-nodes", scene.node),
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}, pod=True,
        ),
        Try("take the fence away", "DELETE", policies),
        _patch("open the webhook", webhooks, {"webhooks": []}),
        _patch("label its Node", f"api/v1/nodes/{scene.node}", {"metadata": {"labels": {"zone": "a"}}}),
        Try("ask what others may", "POST", reviews, review),
        _patch("call addresses no cluster's", networks, {"data": {}}),
        Try("a namespace", "POST", "api/v1/namespaces", _made("Namespace", "v1", "orlop-node-thief")),
    ]  # fmt: skip


def _impersonations(scene: Scene) -> list[Try]:
    def as_(user: str, *groups: str) -> tuple[tuple[str, str], ...]:
        return (("Impersonate-User", user), *(("Impersonate-Group", group) for group in groups))

    secrets = f"api/v1/namespaces/{scene.project}/secrets"
    accounts = "system:serviceaccount"
    return [
        _get("Secrets as an administrator", secrets, headers=as_("root", "system:masters")),
        _get("Secrets as the operator", secrets, headers=as_(f"{accounts}:orlop-system:orlop-operator")),
        _get("Secrets as the other node", secrets, headers=as_(f"{accounts}:orlop-nodes:{scene.other}")),
        _get(
            "Secrets as the other kubelet", secrets, headers=as_(f"system:node:{scene.other}", "system:nodes")
        ),
        _get(
            "Secrets as an administrator, by the pod",
            secrets,
            headers=as_("root", "system:masters"),
            pod=True,
        ),
    ]
