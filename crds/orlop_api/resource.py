"""What every kind shares: the envelope, references, and how a field says its Kubernetes rules.

Every class here becomes part of a CRD schema, and the docstring under a field becomes its
``kubectl explain`` text. See the Kubernetes API conventions (sig-architecture/api-conventions.md).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NewType

from pydantic import BaseModel, ConfigDict, Field

GROUP = "orlop.dev"
VERSION = "v1alpha1"
API_VERSION: Literal["orlop.dev/v1alpha1"] = "orlop.dev/v1alpha1"

Uid = NewType("Uid", str)


def rule(expression: str, message: str, told: str | None = None) -> dict[str, str]:
    """One CEL rule; the message says what is allowed, never only what is wrong.

    `told` is an expression that makes a message with the values in it; where it fails, `message` stands in.
    """
    made = {"rule": expression, "message": message}
    return made if told is None else made | {"messageExpression": told}


def rules(*items: dict[str, str]) -> dict[str, Any]:
    """Schema extension for a field or a model (``json_schema_extra``)."""
    return {"x-kubernetes-validations": list(items)}


def list_map(*keys: str) -> dict[str, Any]:
    """A list whose entries are known by these keys, so that appliers merge and never append twice."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


LIST_SET = {"x-kubernetes-list-type": "set"}
LIST_ATOMIC = {"x-kubernetes-list-type": "atomic"}


_ACRONYMS = {"id": "ID", "ips": "IPs", "mtu": "MTU", "uid": "UID", "uuid": "UUID"}


def to_wire_name(name: str) -> str:
    """`boot_id` is bootID: camel case, with acronyms as the Kubernetes API conventions want them."""
    first, *rest = name.split("_")
    return first + "".join(_ACRONYMS.get(word, word.capitalize()) for word in rest)


class ApiModel(BaseModel):
    """Camel-case on the wire; unknown fields are ignored, so an older agent survives a newer API."""

    model_config = ConfigDict(
        alias_generator=to_wire_name,
        populate_by_name=True,
        extra="ignore",
        use_attribute_docstrings=True,
        frozen=True,
    )

    def wire(self) -> dict[str, Any]:
        """JSON-ready form: aliases, no nulls, no field that was left at its default of nothing."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def whole(self) -> dict[str, Any]:
        """As `wire`, for a merge patch: null where there is nothing, which takes away what was there (RFC 7396).

        Not within lists, which a merge patch writes as a whole.
        """
        wire = self.wire()
        named = [(name, field.alias or name) for name, field in type(self).model_fields.items()]
        return {alias: _whole(getattr(self, name), wire.get(alias)) for name, alias in named}


def _whole(value: Any, wire: Any) -> Any:
    return value.whole() if isinstance(value, ApiModel) else wire


def unchanged(model: type[ApiModel], but: set[str]) -> str:
    """CEL for a spec: true while no field of it but these has changed."""
    checks = []
    for name, field in model.model_fields.items():
        wire = to_wire_name(name)
        if name in but:
            continue
        same = f"self.{wire} == oldSelf.{wire}"
        if not field.is_required():
            same = f"(has(self.{wire}) ? has(oldSelf.{wire}) && {same} : !has(oldSelf.{wire}))"
        checks.append(same)
    return " && ".join(checks)


class Metadata(ApiModel):
    """The part of ObjectMeta that Orlop reads."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    finalizers: list[str] = []

    @property
    def deleting(self) -> bool:
        """Whether somebody asked for the object to go."""
        return self.deletion_timestamp is not None


DnsLabel = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
DnsSubdomain = Annotated[
    str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$")
]
Digest = Annotated[str, Field(max_length=71, pattern=r"^sha256:[0-9a-f]{64}$")]
Checksum = Annotated[str, Field(max_length=135, pattern=r"^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$")]
MacAddress = Annotated[str, Field(max_length=17, pattern=r"^[0-9a-f]{2}(:[0-9a-f]{2}){5}$")]
Ipv4 = Annotated[str, Field(max_length=15)]
Ip = Annotated[str, Field(max_length=39)]
"""Of either family."""
HttpUrl = Annotated[str, Field(min_length=8, max_length=2048, pattern=r"^https?://")]
ObjectUid = Annotated[str, Field(min_length=1, max_length=64)]
Reason = Annotated[str, Field(max_length=128)]
Message = Annotated[str, Field(max_length=1024)]
SecretKey = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[-._a-zA-Z0-9]+$")]
HostName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$")]
PortNumber = Annotated[int, Field(ge=1, le=65535)]
ByteCount = Annotated[int, Field(ge=0, json_schema_extra={"format": "int64"})]


class LocalRef(ApiModel):
    """An object of the same namespace."""

    name: DnsSubdomain
    """Name of the object."""


class SecretKeyRef(ApiModel):
    """One key of a Secret."""

    name: DnsSubdomain
    """Name of the Secret."""
    key: SecretKey
    """Key within the Secret."""


class ObjectRef(ApiModel):
    """An object of this or, with the right to `use` it, another namespace."""

    name: DnsSubdomain
    """Name of the object."""
    namespace: DnsLabel | None = None
    """Namespace of the object; the referrer's own when absent."""
