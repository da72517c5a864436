"""Something secret that all replicas share: created by name, replaced by compare-and-swap, made by one of them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from orlop_operator.errors import AlreadyExistsError, ConflictError, NotFoundError

NAMESPACE = "orlop-system"
_SECRETS = f"/api/v1/namespaces/{NAMESPACE}/secrets"
_MERGE = "application/merge-patch+json"


class Calls(Protocol):
    """What this needs of the API server: `Cluster.call`."""

    async def call(
        self, method: str, path: str, body: dict[str, Any] | None = None, *, content_type: str = ...
    ) -> dict[str, Any]:
        """One request; raises the errors of `errors`."""


class Content(Protocol):
    """What is kept."""

    def data(self) -> dict[str, bytes]:
        """As the Secret's data, not yet in base64."""


T = TypeVar("T", bound=Content)


@dataclass(frozen=True)
class SecretKeeper(Generic[T]):
    """One Secret in orlop-system."""

    cluster: Calls
    name: str
    type: str
    parse: Callable[[Mapping[str, bytes]], T | None]
    """None when a part is missing."""

    async def keep(self, renewed: Callable[[T | None], T | None]) -> T | None:
        """The content, after `renewed` was asked what must replace it (None: nothing).

        None when another replica was faster: look again.
        """
        path = f"{_SECRETS}/{self.name}"
        try:
            secret = await self.cluster.call("GET", path)
        except NotFoundError:
            secret = None
        held = self.parse(decoded(secret)) if secret else None
        new = renewed(held)
        if new is None:
            return held
        try:
            await self._write(secret, new)
        except (AlreadyExistsError, ConflictError):
            return None
        return new

    async def _write(self, seen: dict[str, Any] | None, content: T) -> None:
        data = {name: base64.b64encode(value).decode() for name, value in content.data().items()}
        if seen is None:
            metadata = {"name": self.name, "namespace": NAMESPACE}
            body = {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": metadata,
                "type": self.type,
                "data": data,
            }
            await self.cluster.call("POST", _SECRETS, body)
        else:
            version = {key: seen["metadata"][key] for key in ("uid", "resourceVersion")}
            change = {"metadata": version, "data": data}
            await self.cluster.call("PATCH", f"{_SECRETS}/{self.name}", change, content_type=_MERGE)


def decoded(secret: Mapping[str, Any]) -> dict[str, bytes]:
    """A Secret's data without base64."""
    return {name: base64.b64decode(value) for name, value in (secret.get("data") or {}).items()}
