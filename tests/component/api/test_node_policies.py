"""A node's own account, and how it comes by its token."""

import json
import uuid
from collections.abc import Iterator

import pytest

from support.manifests import right
from support.orders import Order, done
from support.policies import OPERATOR, agent_account, denial, node_account
from support.rest import Answer, Rest, User
from support.rights import RBAC, Right, wait_for

pytestmark = pytest.mark.component

NODES = ("orlop-nodes", "node-1"), ("orlop-nodes", "node-2"), ("kube-system", "node-1")


@pytest.fixture(scope="module")
def nodes(admin: Rest) -> dict[str, str]:
    """The uid of each of two Nodes, which have their accounts and Hypervisors."""
    uids = {}
    for name in ("node-1", "node-2"):
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
        uids[name] = admin.create(node).body["metadata"]["uid"]
        done(admin.create(right("Hypervisor", name)))
    for namespace, name in (*NODES, ("orlop-system", "orlop-agent")):
        account = {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": name, "namespace": namespace},
            "automountServiceAccountToken": False,
        }
        done(admin.create(account))
    return uids


@pytest.fixture
def node(admin: Rest, nodes: dict[str, str]) -> Rest:
    return admin.acting(node_account("node-1"))


def lease(name: str, namespace: str = "orlop-nodes") -> dict:
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"holderIdentity": name},
    }


def test_its_own_hypervisor_only(node: Rest) -> None:
    done(node.patch(right("Hypervisor", "node-1"), {"status": {"bootID": "a"}}, "status"))
    assert denial(node.patch(right("Hypervisor", "node-2"), {"status": {"bootID": "a"}}, "status")) == (
        "node node-1 may write only what is its own, not hypervisors/status node-2 of node node-2"
    )


def test_not_its_own_readiness(node: Rest, admin: Rest) -> None:
    ready = {"type": "Ready", "status": "True", "reason": "AgentReady"}
    manifest = right("Hypervisor", "node-1")
    said = "status.conditions of a Hypervisor is written by the operator"
    assert denial(node.patch(manifest, {"status": {"conditions": [ready]}}, "status")) == said
    operator = admin.acting(OPERATOR)
    done(operator.patch(manifest, {"status": {"conditions": [ready]}}, "status"))
    done(node.patch(manifest, {"status": {"poolID": "b"}}, "status"))
    assert denial(node.patch(manifest, {"status": {"conditions": None}}, "status")) == said


def test_its_own_lease_only(node: Rest, admin: Rest) -> None:
    done(node.create(lease("node-1")))
    done(node.patch(lease("node-1"), {"spec": {"renewTime": "2026-01-01T00:00:00.000000Z"}}))
    not_its_own = "node node-1 may write only what is its own, not leases node-2 of node node-2"
    assert denial(node.create(lease("node-2"))) == not_its_own
    done(admin.create(lease("node-2")))
    assert denial(node.patch(lease("node-2"), {"spec": {"holderIdentity": "node-1"}})) == not_its_own


def test_its_own_assignments_only(admin: Rest, nodes: dict[str, str]) -> None:
    order = Order(admin)
    done(order.create())
    done(order.bind("node-2"))
    assert denial(order.start("node-1")) == (
        f"node node-1 may write only what is its own, not assignments/status {order.uid} of node node-2"
    )
    done(order.start("node-2"))


@pytest.fixture
def almighty(admin: Rest) -> Iterator[User]:
    """node-1 with every right that a role can give: the policy must not depend on roles."""
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "almighty"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "node-1", "namespace": "orlop-nodes"}],
    }
    bindings = f"{RBAC}/clusterrolebindings"
    account = node_account("node-1")
    done(admin.request("POST", bindings, binding))
    wait_for(admin, account.name, Right("create", "claims"))
    yield account
    done(admin.request("DELETE", f"{bindings}/almighty"))


def test_nothing_else_even_with_every_role(admin: Rest, almighty: User, nodes: dict[str, str]) -> None:
    node = admin.acting(almighty)

    def only(what: str) -> str:
        return f"node node-1 may update its own assignments/status, hypervisors/status and Lease; not {what}"

    own = right("Hypervisor", "node-1")
    order = {"uid": "a", "action": "Delete", "location": {"local": {}}}
    assert denial(node.patch(own, {"spec": {"storage": [order]}})) == only("UPDATE hypervisors")
    assert denial(node.delete(own)) == only("DELETE hypervisors")
    assert denial(node.create(right("Flavor"))) == only("CREATE flavors")
    assert denial(node.create(right("Claim", namespace="orlop-system"))) == only("CREATE claims")
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "namespace": "default"}}
    assert denial(node.create(secret)) == only("CREATE secrets")
    taint = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}}
    assert denial(node.patch(taint, {"spec": {"unschedulable": True}})) == only("UPDATE nodes")
    assert denial(node.create(lease("node-1", "kube-system"))) == (
        "node node-1 may write only what is its own, not leases node-1 of no node"
    )
    assert denial(mint(node, "orlop-nodes", "node-2", {})) == only("CREATE serviceaccounts/token")


# The token


def mint(client: Rest, namespace: str, account: str, spec: dict) -> Answer:
    request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    return client.request("POST", f"api/v1/namespaces/{namespace}/serviceaccounts/{account}/token", request)


def bound_to(node: str, uid: str, seconds: int | None = 3600) -> dict:
    spec: dict = {"boundObjectRef": {"apiVersion": "v1", "kind": "Node", "name": node, "uid": uid}}
    return spec | ({"expirationSeconds": seconds} if seconds else {})


NOT_BOUND = "the token must be bound to the Node node-1 (spec.boundObjectRef)"


def test_an_agent_mints_for_its_own_node_only(admin: Rest, nodes: dict[str, str]) -> None:
    agent = admin.acting(agent_account("node-1"))
    good = bound_to("node-1", nodes["node-1"])
    assert denial(mint(agent, "orlop-nodes", "node-2", good)) == (
        "the agent on node-1 may mint tokens of orlop-nodes/node-1 only, not of orlop-nodes/node-2"
    )
    assert denial(mint(agent, "orlop-nodes", "node-1", bound_to("node-2", nodes["node-2"]))) == NOT_BOUND
    assert denial(mint(agent, "orlop-nodes", "node-1", {"expirationSeconds": 3600})) == NOT_BOUND
    long = bound_to("node-1", nodes["node-1"], 3601)
    assert denial(mint(agent, "orlop-nodes", "node-1", long)) == (
        "the token may live 3600 seconds at most (spec.expirationSeconds)"
    )
    # The role ends at the namespace already.
    assert mint(agent, "kube-system", "node-1", good).status == 403
    done(mint(agent, "orlop-nodes", "node-1", good))
    done(mint(agent, "orlop-nodes", "node-1", bound_to("node-1", nodes["node-1"], None)))


def test_a_token_that_names_no_node_mints_nothing(admin: Rest, nodes: dict[str, str]) -> None:
    agent = admin.acting(agent_account(None))
    assert denial(mint(agent, "orlop-nodes", "node-1", bound_to("node-1", nodes["node-1"]))) == (
        "the agent's token must be bound to a pod on a node (authentication.kubernetes.io/node-name)"
    )


def test_the_whole_way_with_real_tokens(admin: Rest, nodes: dict[str, str]) -> None:
    """Pod's token → node's token → own status; the API server itself says the node's name."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"agent-{uuid.uuid4()}", "namespace": "orlop-system"},
        "spec": {
            "serviceAccountName": "orlop-agent",
            "nodeName": "node-1",
            "containers": [{"name": "agent", "image": "agent"}],
        },
    }
    made = admin.request("POST", "api/v1/namespaces/orlop-system/pods", pod)
    done(made)
    reference = {"apiVersion": "v1", "kind": "Pod", **{k: made.body["metadata"][k] for k in ("name", "uid")}}
    first = mint(admin, "orlop-system", "orlop-agent", {"boundObjectRef": reference})
    done(first)
    agent = admin.bearing(first.body["status"]["token"])
    second = mint(agent, "orlop-nodes", "node-1", bound_to("node-1", nodes["node-1"]))
    done(second)
    assert denial(mint(agent, "orlop-nodes", "node-2", bound_to("node-2", nodes["node-2"]))).startswith(
        "the agent on node-1 may mint tokens of orlop-nodes/node-1 only"
    )
    node = admin.bearing(second.body["status"]["token"])
    done(node.patch(right("Hypervisor", "node-1"), {"status": {"bootID": "real"}}, "status"))
    assert denial(
        node.patch(right("Hypervisor", "node-2"), {"status": {"bootID": "real"}}, "status")
    ).endswith("of node node-2")
    # The pod's own token is good for nothing but the minting.
    assert agent.patch(right("Hypervisor", "node-1"), {"status": {"bootID": "x"}}, "status").status == 403
    assert node.request("GET", "api/v1/namespaces/orlop-system/secrets").status == 403
    assert json.dumps(second.body["status"]["expirationTimestamp"])
