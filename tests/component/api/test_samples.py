"""What the documentation shows is what the API server takes."""

import json
from pathlib import Path

import pytest
import yaml

from orlop_api.definition import DEFINITIONS
from orlop_api.requester import Requester
from support.apiserver import ApiServer
from support.manifests import right
from support.rest import Rest

pytestmark = pytest.mark.component
SAMPLES = sorted((Path(__file__).parents[3] / "manifests/samples").glob("*.yaml"))
MANIFESTS = [
    pytest.param(manifest, id=f"{sample.stem}-{manifest['kind']}")
    for sample in SAMPLES
    for manifest in yaml.safe_load_all(sample.read_text())
    if manifest["kind"] not in ("Kustomization", "Namespace", "ConfigMap")
]


@pytest.fixture(scope="module")
def demo(rest: Rest) -> None:
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}}
    assert rest.create(namespace).status in (201, 409)


@pytest.mark.usefixtures("demo")
@pytest.mark.parametrize("manifest", MANIFESTS)
def test_applies(rest: Rest, administrator: Requester, manifest: dict) -> None:
    if manifest["kind"] == "Instance":
        manifest["metadata"]["annotations"] = administrator.annotations()
    answer = rest.create(manifest, dry_run=True)
    assert answer.status == 201, answer.message


def test_every_user_kind_has_a_sample() -> None:
    shown = {manifest.values[0]["kind"] for manifest in MANIFESTS}
    assert {d.kind for d in DEFINITIONS if d.categories} - shown == {"Hypervisor"}


def test_the_kustomization_names_every_sample() -> None:
    [kustomization] = [sample for sample in SAMPLES if sample.name == "kustomization.yaml"]
    named = yaml.safe_load(kustomization.read_text())["resources"]
    assert sorted(named) == [sample.name for sample in SAMPLES if sample != kustomization]


def test_the_category_holds_what_users_deal_with(crds: ApiServer) -> None:
    found = json.loads(crds.kubectl("get", "--raw", "/apis/orlop.dev/v1alpha1"))["resources"]
    main = {r["name"]: r for r in found if "/" not in r["name"]}
    assert {name for name, r in main.items() if "orlop" in r.get("categories", [])} == {
        d.plural for d in DEFINITIONS if d.categories
    }
    assert {d.short for d in DEFINITIONS} - {"flavor"} == {
        short for r in main.values() for short in r.get("shortNames", [])
    }
    assert {name for r in found if (name := r["name"]).endswith("/status")} == {
        f"{plural}/status"
        for plural in (
            "aggregates",
            "assignments",
            "hypervisors",
            "floatingips",
            "images",
            "instancegroups",
            "instances",
            "keypairs",
            "networks",
            "ports",
            "quotas",
            "routers",
            "securitygroups",
            "volumes",
            "volumesnapshots",
        )
    }


def test_explain_shows_the_docstrings(crds: ApiServer) -> None:
    assert "The size: vCPUs" not in crds.kubectl("explain", "flavor.spec.memory")
    assert "Memory, from 64Mi to 16Ti, for example 512Mi." in crds.kubectl("explain", "flavor.spec.memory")
    assert "Whether the machine runs." in crds.kubectl("explain", "inst.status.powerState")


@pytest.mark.usefixtures("demo")
def test_columns_of_an_instance(crds: ApiServer, rest: Rest, administrator: Requester) -> None:
    manifest = right("Instance", "columns", "demo")
    manifest["metadata"]["annotations"] = administrator.annotations()
    assert rest.create(manifest).status == 201
    header = crds.kubectl("get", "inst", "-A", "-o", "wide").splitlines()[0].split()
    assert rest.delete(manifest).status == 200
    shown = ["READY", "POWER", "REASON", "FLAVOR", "NODE", "IP", "AGE", "IMAGE", "BOOTVOLUME", "MESSAGE"]
    assert header[-len(shown) :] == shown
