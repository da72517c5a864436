"""A whole list of a kind, taken over page by page: of what is known already only its version is read."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

import msgspec
import structlog
from pydantic import ValidationError

from orlop_operator.cluster import Cluster
from orlop_operator.kinds import Kind
from orlop_operator.store import Store


class _Meta(msgspec.Struct, rename="camel"):
    name: str
    uid: str
    resource_version: str
    namespace: str = ""


class _Head(msgspec.Struct):
    metadata: _Meta


_heads = msgspec.json.Decoder(_Head)

log = structlog.get_logger()


async def take_over(
    cluster: Cluster, store: Store, kind: Kind[Any], heard: Callable[[], None] = lambda: None
) -> int:
    """Make the store agree with the API server; the resourceVersion at which it did. `heard` is told of each page."""
    since, listed = 0, set[tuple[str, str]]()
    async with aclosing(cluster.pages(kind)) as pages:
        async for items, version in pages:
            heard()
            if version != since:
                since, listed = version, set()
            for item in items:
                meta = _heads.decode(item).metadata
                listed.add((meta.namespace, meta.name))
                if not store.is_known(kind, meta.namespace, meta.name, meta.uid, int(meta.resource_version)):
                    learn(store, kind, msgspec.json.decode(item))
    store.retain(kind, listed, since)
    return since


def learn(store: Store, kind: Kind[Any], body: dict[str, Any]) -> None:
    """Take over an object; one that is not understood is logged, and what was known of it before stays.

    The API server checks against the same schema, so this is a version of it that we do not know.
    """
    try:
        thing = kind.parse(body)
    except ValidationError as error:
        meta = body["metadata"]
        log.warning(
            "not understood",
            kind=kind.name,
            namespace=meta.get("namespace", ""),
            name=meta["name"],
            error=str(error),
        )
        return
    store.observe(kind, thing)


@contextmanager
def filling() -> Iterator[None]:
    """While very many objects are made that are to stay: Python would look through them again and again for rings.

    Afterwards those that are there are looked through no more.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
    gc.collect()
    gc.freeze()
