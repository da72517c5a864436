"""What `orlop project create` makes."""

from ipaddress import IPv4Network
from pathlib import Path

import pytest
import yaml

from orlop_api.definition import DEFINITIONS
from orlop_cli.project import ROLES, project

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


@pytest.mark.parametrize("role", ROLES)
def test_the_roles_are_shipped(role):
    documents = yaml.safe_load_all((ROOT / "manifests/base/rbac-users.yaml").read_text())
    assert f"orlop-{role}" in {document["metadata"]["name"] for document in documents}


def test_what_is_made_is_valid():
    models = {definition.kind: definition.model for definition in DEFINITIONS}
    for manifest in project("shop", IPv4Network("10.0.0.0/24"), {}):
        if manifest["kind"] in models:
            models[manifest["kind"]].model_validate(manifest)


def test_default_is_the_group_of_the_samples():
    """Everything out, in from itself: what manifests/samples/securitygroup.yaml shows."""
    [sample, _] = yaml.safe_load_all((ROOT / "manifests/samples/securitygroup.yaml").read_text())
    [group] = [m for m in project("demo", None, {}) if m["kind"] == "SecurityGroup"]
    assert group == sample
