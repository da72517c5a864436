"""What is checked in is what the models say."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from orlop_api.__main__ import files
from orlop_api.definition import DEFINITIONS, crd
from orlop_api.reference import reference
from orlop_api.schema import structural

ROOT = Path(__file__).parents[3]
REGENERATE = "run: python -m orlop_api crds/generated docs/reference/api.md"


def test_crds_are_as_generated() -> None:
    kept = {path.name: path.read_text() for path in (ROOT / "crds/generated").iterdir()}
    assert kept == files(), REGENERATE


def test_reference_is_as_generated() -> None:
    assert (ROOT / "docs/reference/api.md").read_text() == reference(), REGENERATE


def nodes(schema: Any, path: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Every schema in a schema, with its path."""
    found = [(path, schema)]
    for name, child in schema.get("properties", {}).items():
        found += nodes(child, f"{path}.{name}")
    if "items" in schema:
        found += nodes(schema["items"], f"{path}[]")
    if isinstance(schema.get("additionalProperties"), dict):
        found += nodes(schema["additionalProperties"], f"{path}{{}}")
    return found


ALL = [
    pytest.param(d.kind, path, node, id=f"{d.kind}{path}")
    for d in DEFINITIONS
    for path, node in nodes(structural(d.model))
    if not path.startswith((".metadata", ".apiVersion", ".kind"))
]


LEDGER = {("Quota", ".status.reservations"), ("Quota", ".status.reservations[].holders")}


@pytest.mark.parametrize(("kind", "path", "node"), ALL)
def test_every_field_is_typed_bounded_and_described(kind: str, path: str, node: dict[str, Any]) -> None:
    assert node["type"] in {"object", "array", "string", "integer"}
    if not path.endswith(("[]", "{}")):
        assert node.get("description"), "a docstring under the field is its kubectl explain"
    if node["type"] == "array":
        # Who has something reserved is in the one object whose compare-and-swap reserves it (ADR 30).
        assert node["maxItems"] <= (20_000 if (kind, path) in LEDGER else 256)
        assert node["x-kubernetes-list-type"] in {"map", "set", "atomic"}
    if node["type"] == "string":
        assert "maxLength" in node or "enum" in node or node.get("format") == "date-time"
    if node["type"] == "integer":
        assert "minimum" in node
    if "additionalProperties" in node:
        assert "maxProperties" in node
    assert "anyOf" not in node
    assert "$ref" not in node
    for item in node.get("x-kubernetes-validations", []):
        assert set(item) - {"messageExpression"} == {"rule", "message"}
        assert not item["message"].endswith(".")
    if path.startswith(".status"):
        assert "default" not in node


def test_no_boolean_and_no_plural_surprise() -> None:
    for definition in DEFINITIONS:
        made = crd(definition)
        assert made["metadata"]["name"] == f"{made['spec']['names']['plural']}.orlop.dev"
        assert made["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["description"]


def test_instance_columns_are_the_documented_ones() -> None:
    [instance] = [d for d in DEFINITIONS if d.kind == "Instance"]
    assert [c.name.upper() for c in instance.columns if not c.wide] == [
        "READY",
        "POWER",
        "REASON",
        "FLAVOR",
        "NODE",
        "IP",
        "AGE",
    ]
    assert [c.name.upper() for c in instance.columns if c.wide] == ["IMAGE", "BOOTVOLUME", "MESSAGE"]


POLICIES = sorted((ROOT / "manifests/base/policies").glob("*.yaml"))


@pytest.mark.parametrize("path", [p for p in POLICIES if p.stem != "kustomization"], ids=lambda p: p.stem)
def test_every_policy_is_closed_and_bound(path: Path) -> None:
    policy, binding = yaml.safe_load_all(path.read_text())
    assert policy["metadata"]["name"] == f"orlop-{path.stem}"
    assert policy["spec"]["failurePolicy"] == "Fail"
    assert binding["spec"] == {"policyName": policy["metadata"]["name"], "validationActions": ["Deny"]}
    for validation in policy["spec"]["validations"]:
        assert validation["reason"] == "Forbidden"
        assert ("message" in validation) != ("messageExpression" in validation)
        # The API server would put up with it, and lose our words.
        assert "authorizer" not in validation.get("messageExpression", "")


@pytest.mark.parametrize(
    ("policy", "items", "field"),
    [("instance-references", "nics", "networks"), ("instance-volumes", "volumes", "volumes")],
)
def test_every_item_of_a_list_has_its_rule(policy: str, items: str, field: str) -> None:
    spec = yaml.safe_load_all((ROOT / f"manifests/base/policies/{policy}.yaml").read_text())
    rules = [v["expression"] for v in next(spec)["spec"]["validations"]]
    [instance] = [d for d in DEFINITIONS if d.kind == "Instance"]
    longest = structural(instance.model)["properties"]["spec"]["properties"][field]["maxItems"]
    asked = [r for r in rules if r.startswith(f"variables.{items}.size() <= ")]
    assert len(asked) == longest
    for index, rule in enumerate(asked):
        assert rule.startswith(f"variables.{items}.size() <= {index} ||")
        assert f"variables.{items}[{index}]" in rule


def test_every_policy_is_installed() -> None:
    kustomization = yaml.safe_load((ROOT / "manifests/base/policies/kustomization.yaml").read_text())
    assert kustomization["resources"] == [p.name for p in POLICIES if p.stem != "kustomization"]


def test_the_clusters_own_roles_grow() -> None:
    documents = yaml.safe_load_all((ROOT / "manifests/base/rbac-users.yaml").read_text())
    roles = {d["metadata"]["name"]: d for d in documents if d["kind"] == "ClusterRole"}

    def grows(role: str) -> set[str]:
        prefix = "rbac.authorization.k8s.io/aggregate-to-"
        return {label.removeprefix(prefix) for label in roles[role]["metadata"].get("labels", {})}

    assert grows("orlop-viewer") == {"view", "edit", "admin"}
    assert grows("orlop-editor") == {"edit", "admin"}
    assert grows("orlop-admin") == {"admin"}
    assert not [role for role in roles if role.endswith(("-user", "-sizes")) and grows(role)]
    internal = {"hypervisors", "assignments", "claims"}
    for role in roles.values():
        for allowed in role["rules"]:
            assert not internal & set(allowed["resources"])
            assert not any("/" in resource or resource == "*" for resource in allowed["resources"])
            assert "*" not in allowed["verbs"]
