"""Plain requests to an API server as anybody, for tests that look at the answer itself."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from orlop_api.definition import DEFINITIONS
from support.apiserver import ApiServer

GROUPS = {
    "Namespace": ("api/v1", "namespaces", False),
    "Node": ("api/v1", "nodes", False),
    "Pod": ("api/v1", "pods", True),
    "RoleBinding": ("apis/rbac.authorization.k8s.io/v1", "rolebindings", True),
    "Secret": ("api/v1", "secrets", True),
    "Service": ("api/v1", "services", True),
    "ServiceAccount": ("api/v1", "serviceaccounts", True),
    "Lease": ("apis/coordination.k8s.io/v1", "leases", True),
} | {d.kind: ("apis/orlop.dev/v1alpha1", d.plural, d.scope == "Namespaced") for d in DEFINITIONS}


@dataclass(frozen=True)
class Answer:
    """What the API server said."""

    status: int
    body: dict[str, Any]

    @property
    def message(self) -> str:
        return str(self.body.get("message", ""))

    @property
    def causes(self) -> list[tuple[str, str]]:
        """Field and message of each cause of a refusal."""
        causes = self.body.get("details", {}).get("causes", [])
        return [(cause.get("field", ""), cause["message"]) for cause in causes]


@dataclass(frozen=True)
class User:
    """Whom to impersonate."""

    name: str
    groups: tuple[str, ...] = ()
    extra: Mapping[str, str] | None = None
    uid: str = ""

    def headers(self) -> Iterable[tuple[str, str]]:
        yield "Impersonate-User", self.name
        if self.uid:
            yield "Impersonate-Uid", self.uid
        for group in self.groups:
            yield "Impersonate-Group", group
        for key, value in (self.extra or {}).items():
            yield "Impersonate-Extra-" + key.replace("/", "%2f"), value


class Rest:
    """One connection to the API server; a bearer token, and perhaps another user's name."""

    def __init__(self, server: ApiServer, user: User | None = None, token: str | None = None) -> None:
        self._server, self._user, self._token = server, user, token or server.token
        self._connection = self._connect()
        self._others: list[Rest] = []

    def _connect(self) -> http.client.HTTPSConnection:
        address = urlsplit(self._server.url).netloc
        context = ssl.create_default_context(cafile=self._server.ca)
        return http.client.HTTPSConnection(address, context=context, timeout=30)

    def close(self) -> None:
        """End the connection, and those of everybody it was made to act for."""
        for other in self._others:
            other.close()
        self._connection.close()

    def acting(self, user: User) -> Rest:
        """Requests as another user, closed with this one."""
        self._others.append(Rest(self._server, user))
        return self._others[-1]

    def bearing(self, token: str) -> Rest:
        """Requests with this token, closed with this one."""
        self._others.append(Rest(self._server, token=token))
        return self._others[-1]

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        content_type: str = "application/json",
        headers: Iterable[tuple[str, str]] = (),
    ) -> Answer:
        connection = self._connection
        connection.putrequest(method, "/" + path)
        connection.putheader("Authorization", f"Bearer {self._token}")
        for name, value in (*(self._user.headers() if self._user else ()), *headers):
            connection.putheader(name, value.encode())
        data = b"" if body is None else json.dumps(body).encode()
        connection.putheader("Content-Type", content_type)
        connection.putheader("Content-Length", str(len(data)))
        connection.endheaders(data)
        response = connection.getresponse()
        return Answer(response.status, json.loads(response.read()))

    def create(self, manifest: Mapping[str, Any], *, dry_run: bool = False) -> Answer:
        query = "?fieldValidation=Strict" + ("&dryRun=All" if dry_run else "")
        return self.request("POST", collection_of(manifest) + query, manifest)

    def get(self, manifest: Mapping[str, Any]) -> Answer:
        return self.request("GET", _path(manifest))

    def delete(self, manifest: Mapping[str, Any]) -> Answer:
        return self.request("DELETE", _path(manifest))

    def patch(
        self, manifest: Mapping[str, Any], patch: object, subresource: str = "", *, dry_run: bool = False
    ) -> Answer:
        """A merge patch of the object that the manifest names."""
        path = _path(manifest) + (f"/{subresource}" if subresource else "")
        query = "?fieldValidation=Strict" + ("&dryRun=All" if dry_run else "")
        return self.request("PATCH", path + query, patch, "application/merge-patch+json")


def collection_of(manifest: Mapping[str, Any]) -> str:
    group, plural, namespaced = GROUPS[manifest["kind"]]
    inside = f"namespaces/{manifest['metadata']['namespace']}/" if namespaced else ""
    return f"{group}/{inside}{plural}"


def _path(manifest: Mapping[str, Any]) -> str:
    return f"{collection_of(manifest)}/{manifest['metadata']['name']}"
