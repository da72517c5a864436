"""The platform team's profiles: YAML in, filters and weights out, or one sentence that says what is wrong. Pure."""

from __future__ import annotations

import reprlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orlop_api.resource import DnsLabel
from orlop_operator.scheduling.filters import BY_NAME, OPTIONAL
from orlop_operator.scheduling.profile import BUILT_IN, Profile
from orlop_operator.scheduling.weights import OF_RESOURCES, PLAIN, Weight

FilterName = Literal[
    "alive", "disabled", "cordoned", "pinned", "shared_pool", "physical_network", "zone", "aggregates",
    "selector", "affinity", "taints", "architecture", "machine_type", "firmware", "tpm", "cpu_model",
    "cpu_features", "nic_families", "obtainable", "group", "excluded", "vcpu", "memory", "disk",
]  # fmt: skip
WeightName = Literal[
    "spread", "pack", "image_locality", "soft_taints", "preferred", "group", "failures", "under_way",
    "node_weight",
]  # fmt: skip
KEY = "profiles.yaml"
"""Of the ConfigMap's data."""
MOST = 32
"""Profiles, and weights of one."""


class ProfilesError(Exception):
    """The YAML is not used; the sentence says what is wrong, and what is allowed."""


class _Loader(yaml.SafeLoader):
    """Null, strings, lists and maps alone: what a string means, a number say, is the model's to find out.

    PyYAML's own dates and numbers raise whatever Python raises where they are none (`2026-13-45`, `!!float foo`).
    """

    yaml_constructors = {
        tag: made
        for tag, made in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or tag.endswith((":null", ":str", ":seq", ":map"))
    }
    yaml_implicit_resolvers = {
        first: [(tag, looks) for tag, looks in known if tag.endswith((":null", ":merge"))]
        for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Weight(_Strict):
    name: WeightName
    resource: Literal["scarcest", "vcpus", "memory", "disk"] | None = None
    multiplier: Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)] = 1.0


class _Profile(_Strict):
    name: DnsLabel
    filters: Annotated[list[FilterName], Field(max_length=len(BY_NAME))] | None = None
    weights: Annotated[list[_Weight], Field(max_length=MOST)] | None = None


class _Document(_Strict):
    default: DnsLabel = BUILT_IN.name
    profiles: Annotated[list[_Profile], Field(max_length=MOST)] = []


@dataclass(frozen=True)
class Profiles:
    """All that there are by name, the built-in one among them unless another has its name."""

    by_name: Mapping[str, Profile]
    default: str

    def get(self, name: str | None) -> Profile | None:
        """That one, or the default one where none is named; None where there is none of this name."""
        return self.by_name.get(name if name is not None else self.default)


ONLY_BUILT_IN = Profiles({BUILT_IN.name: BUILT_IN}, BUILT_IN.name)


def of_config_map(data: Mapping[str, str]) -> Profiles:
    """Those that the ConfigMap holds; ProfilesError where it holds none."""
    if KEY not in data:
        raise ProfilesError(f"it has no key {KEY}")
    return parse(data[KEY])


def parse(text: str) -> Profiles:
    """The profiles of a document; ProfilesError where it is none."""
    try:
        content = yaml.load(text, _Loader)  # noqa: S506 - makes less than the safe one
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1})" if mark is not None else ""
        if isinstance(error, yaml.constructor.ConstructorError):
            raise ProfilesError(
                f"it has a tag or a key{where} that is not used: allowed are plain ones"
            ) from error
        raise ProfilesError(f"it is no YAML{where}") from error
    except RecursionError as error:
        raise ProfilesError("it is nested too deeply: allowed are lists in profiles") from error
    try:
        document = _Document.model_validate({} if content is None else content)
    except ValidationError as error:
        raise ProfilesError(_sentence(error)) from error
    twice = [name for name, count in Counter(each.name for each in document.profiles).items() if count > 1]
    if twice:
        raise ProfilesError(f"profile {twice[0]} is there twice: each name is allowed once")
    found = {BUILT_IN.name: BUILT_IN, **{each.name: _made(each) for each in document.profiles}}
    if document.default not in found:
        raise ProfilesError(f"default is {document.default}: allowed are {', '.join(sorted(found))}")
    return Profiles(found, document.default)


def _made(setting: _Profile) -> Profile:
    listed = BY_NAME.keys() if setting.filters is None else setting.filters
    filters = tuple(rule for name, rule in BY_NAME.items() if name in listed or name not in OPTIONAL)
    if setting.weights is None:
        return Profile(setting.name, filters, BUILT_IN.weights)
    weights = [(_weight(setting.name, each), each.multiplier) for each in setting.weights]
    if len({weight for weight, _ in weights}) < len(weights):
        raise ProfilesError(f"profile {setting.name} has a weight twice: each is allowed once for a resource")
    return Profile(setting.name, filters, tuple(weights))


def _weight(profile: str, setting: _Weight) -> Weight:
    if setting.name in OF_RESOURCES:
        return OF_RESOURCES[setting.name][setting.resource or "scarcest"]
    if setting.resource is not None:
        names = " and ".join(OF_RESOURCES)
        raise ProfilesError(
            f"profile {profile}: weight {setting.name} has no resource, only {names} have one"
        )
    return PLAIN[setting.name]


def _sentence(error: ValidationError) -> str:
    """About the first mistake: where it is, and what is allowed there."""
    first = error.errors(include_url=False)[0]
    where = _path(first["loc"])
    match first["type"]:
        case "literal_error":
            given = first["input"]
            said = "a list or a map" if isinstance(given, (list, dict)) else reprlib.repr(given)
            return f"{where} is {said}: allowed are {first['ctx']['expected']}"
        case "extra_forbidden":
            return f"{where} is not known: allowed are {', '.join(_fields(first['loc']))}"
        case "missing":
            return f"{where} must be there"
        case _:
            return f"{where}: {first['msg'][0].lower()}{first['msg'][1:]}"


def _path(location: tuple[Any, ...]) -> str:
    made = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return made.removeprefix(".") or "the document"


def _fields(location: tuple[Any, ...]) -> list[str]:
    models: Mapping[int, type[BaseModel]] = {1: _Document, 3: _Profile, 5: _Weight}
    return sorted(models[len(location)].model_fields)
