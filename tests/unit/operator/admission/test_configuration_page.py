"""The page on configuration names every field and its default, and the overlays are valid documents."""

import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from orlop_api.config import ImageConfig, NodeConfig, OrlopConfig

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs/reference/configuration.md").read_text()


@pytest.mark.parametrize("section", [ImageConfig, NodeConfig])
def test_every_field_and_its_default_is_on_the_page(section: type[BaseModel]) -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| `([^`]*)` \|", PAGE, re.MULTILINE))
    defaults = section.model_validate({}).model_dump(mode="json", by_alias=True)
    assert {name: str(value).replace("'", "") for name, value in defaults.items()} == {
        n: rows[n] for n in defaults
    }


@pytest.mark.parametrize("path", ["manifests/base/config.yaml", "manifests/overlays/dev/config.yaml"])
def test_the_manifests_say_nothing_that_is_not_understood(path: str) -> None:
    document = yaml.safe_load((ROOT / path).read_text())
    said = yaml.safe_load(document["data"]["config.yaml"])
    config = OrlopConfig.model_validate(said)
    understood = config.model_dump(by_alias=True, exclude_unset=True)
    assert understood == said


def test_the_example_is_valid() -> None:
    [example] = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    said = yaml.safe_load(yaml.safe_load(example)["data"]["config.yaml"])
    assert OrlopConfig.model_validate(said).model_dump(by_alias=True, exclude_unset=True) == said
