"""`kubectl apply -k manifests/samples` takes every sample, and no two of them are the same object."""

from collections import Counter
from pathlib import Path

import yaml

SAMPLES = Path(__file__).parents[3] / "manifests/samples"
LISTED = yaml.safe_load((SAMPLES / "kustomization.yaml").read_text())["resources"]


def test_every_sample_is_listed_once():
    assert sorted(LISTED) == sorted({path.name for path in SAMPLES.glob("*.yaml")} - {"kustomization.yaml"})


def test_no_two_are_the_same_object():
    found = [body for name in LISTED for body in yaml.safe_load_all((SAMPLES / name).read_text())]
    named = Counter(
        (body["kind"], body["metadata"].get("namespace"), body["metadata"]["name"]) for body in found
    )
    assert [key for key, count in named.items() if count > 1] == []
