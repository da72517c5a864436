"""Two projects and two nodes on a real API server with everybody in them, and a request for each cell of the table."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from orlop_api.definition import DEFINITIONS
from orlop_api.hypervisor import HYPERVISOR_LABEL, node_namespace
from orlop_api.requester import Requester, from_user_info
from orlop_operator.kinds import Node
from orlop_operator.reconcile.effects import Create, Ensure, InOrder
from orlop_operator.reconcile.hypervisor import HypervisorFacts, plan_hypervisor
from support.access import ALL, OTHER_PROJECT, PLATFORM, PROJECT, STATUS, TABLES, USERS, Verbs
from support.manifests import Manifest, changed, right
from support.orders import Order, done
from support.policies import OPERATOR, agent_account
from support.rest import Answer, Rest, User, collection_of
from support.rights import Right, bind, wait_for

HOME, AWAY = (f"access-{place}-{secrets.token_hex(3)}" for place in ("home", "away"))
NODE, OTHER = (f"access-{place}-{secrets.token_hex(3)}" for place in ("node", "other"))
_PLURALS = {d.kind: d.plural for d in DEFINITIONS}
_ORLOP = "apis/orlop.dev/v1alpha1"
_LABEL = {"metadata": {"labels": {"asked": "yes"}}}


@dataclass(frozen=True)
class Target:
    """One object that is there, and how its like is made."""

    collection: str
    there: Manifest
    new: Callable[[Requester], Manifest]
    """What a user would create."""
    verbs: Verbs = ALL
    status: Manifest | None = None
    """What its writer may set its status to."""
    group: str = ""


@dataclass(frozen=True)
class World:
    """Who is there, and what."""

    admin: Rest
    clients: dict[str, Rest]
    requesters: dict[str, Requester]
    targets: dict[tuple[str, str], Target]


def world(admin: Rest) -> World:
    """Make it all; names are unique, so that other tests on this API server stay apart."""
    for name in (HOME, AWAY):
        done(admin.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
    clients = {"node": _node(admin, NODE), "other node": _node(admin, OTHER)}
    clients["operator"], clients["DaemonSet"] = admin.acting(OPERATOR), admin.acting(agent_account(NODE))
    clients["anonymous"] = admin.acting(User("system:anonymous", ("system:unauthenticated",)))
    roles = {"viewer": HOME, "editor": HOME, "admin": HOME, "other tenant": AWAY}
    for user in ("logged in", *roles):
        name = f"{user.replace(' ', '-')}-{secrets.token_hex(3)}"
        if user in roles:
            role = "orlop-admin" if user == "other tenant" else f"orlop-{user}"
            bind(admin, roles[user], role, name, Right("get", "instances"))
        wait_for(admin, name, Right("use", "flavors"))
        clients[user] = admin.acting(User(name))
    requesters = {user: _requester(client) for user, client in clients.items()}
    assert set(clients) == set(USERS)
    targets = _projects(admin) | {(PLATFORM, what): target for what, target in _platform(admin).items()}
    assert {(table, what) for table, rows in TABLES.items() for what in rows} == set(targets)
    return World(admin, clients, requesters, targets)


def _requester(client: Rest) -> Requester:
    """Whom the API server takes this client for; nobody in particular where it does not say."""
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    answer = client.request("POST", "apis/authentication.k8s.io/v1/selfsubjectreviews", review)
    return from_user_info(answer.body["status"]["userInfo"]) if answer.status == 201 else Requester("nobody")


def _node(admin: Rest, name: str) -> Rest:
    """A node as the operator's own plan prepares it, and requests with its account's token, as its agent has it."""
    operator = admin.acting(OPERATOR)
    made = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {HYPERVISOR_LABEL: "true"}},
    }
    answer = admin.create(made)
    done(answer)
    facts = HypervisorFacts(name, datetime.now(UTC), Node.model_validate(answer.body))
    [steps] = plan_hypervisor(facts).effects
    assert isinstance(steps, InOrder)
    for step in steps.effects:
        if isinstance(step, Ensure):
            done(operator.request("POST", step.path.removeprefix("/"), step.body))
        else:
            assert isinstance(step, Create)
            done(operator.create(step.body))
    minted = admin.request("POST", _tokens(name), _token_of(name, answer.body["metadata"]["uid"]))
    done(minted)
    return admin.bearing(minted.body["status"]["token"])


def _tokens(node: str) -> str:
    return f"api/v1/namespaces/orlop-nodes/serviceaccounts/{node}/token"


def _token_of(node: str, uid: str) -> Manifest:
    reference = {"apiVersion": "v1", "kind": "Node", "name": node, "uid": uid}
    spec = {"boundObjectRef": reference, "expirationSeconds": 3600}
    return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}


def _renamed(made: Manifest) -> Callable[[Requester], Manifest]:
    return lambda _: changed(made, {"metadata.name": f"new-{secrets.token_hex(3)}"})


def _projects(admin: Rest) -> dict[tuple[str, str], Target]:
    """Every kind of users in both projects."""
    administrator, targets = _requester(admin), {}
    for table, namespace in ((PROJECT, HOME), (OTHER_PROJECT, AWAY)):
        for kind in TABLES[table]:
            made = right(kind, "asked", namespace)

            def new(who: Requester, made: Manifest = made) -> Manifest:
                another = _renamed(made)(who)
                recorded = {"metadata.annotations": who.annotations()}
                return changed(another, recorded if made["kind"] == "Instance" else {})

            recorded = {"metadata.annotations": administrator.annotations()} if kind == "Instance" else {}
            done(admin.create(changed(made, recorded)))
            collection = f"{_ORLOP}/namespaces/{namespace}/{_PLURALS[kind]}"
            targets[table, kind] = Target(collection, made, new, ALL | STATUS, {}, "orlop.dev")
    return targets


def _platform(admin: Rest) -> dict[str, Target]:
    """What is no project's, or Kubernetes' own; what is not there yet is made."""

    def target(made: Manifest, **more: Any) -> Target:
        collection = collection_of(made)
        if admin.get(made).status == 404:
            done(admin.create(made))
        return Target(collection, made, more.pop("new", _renamed(made)), **more)

    def core(kind: str, namespace: str, api: str = "v1", **body: Any) -> Manifest:
        metadata = {"name": "asked", "namespace": namespace}
        return {"apiVersion": api, "kind": kind, "metadata": metadata, **body}

    plain, lease = ALL - {"use"}, core("Lease", "orlop-nodes", "coordination.k8s.io/v1", spec={})
    lease["metadata"]["name"] = NODE
    unbound, bound = Order(admin), Order(admin)
    done(unbound.create())
    done(bound.create())
    done(bound.bind(NODE))
    starting = {"observedGeneration": bound.generation, "epoch": bound.epoch, "state": "Starting"}
    at_once = {"spec.nodeName": NODE, "spec.epoch": 1}
    rbac = "rbac.authorization.k8s.io"
    role = {"apiGroup": rbac, "kind": "ClusterRole", "name": "orlop-viewer"}
    # No controller makes it here, and without it no Pod is let in, whoever asks.
    done(admin.create(core("ServiceAccount", HOME) | {"metadata": {"name": "default", "namespace": HOME}}))
    pod = {"automountServiceAccountToken": False, "containers": [{"name": "a", "image": "a"}]}
    node = right("Flavor", NODE) | {"apiVersion": "v1", "kind": "Node", "spec": {}}
    token = _token_of(NODE, admin.get(node).body["metadata"]["uid"])
    foreign = changed(token, {"spec.boundObjectRef.name": OTHER})
    mint = frozenset({"create"})
    return {
        "Flavor": target(right("Flavor", "asked"), group="orlop.dev"),
        "Aggregate": target(right("Aggregate", "asked"), verbs=plain | STATUS, status={}),
        "VolumeClass": target(right("VolumeClass", "asked"), group="orlop.dev"),
        "Hypervisor, the node's": target(
            right("Hypervisor", NODE), verbs=plain | STATUS, status={"bootID": "b"}
        ),
        "Assignment, nowhere yet": target(
            unbound.manifest, new=lambda _: Order(admin).manifest, verbs=plain | STATUS, status=starting
        ),
        "Assignment, on the node": target(
            bound.manifest,
            new=lambda _: changed(Order(admin).manifest, at_once),
            verbs=plain | STATUS,
            status=starting | {"bootID": "b", "startID": "s"},
        ),
        "Claim": target(right("Claim", "asked", "orlop-system"), verbs=plain),
        "Lease, the node's": target(lease, new=lambda _: lease, verbs=plain),
        "Secret for the node": target(core("Secret", node_namespace(NODE)), verbs=plain),
        "Secret of the project": target(core("Secret", HOME), verbs=plain),
        "Secret of the platform": target(core("Secret", "orlop-system"), verbs=plain),
        "token of the node's account": Target(_tokens(NODE), token, lambda _: token, mint),
        "token of another node's account": Target(_tokens(OTHER), foreign, lambda _: foreign, mint),
        "RoleBinding of the project": target(
            core("RoleBinding", HOME, f"{rbac}/v1", roleRef=role), verbs=plain
        ),
        "Pod of the project": target(core("Pod", HOME, spec=pod), verbs=frozenset({"create", "get", "list"})),
        "Node": target(node, verbs=plain),
    }


def allowed(world: World, user: str, target: Target, verb: str) -> bool:
    """Ask the API server as that user; nothing is changed. An answer that is neither yes nor no is an error."""
    client = world.clients[user]
    path = f"{target.collection}/{target.there['metadata'].get('name')}" if "metadata" in target.there else ""
    dry, merge = "?dryRun=All", "application/merge-patch+json"
    match verb:
        case "get":
            answer = client.request("GET", path)
        case "list":
            answer = client.request("GET", target.collection)
        case "watch":
            # With an option that a watch cannot have: whoever may watch is told that, and no stream has to be ended.
            answer = client.request("GET", f"{target.collection}?watch=1&resourceVersionMatch=Exact")
            return _said(answer, 422)
        case "create":
            new = target.new(world.requesters[user])
            answer = client.request("POST", f"{target.collection}{dry}", new)
            return _said(answer, 409)
        case "update":
            seen = world.admin.request("GET", path).body
            answer = client.request("PUT", path + dry, changed(seen, {"metadata.labels": {"asked": "yes"}}))
        case "patch":
            answer = client.request("PATCH", path + dry, _LABEL, merge)
        case "status":
            answer = client.request("PATCH", f"{path}/status{dry}", {"status": target.status}, merge)
        case "delete":
            answer = client.request("DELETE", path + dry)
        case "deletecollection":
            answer = client.request("DELETE", f"{target.collection}{dry}&labelSelector=asked%3Dnever")
        case "use":
            return _may_use(client, target)
    return _said(answer)


def _said(answer: Answer, as_good: int = 200) -> bool:
    if answer.status in (200, 201, as_good):
        return True
    assert answer.status in (401, 403), f"neither yes nor no: {answer.status} {answer.message}"
    return False


def _may_use(client: Rest, target: Target) -> bool:
    metadata = target.there["metadata"]
    attributes = {"verb": "use", "group": target.group, "resource": target.collection.rpartition("/")[2]}
    attributes |= {"namespace": metadata.get("namespace", ""), "name": metadata["name"]}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    answer = client.request("POST", "apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    return _said(answer) and bool(answer.body["status"]["allowed"])
