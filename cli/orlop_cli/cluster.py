"""Reads and applies objects as the user, in the cluster that kubectl would ask. The only module that talks to it."""

from __future__ import annotations

import builtins
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from kubernetes.client.exceptions import ApiException
from pydantic import ValidationError
from urllib3.exceptions import HTTPError

from kubernetes import client, config
from orlop_api.resource import GROUP, VERSION, ApiModel
from orlop_cli.errors import CommandError, ForbiddenError, NoClusterError, NotFoundError

_SECONDS = 15
_PAGE = 500

M = TypeVar("M", bound=ApiModel)


class Cluster:
    """The cluster and namespace of a kubeconfig's context."""

    def __init__(self, context: str | None = None, namespace: str | None = None) -> None:
        """NoClusterError where the kubeconfig names none."""
        try:
            contexts, current = config.list_kube_config_contexts()  # type: ignore[no-untyped-call]
            known = {each["name"]: each["context"] for each in contexts}
            if context is not None and context not in known:
                raise NoClusterError(
                    f"the kubeconfig has no context {context}; it has {', '.join(sorted(known))}"
                )
            chosen = known[context] if context is not None else current["context"]
            self._api = config.new_client_from_config(context=context)  # type: ignore[no-untyped-call]
        except config.ConfigException as error:
            raise NoClusterError(f"no cluster to ask: {str(error).rstrip('.')}") from error
        self._api.configuration.retries = False
        self._objects = client.CustomObjectsApi(self._api)
        self.namespace = namespace or chosen.get("namespace") or "default"

    def get(self, kind: type[M], plural: str, name: str) -> M:
        """One object of the namespace. CommandError."""
        what = f"{kind.__name__} {self.namespace}/{name}"
        with self._told(what, "get", plural):
            found = self._objects.get_namespaced_custom_object(
                GROUP, VERSION, self.namespace, plural, name, _request_timeout=_SECONDS
            )
        return _parsed(kind, found, what)

    def list(self, kind: type[M], plural: str) -> list[M]:
        """All objects of the namespace. CommandError."""
        found: list[M] = []
        token = ""
        while True:
            with self._told(f"{plural} of namespace {self.namespace}", "list", plural):
                page: Any = self._objects.list_namespaced_custom_object(
                    GROUP,
                    VERSION,
                    self.namespace,
                    plural,
                    limit=_PAGE,
                    _continue=token,
                    _request_timeout=_SECONDS,
                )
            found += [
                _parsed(kind, item, f"{kind.__name__} {item['metadata']['name']}") for item in page["items"]
            ]
            token = page["metadata"].get("continue", "")
            if not token:
                return found

    def collect(self, path: str, plural: str, group: str, kind: type[M]) -> builtins.list[M]:
        """All objects of a collection by its path, of whatever group. CommandError, which says of which right."""
        found: list[M] = []
        token = ""
        right = f"list {plural}{f'.{group}' if group else ''} in {_place(path)}"
        while True:
            with self._told(plural, "list", plural):
                page = self._read(path, right, [("limit", str(_PAGE)), ("continue", token)])
            found += [
                _parsed(kind, item, f"{kind.__name__} {item['metadata']['name']}") for item in page["items"]
            ]
            token = page["metadata"].get("continue", "")
            if not token:
                return found

    def find(self, path: str, plural: str, kind: type[M]) -> M | None:
        """One object by its path; None where it does not exist. CommandError."""
        try:
            with self._told(path, "get", plural):
                found = self._read(path, f"get {plural} in {_place(path)}", [])
        except NotFoundError:
            return None
        return _parsed(kind, found, path)

    def _read(self, path: str, right: str, query: builtins.list[tuple[str, str]]) -> Any:
        """What is at a path of any group, for who explains placements."""
        serialized = self._api.param_serialize(
            "GET",
            path,
            query_params=query,
            header_params={"Accept": "application/json"},
            auth_settings=["BearerToken"],
        )
        answer = self._api.call_api(*serialized, _request_timeout=_SECONDS)
        text = answer.read().decode(errors="replace")
        if answer.status == 403:
            raise ForbiddenError(f"you may not {right}: the ClusterRole orlop-placement-viewer has it")
        if answer.status >= 400:
            raise ApiException(status=answer.status, reason=answer.reason, body=text)
        return json.loads(text)

    def apply(self, manifest: dict[str, Any]) -> str:
        """Server-side apply, as kubectl does it; says what became of it. CommandError, also for fields of others."""
        what = f"{manifest['kind']} {manifest['metadata']['name']}"
        version, plural = manifest["apiVersion"], f"{manifest['kind'].lower()}s"
        namespace = manifest["metadata"].get("namespace")
        inside = f"/namespaces/{namespace}" if namespace else ""
        path = f"/{'apis' if '/' in version else 'api'}/{version}{inside}/{plural}/{manifest['metadata']['name']}"
        serialized = self._api.param_serialize(
            "PATCH",
            path,
            query_params=[("fieldManager", "orlop"), ("fieldValidation", "Strict")],
            header_params={"Content-Type": "application/apply-patch+yaml", "Accept": "application/json"},
            body=manifest,
            auth_settings=["BearerToken"],
        )
        with self._told(what, "patch", plural):
            answer = self._api.call_api(*serialized, _request_timeout=_SECONDS)
            text = answer.read().decode(errors="replace")
            if answer.status == 401 or (answer.status >= 400 and not text.startswith("{")):
                raise ApiException(status=answer.status, reason=answer.reason, body=text)
            if answer.status >= 400:
                said = json.loads(text).get("message", answer.reason)
                raise (ForbiddenError if answer.status == 403 else CommandError)(f"{what}: {said}")
        return "created" if answer.status == 201 else "applied"

    @contextmanager
    def _told(self, what: str, verb: str, plural: str) -> Iterator[None]:
        """Whatever goes wrong, in one sentence."""
        server = self._api.configuration.host
        try:
            yield
        except ApiException as error:
            if error.status == 403:
                right = f"{verb} {plural}.{GROUP} in namespace {self.namespace}"
                raise ForbiddenError(
                    f"you may not {right}: the role view of that namespace has it"
                ) from error
            if error.status == 401:
                raise ForbiddenError(f"{server} does not know you: log in as for kubectl") from error
            if error.status == 404 and "page not found" in str(error.body):
                raise NoClusterError(f"{server} has no Orlop: it knows no {plural}.{GROUP}") from error
            if error.status == 404:
                raise NotFoundError(f"{what} does not exist") from error
            raise CommandError(f"{what}: {server} answered {error.status} {error.reason}") from error
        except (HTTPError, OSError) as error:
            raise NoClusterError(f"{server} does not answer") from error


def _place(path: str) -> str:
    """Where what is at the path is, for sentences."""
    namespace = path.partition("/namespaces/")[2].partition("/")[0]
    return f"namespace {namespace}" if namespace else "all namespaces"


def _parsed(kind: type[M], found: Any, what: str) -> M:
    try:
        return kind.model_validate(found)
    except ValidationError as error:
        raise CommandError(f"{what} is of another version than this program knows") from error
