"""One kept-alive HTTP session with the API server; JSON in, JSON out, errors by kind."""

from __future__ import annotations

from asyncio import sslproto
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec

from orlop_agent.api.errors import UnavailableError, from_status
from orlop_agent.api.sockets import Sockets

Body = dict[str, Any]
MERGE_PATCH = "application/merge-patch+json"
JSON = "application/json"

_CONNECT_SECONDS = 5
_ANSWER_SECONDS = 15
_EVENT_BYTES = 1 << 22
"""Largest watch event: etcd takes 1.5 MiB."""

_TLS_BYTES = 1 << 15
sslproto.SSLProtocol.max_size = _TLS_BYTES
"""Of each connection asyncio keeps so much to read TLS into: two records, not 256 KiB, since each watch has one."""


class Http:
    """Requests below `server`; whoever calls says with which token."""

    def __init__(self, session: aiohttp.ClientSession, server: str) -> None:
        self._session = session
        self._server = server

    async def call(
        self,
        method: str,
        path: str,
        body: Body | None = None,
        *,
        token: str | None,
        query: Mapping[str, str] | None = None,
        content_type: str = JSON,
    ) -> Body:
        """One request; an ApiError by what the API server says."""
        try:
            async with self._session.request(
                method,
                self._server + path,
                data=None if body is None else msgspec.json.encode(body),
                params=query,
                headers=_headers(token, content_type),
            ) as response:
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnavailableError(f"{method} {path}: {error or type(error).__name__}") from error
        if response.status >= 300:
            raise from_status(response.status, f"{method} {path}: {_message(content, response.status)}")
        return _decoded(content)

    @asynccontextmanager
    async def lines(
        self, path: str, *, token: str | None, query: Mapping[str, str], silence: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """A streamed answer, line by line; UnavailableError after `silence` seconds without one."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=silence)
        try:
            async with self._session.get(
                self._server + path,
                params=query,
                headers=_headers(token, JSON),
                timeout=timeout,
                read_bufsize=_EVENT_BYTES,
            ) as response:
                if response.status >= 300:
                    content = await response.read()
                    raise from_status(response.status, f"GET {path}: {_message(content, response.status)}")
                try:
                    yield aiter(response.content)
                finally:
                    # A stream that is left has no end to wait for, nor a goodbye of TLS.
                    if response.connection is not None and response.connection.transport is not None:
                        response.connection.transport.abort()
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise UnavailableError(f"GET {path}: {error or type(error).__name__}") from error


@asynccontextmanager
async def connected(server: str, tls: Any) -> AsyncIterator[Http]:
    """A session for the duration of the block; `tls` is an ssl.SSLContext or None for plain http."""
    sockets = Sockets()
    connector = aiohttp.TCPConnector(
        ssl=tls or False, limit=0, keepalive_timeout=75, socket_factory=sockets.make
    )
    timeout = aiohttp.ClientTimeout(total=_ANSWER_SECONDS, sock_connect=_CONNECT_SECONDS)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
        try:
            yield Http(session, server)
        finally:
            # Without waiting for the other side's goodbye, which may not come.
            await connector.close(abort_ssl=True)
            await sockets.end()


def _headers(token: str | None, content_type: str) -> dict[str, str]:
    headers = {"Accept": JSON, "Content-Type": content_type, "User-Agent": "orlop-agent"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return headers


def _decoded(content: bytes) -> Body:
    try:
        return msgspec.json.decode(content, type=dict)
    except msgspec.MsgspecError as error:
        raise UnavailableError("the answer is not JSON: something stands between") from error


def _message(content: bytes, status: int) -> str:
    """The sentence of a metav1.Status, or the HTTP status where a proxy answered."""
    try:
        return str(msgspec.json.decode(content, type=dict)["message"])
    except (msgspec.MsgspecError, KeyError):
        return f"HTTP {status}"
