"""`orlop project create` against a real API server: who may work there at once, done again, and how it says no."""

from pathlib import Path

import pytest
import yaml

from component.operator.test_show import run, said
from support.apiserver import ApiServer
from support.rest import Rest, User

pytestmark = pytest.mark.component


def may(admin: Rest, verb: str, group: str) -> bool:
    """Whether a member of the group may do this to Instances of the project."""
    attributes = {"verb": verb, "group": "orlop.dev", "resource": "instances", "namespace": "shop"}
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": attributes},
    }
    member = admin.acting(User("somebody", (group, "system:authenticated")))
    answer = member.request("POST", "apis/authorization.k8s.io/v1/selfsubjectaccessreviews", review)
    return bool(answer.body["status"]["allowed"])


@pytest.mark.usefixtures("operator")
def test_a_project_is_made_and_changed(cloud: ApiServer, admin: Rest) -> None:
    command = ("project", "create", "shop", "--admin", "leads", "--viewer", "audit")
    first = run(cloud.kubeconfig, *command, "--editor", "devs")
    assert (first.returncode, first.stderr) == (0, "")
    assert first.stdout.splitlines() == [
        "namespace/shop created",
        "rolebinding/orlop-admin created",
        "rolebinding/orlop-editor created",
        "rolebinding/orlop-viewer created",
        "securitygroup/default created",
        "network/default created",
    ]
    cloud.kubectl("wait", "-n", "shop", "network/default", "--for=condition=Ready", "--timeout=30s")
    assert [may(admin, "create", group) for group in ("leads", "devs", "audit", "ops")] == [
        True,
        True,
        False,
        False,
    ]
    assert [may(admin, "list", group) for group in ("leads", "devs", "audit", "ops")] == [
        True,
        True,
        True,
        False,
    ]
    again = run(cloud.kubeconfig, *command, "--editor", "ops")
    assert {line.rpartition(" ")[2] for line in again.stdout.splitlines()} == {"applied"}
    subjects = cloud.kubectl(
        "get", "-n", "shop", "rolebinding", "orlop-editor", "-o", "jsonpath={.subjects[*].name}"
    )
    assert subjects == "ops"


def test_what_it_prints_can_be_applied(cloud: ApiServer) -> None:
    done = run(
        cloud.kubeconfig,
        "project",
        "create",
        "printed",
        "--editor",
        "devs",
        "--network",
        "none",
        "-o",
        "yaml",
    )
    cloud.kubectl("create", "--dry-run=client", "-f", "-", stdin=done.stdout)
    assert "Network" not in {manifest["kind"] for manifest in yaml.safe_load_all(done.stdout)}


def test_no_is_one_sentence_and_a_number(cloud: ApiServer, tmp_path: Path) -> None:
    made = yaml.safe_load(cloud.kubeconfig.read_text())
    cloud.kubectl("-n", "default", "create", "serviceaccount", "no-admin")
    token = cloud.kubectl("-n", "default", "create", "token", "no-admin").strip()
    made["users"][0]["user"] = {"token": token}
    nobody = tmp_path / "nobody"
    nobody.write_text(yaml.safe_dump(made))
    code, sentence = said(run(nobody, "project", "create", "theirs"))
    assert code == 3
    assert sentence.startswith('orlop: Namespace theirs: namespaces "theirs" is forbidden: User')
    assert said(run(cloud.kubeconfig, "project", "create", "Shop"))[0] == 1
    made["users"][0]["user"] = {"token": "of-nobody"}
    nobody.write_text(yaml.safe_dump(made))
    code, sentence = said(run(nobody, "project", "create", "theirs"))
    assert (code, sentence.endswith(" does not know you: log in as for kubectl\n")) == (3, True)
    wrong = run(cloud.kubeconfig, "project", "create", "shop", "--network", "192.168.0.1/24")
    assert wrong.returncode == 2
    assert "a range of IPv4 as 192.168.0.0/24, or none" in " ".join(wrong.stderr.replace("│", " ").split())
