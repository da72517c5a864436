"""No operator, so no webhook: nothing new comes in, nothing forged, and what runs goes on."""

import contextlib
import json

import pytest

from orlop_api.requester import Requester, from_user_info
from orlop_cluster.lab import CommandError, ready_reason, until
from support.lab import NAMESPACE

pytestmark = pytest.mark.e2e
OPERATOR = ("--namespace", "orlop-system", "deployment/orlop-operator")
ROOT_ = Requester(
    "kubernetes-admin", "", ("kubeadm:cluster-admins", "system:authenticated", "system:masters")
)


@contextlib.contextmanager
def no_operator(cluster):
    cluster.kubectl("scale", *OPERATOR, "--replicas=0")
    cluster.kubectl(
        "wait", "pod", "--namespace=orlop-system", "--for=delete", "--timeout=120s",
        "--selector=app.kubernetes.io/name=orlop-operator", timeout=150,
    )  # fmt: skip
    try:
        yield
    finally:
        cluster.kubectl("scale", *OPERATOR, "--replicas=2")
        cluster.kubectl("rollout", "status", *OPERATOR, "--timeout=180s", timeout=200)


def refused(cluster, *arguments, stdin=None):
    """What the API server said."""
    with pytest.raises(CommandError) as error:
        cluster.kubectl(*arguments, stdin=stdin)
    return error.value.stderr


def test_what_runs_goes_on_and_nothing_comes_in(cluster):
    before = cluster.create("stays")
    node, uid = before["status"]["nodeName"], before["metadata"]["uid"]
    bare = json.dumps(cluster.instance("bare"))
    forged = cluster.instance("forged")
    # Even the truth: whoever writes these by hand has not been asked by anybody.
    who = json.loads(cluster.kubectl("auth", "whoami", "-o", "json"))["status"]["userInfo"]
    forged["metadata"]["annotations"] = from_user_info(who).annotations()
    with no_operator(cluster):
        for manifest in (bare, json.dumps(forged)):
            said = refused(cluster, "create", "-f", "-", stdin=manifest)
            assert 'failed calling webhook "create.orlop.dev"' in said
            assert "orlop-webhook.orlop-system" in said
        # Another user's change of the spec would need the webhook, to record them; labels need nobody.
        stop = json.dumps({"spec": {"powerState": "Stopped"}})
        mallory = ("--as=mallory", "--as-group=system:masters")
        patch = ("patch", "inst", "stays", "--namespace", NAMESPACE, "--type=merge", "-p")
        assert "the admission webhook, which records it, did not run" in refused(
            cluster, *patch, stop, *mallory
        )
        lies = {"metadata": {"annotations": Requester("mallory", "", ("system:masters",)).annotations()}}
        assert "change only with spec" in refused(cluster, *patch, json.dumps(lies))
        cluster.kubectl(*patch, json.dumps({"metadata": {"labels": {"seen": "true"}}}))
        # The guest ends; its agent sees to it, and says so, without anybody else.
        told = cluster.get("assignment", uid, "orlop-assignments")["status"]
        cluster.on_node(node, "virsh", "destroy", f"orlop-{uid}")
        again = until(
            lambda: cluster.get("assignment", uid, "orlop-assignments")["status"],
            lambda status: status["state"] == "Running" and status["startID"] != told["startID"],
            120,
        )
        assert again["epoch"] == told["epoch"]
        cluster.on_node(node, "virsh", "domstate", f"orlop-{uid}")
    until(lambda: ready_reason(cluster.get("inst", "stays", NAMESPACE)), lambda seen: seen[0] == "True", 60)
    cluster.kubectl("create", "-f", "-", stdin=bare)
    cluster.wait("inst/bare", namespace=NAMESPACE)
    names = [each["metadata"]["name"] for each in cluster.get("inst", namespace=NAMESPACE)["items"]]
    assert sorted(names) == ["bare", "stays"]
