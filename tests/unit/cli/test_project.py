"""What `orlop project create` makes."""

from ipaddress import IPv4Network
from pathlib import Path

import pytest
import yaml

from orlop_api.definition import DEFINITIONS
from orlop_cli.project import ROLES, limits, project

ROOT = Path(__file__).parents[3]


def names(manifests):
    return [f"{m['kind']} {m['metadata'].get('namespace', '')}/{m['metadata']['name']}" for m in manifests]


def test_all_of_it_in_the_order_in_which_it_is_made():
    groups = {"admin": ["leads"], "editor": ["devs", "ops"], "viewer": []}
    made = project("shop", IPv4Network("10.0.0.0/24"), groups)
    assert names(made) == [
        "Namespace /shop",
        "RoleBinding shop/orlop-admin",
        "RoleBinding shop/orlop-editor",
        "SecurityGroup shop/default",
        "Network shop/default",
    ]
    assert [subject["name"] for subject in made[2]["subjects"]] == ["devs", "ops"]
    assert made[2]["roleRef"]["name"] == "orlop-editor"
    assert made[-1]["spec"]["subnets"] == [{"name": "v4", "cidr": "10.0.0.0/24"}]


def test_without_a_network_and_groups():
    assert names(project("shop", None, {})) == ["Namespace /shop", "SecurityGroup shop/default"]


def test_limits_are_a_quota_before_anybody_may_make_anything():
    most = limits(["instances=50", "memory=200Gi", "floatingIPs=0"])
    made = project("shop", None, {"admin": ["leads"]}, most)
    assert names(made)[:3] == ["Namespace /shop", "Quota shop/default", "RoleBinding shop/orlop-admin"]
    assert made[1]["spec"] == {"limits": {"instances": 50, "memory": "200Gi", "floatingIPs": 0}}
    assert limits([]) is None


@pytest.mark.parametrize(
    ("word", "told"),
    [
        (
            "instances",
            "instances, vcpus, memory, volumes, storage, volumeSnapshots, ports, floatingIPs, images",
        ),
        ("cpus=5", "not cpus=5"),
        ("vcpus=half", "a whole number from 0 to 1000000, not vcpus=half"),
        ("vcpus=-1", "a whole number from 0 to 1000000, not vcpus=-1"),
        ("storage=much", "a size as 200Gi, not storage=much"),
    ],
)
def test_a_limit_that_is_none_is_said_in_a_sentence(word, told):
    with pytest.raises(ValueError, match=told):
        limits([word])


@pytest.mark.parametrize("role", ROLES)
def test_the_roles_are_shipped(role):
    documents = yaml.safe_load_all((ROOT / "manifests/base/rbac-users.yaml").read_text())
    assert f"orlop-{role}" in {document["metadata"]["name"] for document in documents}


def test_what_is_made_is_valid():
    models = {definition.kind: definition.model for definition in DEFINITIONS}
    for manifest in project("shop", IPv4Network("10.0.0.0/24"), {}, limits(["ports=3"])):
        if manifest["kind"] in models:
            models[manifest["kind"]].model_validate(manifest)


def test_default_is_the_group_of_the_samples():
    """Everything out, in from itself: what manifests/samples/securitygroup.yaml shows."""
    [sample, _] = yaml.safe_load_all((ROOT / "manifests/samples/securitygroup.yaml").read_text())
    [group] = [m for m in project("demo", None, {}) if m["kind"] == "SecurityGroup"]
    assert group == sample
