"""Profiles as the platform team writes them: what comes out, and the sentence about what is wrong."""

from typing import get_args

import pytest
import yaml

from orlop_cluster.lab import ROOT
from orlop_operator.kinds import CONFIG_MAP
from orlop_operator.profile_watch import KEY
from orlop_operator.scheduling import BUILT_IN, ONLY_BUILT_IN, Host, Placement, Taint, Usage, World, place
from orlop_operator.scheduling import Request as Wanted
from orlop_operator.scheduling.filters import BY_NAME, OPTIONAL
from orlop_operator.scheduling.profiles import FilterName, ProfilesError, WeightName, parse
from orlop_operator.scheduling.weights import OF_RESOURCES, PLAIN

GI = 1 << 30
DOCUMENT = """
default: pack
profiles:
- name: pack
  weights:
  - {name: pack, resource: memory, multiplier: 2}
  - {name: image_locality}
- name: maintenance
  filters: [zone, selector, affinity]
"""


def test_names_are_those_of_the_code():
    assert set(get_args(FilterName)) == set(BY_NAME)
    assert set(get_args(WeightName)) == {*OF_RESOURCES, *PLAIN}
    assert set(BY_NAME) > OPTIONAL


def test_nothing_is_the_built_in():
    assert parse("") == parse("{}") == ONLY_BUILT_IN
    assert ONLY_BUILT_IN.get(None) is BUILT_IN
    assert ONLY_BUILT_IN.get("pack") is None


def test_a_document():
    found = parse(DOCUMENT)
    assert sorted(found.by_name) == ["default", "maintenance", "pack"]
    pack = found.get(None)
    assert pack is found.get("pack")
    assert pack.filters == BUILT_IN.filters
    assert pack.weights == ((OF_RESOURCES["pack"]["memory"], 2.0), (PLAIN["image_locality"], 1.0))
    maintenance = found.get("maintenance")
    assert maintenance.weights == BUILT_IN.weights
    left_out = {name for name, rule in BY_NAME.items() if rule not in maintenance.filters}
    assert left_out == OPTIONAL - {"zone", "selector", "affinity"}


def test_the_sample_is_one():
    sample = yaml.safe_load((ROOT / "manifests/samples/scheduler-profiles.yaml").read_text())
    assert CONFIG_MAP.watched == f"metadata.name={sample['metadata']['name']}"
    assert list(sample["data"]) == [KEY]
    found = parse(sample["data"][KEY])
    assert (sorted(found.by_name), found.default) == (["default", "fill", "spread"], "fill")


def test_a_name_may_look_like_something_else_and_what_is_empty_is_absent():
    found = parse("default: 2026-01-02\nprofiles: [&a {name: 2026-01-02, filters: }, {<<: *a, name: yes}]")
    assert sorted(found.by_name) == ["2026-01-02", "default", "yes"]
    assert found.get("yes").filters == BUILT_IN.filters


def test_they_decide():
    taint = Taint("old", "NoSchedule")
    world = World(
        [Host("a", Usage(8, 8 * GI, 8 * GI), taints=(taint,)), Host("b", Usage(16, 16 * GI, 16 * GI))]
    )
    found, wanted = parse(DOCUMENT), Wanted(1, GI, GI)
    chosen = {name: place(wanted, world, profile) for name, profile in found.by_name.items()}
    assert chosen["default"] == Placement("b")
    assert chosen["maintenance"] == Placement("b", ("a",))
    world.hold("x", "b", Usage(memory=12 * GI))
    assert place(wanted, world, found.get("pack")) == Placement("b")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [", "it is no YAML (line 1)"),
        ("[" * 3000, "it is nested too deeply: allowed are lists in profiles"),
        ("default: !!float a", "it has a tag or a key (line 1) that is not used: allowed are plain ones"),
        ("default: !!timestamp a", "it has a tag or a key (line 1) that is not used: allowed are plain ones"),
        ("{}: a", "it has a tag or a key (line 1) that is not used: allowed are plain ones"),
        # Each is a number or a date to PyYAML, which ends with an error of Python's about it.
        ("default: 2026-13-45", "default is 2026-13-45: allowed are default"),
        ("default: 0x_", "default: string should match pattern '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'"),
        (f"default: {'9' * 5000}", "default: string should have at most 63 characters"),
        (
            'default: "\\ud800"',
            "default: input should be a valid string, unable to parse raw data as a unicode string",
        ),
        (
            "profiles: [{name: a, weights: [{name: spread, multiplier: .nan}]}]",
            "profiles[0].weights[0].multiplier: input should be a valid number, unable to parse string as a number",
        ),
        ("- a", "the document: input should be a valid dictionary or instance of _Document"),
        ("profile: []", "profile is not known: allowed are default, profiles"),
        ("profiles: [{}]", "profiles[0].name must be there"),
        (
            "profiles: [{name: a, filter: []}]",
            "profiles[0].filter is not known: allowed are filters, name, weights",
        ),
        (
            "profiles: [{name: a, weights: [{name: spread, factor: 2}]}]",
            "profiles[0].weights[0].factor is not known: allowed are multiplier, name, resource",
        ),
        (
            "profiles: [{name: a, weights: [{name: spread, resource: cpu}]}]",
            "profiles[0].weights[0].resource is 'cpu': allowed are 'scarcest', 'vcpus', 'memory' or 'disk'",
        ),
        (
            "profiles: [{name: a, weights: [{name: spread, multiplier: -1}]}]",
            "profiles[0].weights[0].multiplier: input should be greater than or equal to 0",
        ),
        ("profiles: [{name: a}, {name: a}]", "profile a is there twice: each name is allowed once"),
        ("default: b\nprofiles: [{name: a}]", "default is b: allowed are a, default"),
        (
            "profiles: [{name: a, weights: [{name: failures, resource: disk}]}]",
            "profile a: weight failures has no resource, only spread and pack have one",
        ),
        (
            "profiles: [{name: a, weights: [{name: pack}, {name: pack, resource: scarcest}]}]",
            "profile a has a weight twice: each is allowed once for a resource",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(text, sentence):
    with pytest.raises(ProfilesError) as found:
        parse(text)
    assert str(found.value) == sentence


def test_an_unknown_filter_names_all_that_are_known():
    with pytest.raises(
        ProfilesError, match=r"profiles\[0\].filters\[0\] is 'ram': allowed are 'alive', .* or 'disk'"
    ):
        parse("profiles: [{name: a, filters: [ram]}]")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("x" * 5000, "'xxxxxxxxxxxx...xxxxxxxxxxxxx'"),
        ("[" * 200 + "]" * 200, "a list or a map"),
        ("&a [*a, *a]", "a list or a map"),
    ],
)
def test_what_is_said_of_a_long_or_deep_one_is_short(wrong, said):
    with pytest.raises(ProfilesError) as found:
        parse(f"profiles: [{{name: a, filters: [{wrong}]}}]")
    assert str(found.value).startswith(f"profiles[0].filters[0] is {said}: allowed are 'alive'")
