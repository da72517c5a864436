"""The images of operator and agent: what is in them, both ways of building."""

import json
import re

import pytest

from orlop_cluster import images
from orlop_cluster.debroot import BASE
from orlop_cluster.places import CHECKOUT


def dockerfile(name):
    """The last stage, as (instruction, words) with continued lines joined."""
    text = (CHECKOUT / "images" / f"{name}.Dockerfile").read_text()
    joined = re.sub(r"\\\n\s*", "", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    lines = [line.split(None, 1) for line in joined.splitlines() if line.strip()]
    last = max(number for number, (word, _) in enumerate(lines) if word == "FROM")
    return joined, [(word, rest.strip()) for word, rest in lines[last:]]


def words_of(stage, instruction):
    return [rest for word, rest in stage if word == instruction]


@pytest.mark.parametrize("name", sorted(images.RECIPES))
def test_the_dockerfile_makes_the_same_image(name):
    recipe = images.RECIPES[name]
    whole, stage = dockerfile(name)
    assert words_of(stage, "FROM") == ["localhost/orlop-root:dev"]
    [run] = words_of(stage, "RUN")
    installed = re.search(r"install --yes --no-install-recommends ([^&]+)", run)[1].split()
    wanted = [package for layer in recipe.root.stack() if layer != BASE for package in layer.packages]
    assert installed == wanted
    assert f"--require-hashes --requirement=/src/images/{name}.lock" in whole
    assert words_of(stage, "USER") == ([recipe.user] if recipe.user else [])
    assert json.loads(words_of(stage, "ENTRYPOINT")[0])[0].endswith(f"/{recipe.program}")
    for package in recipe.build_packages.values():
        assert re.search(rf"\b{package}\b", whole)


def test_the_operator_knows_nothing_of_libvirt_and_is_nobody():
    recipe = images.RECIPES["operator"]
    packages = [package for layer in recipe.root.stack() for package in layer.packages]
    assert not any("libvirt" in package or "qemu" in package for package in packages)
    assert not any("libvirt" in each for each in images.pins(CHECKOUT / "images/operator.lock"))
    assert recipe.user == "65532:65532"


def test_programs_run_by_debians_python(tmp_path):
    images.add_programs(tmp_path, {"orlop-x": "orlop_x.__main__:main"})
    program = tmp_path / "usr" / "bin" / "orlop-x"
    assert program.read_text().startswith("#!/usr/bin/python3 -sP\n")
    assert program.stat().st_mode & 0o111 == 0o111


def versions(lock):
    """Requirement by requirement, without hashes."""
    return {each.partition(" \\")[0] for each in images.pins(CHECKOUT / lock)}


@pytest.mark.parametrize("name", sorted(images.RECIPES))
def test_an_images_lock_is_a_part_of_the_whole_with_a_hash_for_each(name):
    lock = f"images/{name}.lock"
    assert all("--hash=sha256:" in each for each in images.pins(CHECKOUT / lock))
    assert not any("#" in each for each in images.pins(CHECKOUT / lock))
    assert versions(lock) < versions("requirements.lock")
    table = images.project()
    asked = [*table["dependencies"], *table["optional-dependencies"][name]]
    named = {re.match(r"[\w.-]+", each)[0] for each in versions(lock)}
    # As PyPI compares names.
    assert {re.match(r"[\w.-]+", each)[0].replace(".", "-") for each in asked} <= named
