"""Values from a CRD's structural schema (Kubernetes: "Specifying a structural schema"): right ones, and others.

hypothesis-jsonschema would be the library for this; its last release does not work with today's Hypothesis.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

Schema = Mapping[str, Any]
_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=40)
_ANYTHING = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), _TEXT, st.just([]), st.just({}), st.just([{}]),
    st.sampled_from(["../../etc/passwd", "a\nb", "%s%n", "-1", "1e30", "9223372036854775808", "\u202e", "A" * 5000]),
)  # fmt: skip
"""What may stand where something else is wanted."""
_PLAUSIBLE = (
    "10.20.0.0/16", "10.20.0.9", "10.20.0.255", "10.30.0.0/24", "0.0.0.0/0", "fd00:20::/64", "fd00:20::9", "::/0",
    "02:00:10:01:00:09", "1Mi", "96Mi", "1Gi", "512M", "100M", "blue", "tiny", "local", "default", "e2e", "Running",
    "2026-01-01T00:00:00Z", "https://files.orlop.test/tiny.qcow2", "1h", "30m", "sha256:" + "0" * 64,
)  # fmt: skip
"""What some field means, so that not everything is refused at once."""


def values(schema: Schema) -> st.SearchStrategy[Any]:
    """Values that the schema allows, as far as types, bounds, patterns and enumerations say."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    match schema.get("type"):
        case "string":
            return _strings(schema)
        case "integer":
            return st.integers(schema.get("minimum", -(2**31)), schema.get("maximum", 2**31 - 1))
        case "boolean":
            return st.booleans()
        case "array":
            most = min(schema.get("maxItems", 4), schema.get("minItems", 0) + 3)
            return st.lists(
                st.deferred(lambda: values(schema["items"])),
                min_size=schema.get("minItems", 0),
                max_size=most,
            )
        case "object":
            return _objects(schema)
    return _ANYTHING


def _strings(schema: Schema) -> st.SearchStrategy[str]:
    least, most = schema.get("minLength", 0), schema.get("maxLength", 300)
    if "pattern" in schema:
        # RE2's $ is the end of the text; Python's would let a line feed follow.
        made = st.from_regex(schema["pattern"].replace("$", r"\Z"))
        return made.filter(lambda text: least <= len(text) <= most)
    fitting = [text for text in _PLAUSIBLE if least <= len(text) <= most]
    some = st.text(
        st.characters(codec="utf-8", exclude_characters="\x00"),
        min_size=least,
        max_size=min(most, least + 40),
    )
    return st.one_of(st.sampled_from(fitting), some) if fitting else some


def _objects(schema: Schema) -> st.SearchStrategy[dict[str, Any]]:
    if "additionalProperties" in schema:
        return st.dictionaries(_TEXT, values(schema["additionalProperties"]), max_size=3)
    fields = schema.get("properties", {})
    required = set(schema.get("required", ()))
    return st.fixed_dictionaries(
        {name: values(each) for name, each in fields.items() if name in required},
        optional={name: values(each) for name, each in fields.items() if name not in required},
    )


@st.composite
def changes(draw: st.DrawFn, schema: Schema, value: Any) -> Any:
    """A copy of the value with one place in it changed: mostly to what the schema allows there."""
    kind = schema.get("type")
    if kind == "object" and "properties" in schema and isinstance(value, dict) and draw(st.integers(0, 9)):
        name = draw(st.sampled_from(sorted(schema["properties"])))
        inner = schema["properties"][name]
        if name not in value:
            return value | {name: draw(values(inner))}
        if name not in schema.get("required", ()) and not draw(st.integers(0, 4)):
            return {key: kept for key, kept in value.items() if key != name}
        return value | {name: draw(changes(inner, value[name]))}
    if kind == "array" and isinstance(value, list) and value and draw(st.booleans()):
        place = draw(st.integers(0, len(value) - 1))
        return [*value[:place], draw(changes(schema["items"], value[place])), *value[place + 1 :]]
    return draw(values(schema)) if draw(st.integers(0, 3)) else draw(_ANYTHING)
