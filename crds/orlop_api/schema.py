"""From a pydantic model to the structural schema that a CRD may hold.

pydantic writes JSON Schema 2020-12; the API server takes a subset of OpenAPI 3.0 without references,
null or const (Kubernetes documentation, "Extend the Kubernetes API with CustomResourceDefinitions").
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

Schema = dict[str, Any]

_UNKNOWN_TO_KUBERNETES = frozenset({"title", "$defs", "discriminator", "examples"})
_VERBATIM = frozenset({"enum", "required", "x-kubernetes-validations", "x-kubernetes-list-map-keys"})
_ENVELOPE: Schema = {
    "apiVersion": {"type": "string", "description": "The versioned schema of this object."},
    "kind": {"type": "string", "description": "The kind of this object."},
    "metadata": {"type": "object"},
}


class _OpenApi(GenerateJsonSchema):
    """pydantic's generator with null, const and defaults as Kubernetes has them."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """An optional field is absent; Kubernetes prunes null."""
        return self.generate_inner(schema["schema"])

    def literal_schema(self, schema: core_schema.LiteralSchema) -> JsonSchemaValue:
        """A literal of one value is an enum of one."""
        made = super().literal_schema(schema)
        if "const" in made:
            made["enum"] = [made.pop("const")]
        return made

    def encode_default(self, dft: Any) -> Any:
        """A model as default: by its wire names (pydantic would give the Python ones)."""
        if isinstance(dft, BaseModel):
            values = dft.model_dump(mode="json", by_alias=True, exclude_none=True)
            return {name: value for name, value in values.items() if not _is_nothing(value)}
        return super().encode_default(dft)


def _is_nothing(default: object) -> bool:
    """A default that says no more than the field's absence, and would only clutter every stored object."""
    return default is None or default in ("", [], {})


def structural(model: type[BaseModel]) -> Schema:
    """The openAPIV3Schema of a kind; field docstrings are its descriptions."""
    raw = model.model_json_schema(schema_generator=_OpenApi, by_alias=True)
    schema: Schema = _rewritten(raw, raw.get("$defs", {}))
    properties: Schema = schema["properties"]
    properties.update(_ENVELOPE)
    if "status" in properties:
        properties["status"] = _without_defaults(properties["status"])
    return schema


def _rewritten(node: Any, defs: Schema) -> Any:
    if isinstance(node, list):
        return [_rewritten(item, defs) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = defs[node["$ref"].removeprefix("#/$defs/")]
        beside = {key: value for key, value in node.items() if key != "$ref"}
        return _rewritten({**target, **beside}, defs)
    out: Schema = {}
    for key, value in node.items():
        if key == "properties":
            out[key] = {name: _rewritten(schema, defs) for name, schema in value.items()}
        elif key == "description":
            out[key] = " ".join(value.split())
        elif key == "default":
            if not _is_nothing(value):
                out[key] = value
        elif key == "pattern" and _says_it_in_words(node):
            # Were both there, the API server would report the pattern alone: it runs no rule on what breaks
            # the schema.
            continue
        elif key in _VERBATIM:
            out[key] = value
        elif key not in _UNKNOWN_TO_KUBERNETES:
            out[key] = _rewritten(value, defs)
    return out


def _says_it_in_words(node: Schema) -> bool:
    """Whether a rule beside the pattern covers it. A rule about changes (oldSelf) does not."""
    return any("oldSelf" not in item["rule"] for item in node.get("x-kubernetes-validations", []))


def _without_defaults(node: Any) -> Any:
    """A status holds what was observed; the API server shall not add to it."""
    if isinstance(node, list):
        return [_without_defaults(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: {name: _without_defaults(schema) for name, schema in value.items()}
        if key == "properties"
        else _without_defaults(value)
        for key, value in node.items()
        if key != "default"
    }
