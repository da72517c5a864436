"""The only module that talks to the API server (the webhook's server apart, which is talked to).

Raw aiohttp with kept connections and msgspec: a fifth of the CPU of generated clients. Reads are tried again
here when the connection breaks. Writes never are: whether one was applied is settled by a read, by whoever
decided on it.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
import kopf
import msgspec

from orlop_operator import errors
from orlop_operator.kinds import WATCHED, Kind, M

FIELD_MANAGER = "orlop-operator"
MERGE_PATCH = "application/merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"
PAGE = 500
"""Objects per answer of a list."""
_TRIES = 3
_TIMEOUT = aiohttp.ClientTimeout(total=15, sock_connect=5)
_WRITES_AT_ONCE = 64
"""Connections for what is no watch."""
_WATCH_SECONDS = "600"
"""Until the API server is asked to end a watch, so that it moves to another server."""
_WATCH_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=70)
"""Without even a bookmark (one a minute) for that long a watch counts as dead."""
_EVENT_BYTES = 1 << 20
"""Half of the largest line: etcd takes 1.5 MiB."""

Body = dict[str, Any]


class _Event(msgspec.Struct):
    type: str
    object: dict[str, Any]


class _PageMeta(msgspec.Struct, rename="camel"):
    resource_version: str
    continue_: str = msgspec.field(default="", name="continue")


class _Page(msgspec.Struct):
    metadata: _PageMeta
    items: list[msgspec.Raw]


_events = msgspec.json.Decoder(_Event)
_pages = msgspec.json.Decoder(_Page)


class Cluster:
    """One session with the API server."""

    def __init__(self, session: aiohttp.ClientSession, login: Callable[[], kopf.ConnectionInfo]) -> None:
        self._session = session
        self._login = login
        self._info = login()
        self.writes = 0
        """Successful writes so far, Events and Leases included."""

    async def get(self, kind: Kind[M], namespace: str, name: str) -> M:
        """The object as etcd has it now, no cache between."""
        return kind.parse(await self.call("GET", kind.path(namespace, name)))

    async def list(self, kind: Kind[M], namespace: str = "") -> list[M]:
        """All objects of a kind, few enough to have them all at once."""
        pages = [page async for page, _ in self.pages(kind, namespace)]
        return [kind.parse(msgspec.json.decode(item)) for page in pages for item in page]

    async def pages(
        self, kind: Kind[M], namespace: str = ""
    ) -> AsyncGenerator[tuple[Sequence[msgspec.Raw], int]]:
        """All that is watched of a kind, some hundred at once and not decoded, with their snapshot's resourceVersion.

        Another version than before: that snapshot was compacted away, and all begins again with this one.
        """
        token = ""
        while True:
            query = {"limit": str(PAGE)} | _selected(kind) | ({"continue": token} if token else {})
            try:
                page = _pages.decode(await self._read("GET", kind.path(namespace), query=query))
            except errors.ApiError as error:
                if error.status != 410 or not token:
                    raise
                token = ""
                continue
            yield page.items, int(page.metadata.resource_version)
            token = page.metadata.continue_
            if not token:
                return

    async def watch(
        self, kind: Kind[M], version: str, namespace: str = ""
    ) -> AsyncGenerator[tuple[str, Body], None]:
        """Type and object of each change after the version, bookmarks included, until the API server ends it."""
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": _WATCH_SECONDS,
        } | _selected(kind)
        info = self._fresh()
        headers = {**info.as_http_headers(), "Accept": "application/json"}
        try:
            async with self._session.get(
                info.server + kind.path(namespace),
                params=query,
                headers=headers,
                timeout=_WATCH_TIMEOUT,
                read_bufsize=_EVENT_BYTES,
            ) as response:
                if response.status >= 300:
                    self._raise(response.status, await response.read(), f"watch {kind.plural}")
                async for line in response.content:
                    event = _events.decode(line)
                    if event.type == "ERROR":
                        status = int(event.object.get("code", 500))
                        reason, message = (str(event.object.get(key, "")) for key in ("reason", "message"))
                        raise errors.from_status(status, reason, message)
                    yield event.type, event.object
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            # A line that is cut off is no JSON, and one that is too long no line.
            raise errors.UnavailableError(f"watch {kind.plural}: {error or type(error).__name__}") from error

    async def create(self, kind: Kind[M], body: Body, namespace: str = "") -> M:
        """POST; AlreadyExistsError where the name is taken."""
        return kind.parse(await self.post(kind.path(namespace), body))

    async def post(self, path: str, body: Body) -> Body:
        """POST of any body to any path; AlreadyExistsError where the name is taken."""
        answer = await self.call("POST", path, body, query={"fieldManager": FIELD_MANAGER})
        self.writes += 1
        return answer

    async def patch(
        self,
        kind: Kind[M],
        body: M,
        change: Body,
        subresource: str = "",
        *,
        any_version: bool = False,
    ) -> M:
        """Compare-and-swap: a merge patch that holds only for this uid and resourceVersion.

        With `any_version` the uid alone must match. ConflictError where it does not.
        """
        seen: Body = {"uid": body.metadata.uid}
        if not any_version:
            seen["resourceVersion"] = body.metadata.resource_version
        metadata = {**change.get("metadata", {}), **seen}
        path = kind.path(body.metadata.namespace, body.metadata.name, subresource)
        answer = await self.call(
            "PATCH",
            path,
            {**change, "metadata": metadata},
            query={"fieldManager": FIELD_MANAGER},
            content_type=MERGE_PATCH,
        )
        self.writes += 1
        return kind.parse(answer)

    async def apply_status(self, kind: Kind[M], body: M, status: Body) -> M:
        """Server-side apply of the whole status, which has no other writer; only on this very uid."""
        meta = body.metadata
        known = {"name": meta.name, "uid": meta.uid}
        if meta.namespace:
            known["namespace"] = meta.namespace
        applied = {
            "apiVersion": kind.api_version,
            "kind": kind.name,
            "metadata": known,
            "status": status,
        }
        return kind.parse(await self.apply(kind.path(meta.namespace, meta.name, "status"), applied))

    async def apply(self, path: str, body: Body) -> Body:
        """Server-side apply, over whatever others have written there."""
        query = {"fieldManager": FIELD_MANAGER, "force": "true"}
        answer = await self.call("PATCH", path, body, query=query, content_type=APPLY_PATCH)
        self.writes += 1
        return answer

    async def delete(self, path: str, *, uid: str | None = None, version: str | None = None) -> None:
        """DELETE of that very object; NotFoundError where it is gone, ConflictError where it changed."""
        preconditions = {"uid": uid, "resourceVersion": version}
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {name: value for name, value in preconditions.items() if value},
        }
        await self.call("DELETE", path, body)
        self.writes += 1

    async def call(
        self,
        method: str,
        path: str,
        body: Body | Sequence[Body] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        safe: bool | None = None,
    ) -> Body:
        """One request; raises the errors of `errors`. What is `safe` (reads) is tried again."""
        content = await self._read(method, path, body, query=query, content_type=content_type, safe=safe)
        answer: Body = msgspec.json.decode(content) if content else {}
        return answer

    async def _read(
        self,
        method: str,
        path: str,
        body: Body | Sequence[Body] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        safe: bool | None = None,
    ) -> bytes:
        safe = method == "GET" if safe is None else safe
        data = None if body is None else msgspec.json.encode(body)
        for attempt in range(_TRIES if safe else 1):
            try:
                return await self._once(method, path, data, query, content_type)
            except errors.UnavailableError:
                if not safe or attempt == _TRIES - 1:
                    raise
                await asyncio.sleep(0.1 * 2**attempt * random.uniform(0.5, 1.5))  # noqa: S311 - back-off
        raise AssertionError

    async def _once(
        self, method: str, path: str, data: bytes | None, query: Mapping[str, str] | None, content_type: str
    ) -> bytes:
        info = self._fresh()
        headers = {**info.as_http_headers(), "Accept": "application/json"}
        if data is not None:
            headers["Content-Type"] = content_type
        try:
            async with self._session.request(
                method, info.server + path, data=data, params=query, headers=headers
            ) as response:
                content = await response.read()
                status = response.status
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise errors.UnavailableError(f"{method} {path}: {error or type(error).__name__}") from error
        if status < 300:
            return content
        self._raise(status, content, f"{method} {path}")
        raise AssertionError

    def _raise(self, status: int, content: bytes, what: str) -> None:
        if status == 401:
            self._info = self._login()
        reason, message = _refusal(content)
        raise errors.from_status(status, reason, message or f"{what}: {status}")

    def _fresh(self) -> kopf.ConnectionInfo:
        if self._info.expiration is not None and self._info.expiration < datetime.now(UTC):
            self._info = self._login()
        return self._info


def _selected(kind: Kind[Any]) -> dict[str, str]:
    return {"fieldSelector": kind.watched} if kind.watched else {}


def _refusal(content: bytes) -> tuple[str, str]:
    """Reason and message of a metav1.Status; a proxy's page is no such thing."""
    try:
        answer = msgspec.json.decode(content)
    except msgspec.DecodeError:
        return "", content[:200].decode(errors="replace")
    if not isinstance(answer, dict):
        return "", ""
    return str(answer.get("reason", "")), str(answer.get("message", ""))


@asynccontextmanager
async def connected(login: Callable[[], kopf.ConnectionInfo]) -> AsyncIterator[Cluster]:
    """A session for the duration of the block."""
    info = login()
    ssl = info.as_ssl_context() if info.server.startswith("https:") else True
    connector = aiohttp.TCPConnector(ssl=ssl, limit=_WRITES_AT_ONCE + len(WATCHED), keepalive_timeout=60)
    async with aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT) as session:
        yield Cluster(session, login)
