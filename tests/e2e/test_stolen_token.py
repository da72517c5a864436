"""Root of one node has its agent's tokens: they open nothing of another node, of a tenant or of the platform."""

import base64
import json

import pytest

from orlop_api.hypervisor import node_namespace
from support.door import door
from support.lab import NAMESPACE
from support.rest import Answer, Rest
from support.thefts import Scene, tries

pytestmark = pytest.mark.e2e
# The kernel shows root another process's files; in brackets, or the shell that runs this would be meant too.
STEAL = "pid=$(pgrep -o -f '[/]orlop-agent'); cat /proc/${pid}/root/run/secrets/kubernetes.io/serviceaccount/token"


def minted(thief: Rest, node: str, uid: str) -> Answer:
    bound = {"apiVersion": "v1", "kind": "Node", "name": node, "uid": uid}
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"boundObjectRef": bound},
    }
    return thief.request("POST", f"api/v1/namespaces/orlop-nodes/serviceaccounts/{node}/token", body)


def victim(cluster, node: str) -> dict:
    """A guest of the other node that has a Secret."""
    script = {"user-data": base64.b64encode(b"#!/bin/sh\necho SECRET\n").decode()}
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "victim", "namespace": NAMESPACE}}
    cluster.apply(secret | {"data": script})
    placement = {"nodeSelector": {"kubernetes.io/hostname": node}}
    data = {"secretRef": {"name": "victim", "key": "user-data"}}
    return cluster.create("victim", placement=placement, userData=data)


def test_a_stolen_token_opens_nothing_else(cluster, tmp_path):
    node, other = cluster.workers
    instance = victim(cluster, other)
    uid = instance["metadata"]["uid"]
    order = cluster.get("assignment", uid, "orlop-assignments")
    node_uid = cluster.get("node", node)["metadata"]["uid"]
    cluster.get("oport", "victim-eth0", NAMESPACE)
    scene = Scene(
        node=node,
        node_uid=node_uid,
        other=other,
        other_namespace=node_namespace(other),
        copied=order["spec"]["secret"]["name"],
        project=NAMESPACE,
        instance="victim",
        assignment=uid,
        secret="victim",  # noqa: S106 - its name
        port="victim-eth0",
    )
    outside = Rest(door(cluster, tmp_path))
    pod = outside.bearing(cluster.on_node(node, "sh", "-c", STEAL).strip())
    answer = minted(pod, node, node_uid)
    assert answer.status == 201, answer.message
    thief = outside.bearing(answer.body["status"]["token"])
    # Both tokens are good, for what is theirs: else the refusals below would show nothing.
    hypervisor = f"apis/orlop.dev/v1alpha1/hypervisors/{node}"
    assert thief.request("GET", hypervisor).status == 200
    assert (
        thief.request("GET", f"apis/orlop.dev/v1alpha1/namespaces/orlop-assignments/assignments/{uid}").status
        == 200
    )
    own = thief.request("GET", f"api/v1/namespaces/{node_namespace(node)}/secrets/none")
    assert own.status == 404, own.message

    listed = tries(scene)
    assert len(listed) >= 60
    answers = [(each, each.by(pod if each.pod else thief)) for each in listed]
    let_in = [
        f"{each.what}: {answer.status} {answer.message}" for each, answer in answers if answer.status != 403
    ]
    assert let_in == []
    after = cluster.get("assignment", uid, "orlop-assignments")
    assert (after["metadata"]["uid"], after["spec"]) == (order["metadata"]["uid"], order["spec"])
    assert after["status"]["state"] == "Running"
    assert b"SECRET" not in json.dumps([answer.body for _, answer in answers]).encode()
    outside.close()
    cluster.delete("victim")
    cluster.delete("victim", kind="secret")
