"""Kubernetes Events about decisions: best effort, few, and never in the way of the work itself."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import structlog

from orlop_operator import errors
from orlop_operator.kinds import BY_NAME
from orlop_operator.reconcile.effects import Announce

if TYPE_CHECKING:
    from orlop_operator.cluster import Cluster

log = structlog.get_logger()

PER_SECOND = 5.0
_WAITING = 200
"""Events that may wait; more are dropped."""
_MEMORY = 1024
"""Events that are remembered, so that the same one is not told twice in a row about an object."""


class Recorder:
    """Posts Events one after the other, at a bounded rate."""

    def __init__(self, cluster: Cluster, identity: str) -> None:
        self._cluster = cluster
        self._identity = identity
        self._queue: asyncio.Queue[Announce] = asyncio.Queue(_WAITING)
        self._last: OrderedDict[str, tuple[str, str]] = OrderedDict()

    def announce(self, event: Announce) -> None:
        """Queue it; dropped where it repeats the last one about the object, or too many wait."""
        uid, said = event.about.metadata.uid, (event.reason, event.message)
        if self._last.get(uid) == said or self._queue.full():
            return
        self._last[uid] = said
        if len(self._last) > _MEMORY:
            self._last.popitem(last=False)
        self._queue.put_nowait(event)

    async def run(self) -> None:
        """Post until cancelled."""
        while True:
            event = await self._queue.get()
            meta = event.about.metadata
            namespace = meta.namespace or "default"
            try:
                await self._cluster.post(
                    f"/apis/events.k8s.io/v1/namespaces/{namespace}/events", self._body(event, namespace)
                )
            except errors.ApiError as error:
                log.info("event not posted", reason=event.reason, error=str(error))
            await asyncio.sleep(1 / PER_SECOND)

    def _body(self, event: Announce, namespace: str) -> dict[str, Any]:
        meta = event.about.metadata
        return {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": f"{meta.name[:200]}.{uuid4().hex[:16]}", "namespace": namespace},
            "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "reportingController": "orlop.dev/operator",
            "reportingInstance": self._identity[:128],
            "action": event.reason,
            "reason": event.reason,
            "type": event.type,
            "note": event.message[:1024],
            "regarding": {
                "apiVersion": BY_NAME[event.kind].api_version,
                "kind": event.kind,
                "namespace": meta.namespace,
                "name": meta.name,
                "uid": meta.uid,
                "resourceVersion": meta.resource_version,
            },
        }
