"""The API reference as Markdown: every field with its type, bounds and description."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from orlop_api.definition import DEFINITIONS, Definition
from orlop_api.resource import API_VERSION
from orlop_api.schema import Schema, structural

_BOUNDS = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "maxProperties": "at most {} entries",
}


def reference() -> str:
    """The whole page."""
    head = (
        "# API reference\n\n"
        f"Every kind is `{API_VERSION}`. This page is made from the models in `crds/orlop_api`;"
        " `kubectl explain` says the same.\n"
    )
    return head + "".join(_kind(definition) for definition in DEFINITIONS)


def _kind(definition: Definition) -> str:
    schema = structural(definition.model)
    properties: Schema = schema["properties"]
    short = "" if definition.short == definition.kind.lower() else f", short `{definition.short}`"
    scope = "in a namespace" if definition.scope == "Namespaced" else "cluster-wide"
    lines = [
        f"\n## {definition.kind}\n",
        f"{schema['description']}\n",
        f"`{definition.plural}`{short}; {scope}.\n",
    ]
    root_rules = [f"- {_cell(item['message'])}" for item in schema.get("x-kubernetes-validations", [])]
    if root_rules:
        lines.append("\n".join(root_rules) + "\n")
    for part in ("spec", "status"):
        if part in properties:
            lines.append("| field | type | description |\n|---|---|---|")
            lines += _rows(part, properties[part], required=part in schema.get("required", []))
            lines.append("")
    return "\n".join(lines)


def _rows(path: str, schema: Schema, *, required: bool) -> Iterator[str]:
    kind, inner, inner_path = _shape(path, schema)
    text = " ".join([schema.get("description", ""), *_limits(schema, required=required)]).strip()
    yield f"| `{path}` | {kind} | {_cell(text)} |"
    names = inner.get("required", [])
    for name, child in inner.get("properties", {}).items():
        yield from _rows(f"{inner_path}.{name}", child, required=name in names)


def _shape(path: str, schema: Schema) -> tuple[str, Schema, str]:
    """Type for people, the schema whose properties follow, and the path that these have."""
    if schema["type"] == "array":
        items: Schema = schema["items"]
        return f"list of {items['type']}", items, f"{path}[]"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"map to {schema['additionalProperties']['type']}", {}, path
    return schema["type"], schema, path


def _limits(schema: Schema, *, required: bool) -> Iterator[str]:
    if required:
        yield "Required."
    if "enum" in schema:
        yield "One of " + ", ".join(f"`{value}`" for value in schema["enum"]) + "."
    bounds = [text.format(schema[key]) for key, text in _BOUNDS.items() if key in schema]
    if bounds:
        yield f"({', '.join(bounds)})"
    if "default" in schema:
        yield f"Default: `{_plain(schema['default'])}`."
    for item in schema.get("x-kubernetes-validations", []):
        yield f"*{item['message']}.*"


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_plain(item)}" for key, item in value.items()) + "}"
    return str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
