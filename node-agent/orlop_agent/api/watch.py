"""List and watch in one, for ever: what to look at, never what to do.

The watch itself begins with all there is (streaming lists, in Kubernetes since 1.34), so that a beginning costs one
request and one connection. Bookmarks keep the resource version fresh, so a broken connection costs no list; a silent
one is noticed after 70 s (bookmarks come once a minute). A list replaces everything that was known.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from orlop_agent.api import backoff
from orlop_agent.api.errors import ApiError, ExpiredError, InvalidError, from_status
from orlop_agent.api.http import Body

SILENCE = 70.0
"""Seconds without event or bookmark until the connection counts as dead."""
_SERVER_TIMEOUT = "290"
_PAGE = "500"
_ALL_TOLD = "k8s.io/initial-events-end"
"""An annotation of the bookmark after which all there is has been told."""

Get = Callable[[str, Mapping[str, str]], Awaitable[Body]]
Lines = Callable[[str, Mapping[str, str], float], AbstractAsyncContextManager[AsyncIterator[bytes]]]

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Listed:
    """All there is; what was known before and is not here is gone."""

    objects: tuple[Body, ...]


@dataclass(frozen=True, slots=True)
class Changed:
    """One object as it is now."""

    object: Body


@dataclass(frozen=True, slots=True)
class Gone:
    """One object left the selection: deleted, or not selected any more."""

    object: Body


Event = Listed | Changed | Gone


class _Event(msgspec.Struct):
    type: str
    object: dict[str, Any]


_decoder = msgspec.json.Decoder(_Event)


async def watch(get: Get, lines: Lines, path: str, selector: Mapping[str, str]) -> AsyncIterator[Event]:
    """Yield events of the collection at `path` until the consumer stops."""
    waits = backoff.delays()
    version, streams_lists = "", True
    while True:
        try:
            if not version and not streams_lists:
                objects, version = await _list(get, path, selector)
                yield Listed(objects)
            query = {
                **selector,
                "watch": "true",
                "allowWatchBookmarks": "true",
                "timeoutSeconds": _SERVER_TIMEOUT,
                **_since(version),
            }
            told: dict[tuple[str, str], Body] | None = None if version else {}
            async with lines(path, query, SILENCE) as stream:
                async for line in stream:
                    event = _decoder.decode(line)
                    if event.type == "ERROR":
                        _raise(event.object)
                    if told is not None and not _ends_list(event):
                        _gather(told, event)
                        continue
                    # Not before a list is complete: one that breaks off each time costs the server all of it.
                    waits = backoff.delays()
                    version = event.object["metadata"]["resourceVersion"]
                    if told is not None:
                        yield Listed(tuple(told.values()))
                        told = None
                    elif event.type == "DELETED":
                        yield Gone(event.object)
                    elif event.type != "BOOKMARK":
                        yield Changed(event.object)
        except ExpiredError:
            version = ""
        except (ApiError, msgspec.MsgspecError) as error:
            # Where an administrator has switched streaming lists off, lists are asked for by themselves.
            streams_lists = streams_lists and not (isinstance(error, InvalidError) and not version)
            _log.info("watch.interrupted", path=path, error=str(error))
        # An orderly end of the stream waits too, if shortly: a server that ends each at once must not be run hot.
        await asyncio.sleep(next(waits))


def _since(version: str) -> dict[str, str]:
    """From where to tell; without a version all there is first, as etcd has it now."""
    if version:
        return {"resourceVersion": version}
    return {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}


def _ends_list(event: _Event) -> bool:
    annotations = event.object["metadata"].get("annotations") or {}
    return event.type == "BOOKMARK" and _ALL_TOLD in annotations


def _gather(told: dict[tuple[str, str], Body], event: _Event) -> None:
    """One event of a list that is being told: changes may come between."""
    if event.type == "BOOKMARK":
        return
    meta = event.object["metadata"]
    key = meta.get("namespace", ""), meta["name"]
    if event.type == "DELETED":
        told.pop(key, None)
    else:
        told[key] = event.object


async def _list(get: Get, path: str, selector: Mapping[str, str]) -> tuple[tuple[Body, ...], str]:
    objects: list[Body] = []
    token = ""
    while True:
        page = await get(path, {**selector, "limit": _PAGE, **({"continue": token} if token else {})})
        objects += page["items"]
        token = page["metadata"].get("continue", "")
        if not token:
            return tuple(objects), page["metadata"]["resourceVersion"]


def _raise(status: Body) -> None:
    raise from_status(int(status.get("code", 500)), str(status.get("message", "the watch failed")))
