"""What an object looks like after it went through the real API server and the real webhook."""

import json
import secrets
import signal
import subprocess

import pytest
import yaml

from orlop_cluster.apiserver import ApiServer
from orlop_cluster.process import StepError
from support.audit import OPERATOR

pytestmark = [pytest.mark.component, pytest.mark.usefixtures("webhook")]

NAMESPACE = "default"


def instance(name: str, **spec: object) -> str:
    body = {
        "apiVersion": "orlop.dev/v1alpha1",
        "kind": "Instance",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {"flavorName": "small", "boot": {"imageRef": {"name": "debian"}}, **spec},
    }
    return yaml.safe_dump(body)


def named(prefix: str) -> str:
    return f"{prefix}-{secrets.token_hex(4)}"


def get(server: ApiServer, kind: str, name: str) -> dict:
    return json.loads(server.kubectl("get", kind, name, "-o", "json"))["metadata"]


def test_instance_gets_finalizer_and_requester(installed: ApiServer) -> None:
    name = named("web")
    installed.kubectl("create", "-f", "-", stdin=instance(name))
    metadata = get(installed, "instance", name)
    assert metadata["finalizers"] == ["orlop.dev/operator"]
    assert metadata["annotations"]["orlop.dev/requested-by"] == "admin"
    groups = json.loads(metadata["annotations"]["orlop.dev/requested-by-groups"])
    assert groups == sorted(groups)
    assert "system:authenticated" in groups


@pytest.mark.parametrize("spec", ["x", ["x"], {"userData": "x"}, {"networks": 3}])
def test_a_spec_of_another_type_is_refused_by_the_schema(installed: ApiServer, spec: object) -> None:
    """Which the API server asks after the webhook."""
    name = named("odd")
    installed.kubectl("create", "-f", "-", stdin=instance(name))
    with pytest.raises(StepError, match=r"spec.*must be of type"):
        installed.kubectl("patch", "instance", name, "--type=merge", "-p", json.dumps({"spec": spec}))
    body = yaml.safe_load(instance(named("odd")))
    body["spec"] = body["spec"] | spec if isinstance(spec, dict) else spec
    with pytest.raises(StepError, match=r"spec.*must be of type"):
        installed.kubectl("create", "--validate=false", "-f", "-", stdin=json.dumps(body))


@pytest.mark.parametrize(
    ("plural", "spec", "finalizers"),
    [
        ("images", {"source": {"http": {"url": "https://a.example/a.qcow2"}}}, None),
        ("volumes", {"size": "1Gi", "className": "local"}, ["orlop.dev/operator"]),
    ],
)
def test_images_and_volumes_keep_who_made_them(
    installed: ApiServer, plural: str, spec: dict, finalizers: list | None
) -> None:
    name = named(plural)
    kind = plural.removesuffix("s").capitalize()
    body = {"apiVersion": "orlop.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    installed.kubectl("-n", NAMESPACE, "create", "-f", "-", stdin=json.dumps(body))
    metadata = get(installed, f"{plural}.orlop.dev", name)
    assert metadata.get("finalizers") == finalizers
    assert metadata["annotations"]["orlop.dev/requested-by"] == "admin"
    alice = ["--as=alice", "--as-group=system:masters"]
    installed.kubectl(
        *alice, "annotate", plural, name, "--overwrite", "orlop.dev/requested-by=alice", "more=1"
    )
    edit = {"images": '{"spec":{"refresh":{"interval":"1h"}}}', "volumes": '{"spec":{"size":"2Gi"}}'}[plural]
    installed.kubectl(*alice, "patch", plural, name, "--type=merge", "-p", edit)
    assert get(installed, f"{plural}.orlop.dev", name)["annotations"] == metadata["annotations"] | {
        "more": "1"
    }


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("Network", {"subnets": [{"name": "v4", "cidr": "10.0.0.0/24"}]}),
        ("Port", {"networkRef": {"name": "blue"}}),
        ("FloatingIP", {"networkRef": {"name": "public"}}),
        ("Router", {"networks": [{"name": "blue"}]}),
        ("SecurityGroup", {"ingress": [{"cidr": "10.0.0.0/24"}]}),
    ],
)
def test_other_kinds_get_the_finalizer_only(installed: ApiServer, kind: str, spec: dict) -> None:
    plural = f"{kind.lower()}s"
    name = named(plural)
    body = {"apiVersion": "orlop.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    installed.kubectl("-n", NAMESPACE, "create", "-f", "-", stdin=json.dumps(body))
    metadata = get(installed, f"{plural}.orlop.dev", name)
    assert metadata["finalizers"] == ["orlop.dev/operator"]
    assert "annotations" not in metadata


def test_who_changes_the_spec_is_the_requester(installed: ApiServer) -> None:
    name = named("web")
    installed.kubectl("create", "-f", "-", stdin=instance(name))
    stopped = ["patch", "instance", name, "--type=merge", "-p", '{"spec":{"powerState":"Stopped"}}']
    installed.kubectl("--as=alice", "--as-group=system:masters", *stopped)
    annotations = get(installed, "instance", name)["annotations"]
    assert annotations["orlop.dev/requested-by"] == "alice"


def test_requester_cannot_be_forged_or_dropped(installed: ApiServer) -> None:
    name = named("web")
    forged = yaml.safe_load(instance(name))
    forged["metadata"]["annotations"] = {"orlop.dev/requested-by": "root", "orlop.dev/requested-by-uid": "1"}
    installed.kubectl("create", "-f", "-", stdin=json.dumps(forged))
    before = get(installed, "instance", name)["annotations"]
    assert before["orlop.dev/requested-by"] == "admin"
    installed.kubectl(
        "--as=alice", "--as-group=system:masters", "annotate", "instance", name, "--overwrite",
        "orlop.dev/requested-by=alice", "orlop.dev/requested-by-groups-",
    )  # fmt: skip
    assert get(installed, "instance", name)["annotations"] == before


def test_nobody_but_the_operator_takes_its_finalizer_off(installed: ApiServer) -> None:
    """It takes it off the Ports that it made before it deletes them: one that is deleted first costs a write more."""
    name = named("port")
    metadata = {"name": name, "finalizers": ["orlop.dev/operator"]}
    body = {"apiVersion": "orlop.dev/v1alpha1", "kind": "Port", "metadata": metadata}
    body["spec"] = {"networkRef": {"name": "blue"}}
    installed.kubectl("create", "-f", "-", stdin=json.dumps(body))
    without = ["patch", "port", name, "--type=merge", "-p", '{"metadata":{"finalizers":[]}}']
    installed.kubectl(*without)
    assert get(installed, "port", name)["finalizers"] == ["orlop.dev/operator"]
    installed.kubectl(f"--as={OPERATOR}", *without)
    assert "finalizers" not in get(installed, "port", name)


def test_own_ports_of_the_operator_do_not_call_the_webhook(installed: ApiServer) -> None:
    def reviews() -> float:
        lines = installed.kubectl("get", "--raw", "/metrics").splitlines()
        name = "apiserver_admission_webhook_admission_duration_seconds_count"
        return sum(float(line.split()[-1]) for line in lines if line.startswith(name))

    before = reviews()
    body = {
        "apiVersion": "orlop.dev/v1alpha1",
        "kind": "Port",
        "metadata": {"name": named("port"), "finalizers": ["orlop.dev/operator"]},
        "spec": {"networkRef": {"name": "blue"}},
    }
    installed.kubectl("create", "-f", "-", stdin=json.dumps(body))
    assert reviews() == before


def test_while_it_hangs_nothing_is_created_and_only_the_requester_may_change(
    installed: ApiServer, webhook: subprocess.Popen[str]
) -> None:
    name = named("web")
    installed.kubectl("create", "-f", "-", stdin=instance(name))
    webhook.send_signal(signal.SIGSTOP)
    try:
        with pytest.raises(StepError, match=r'failed calling webhook "create\.orlop\.dev"'):
            installed.kubectl("create", "-f", "-", stdin=instance(named("web")))
        stopped = ["patch", "instance", name, "--type=merge", "-p", '{"spec":{"powerState":"Stopped"}}']
        with pytest.raises(StepError, match="the admission webhook, which records it, did not run"):
            installed.kubectl("--as=alice", "--as-group=system:masters", *stopped)
        installed.kubectl(*stopped)
    finally:
        webhook.send_signal(signal.SIGCONT)
