"""The operator's process: store, election, workers, watches, webhook and probes, wired together."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any

import kopf
import structlog

from orlop_operator import errors
from orlop_operator.cluster import Cluster, connected
from orlop_operator.credentials import connection
from orlop_operator.health import Vitals, served
from orlop_operator.kinds import QUOTA, WATCHED, Kind
from orlop_operator.kopfsettings import kopf_settings
from orlop_operator.lease import Election
from orlop_operator.listing import filling, learn, take_over
from orlop_operator.listwatch import follow
from orlop_operator.profile_watch import ProfileWatch
from orlop_operator.reconcile.effects import Announce
from orlop_operator.reconciler import Reconciler
from orlop_operator.recorder import Recorder
from orlop_operator.settings import Settings
from orlop_operator.store import Change, Key, Store
from orlop_operator.workqueue import WorkQueue

log = structlog.get_logger()

_RESYNCED = 50_000
"""Objects up to which a resync comes as often as it is set; of more more seldom, so that it takes no larger share."""
_LIST_AGAIN = 2.0
"""Seconds between tries of the first listing, for example until the CRDs are there."""


class Replica:
    """One replica."""

    def __init__(self, settings: Settings, cluster: Cluster) -> None:
        self._settings = settings
        self._cluster = cluster
        self._clock = asyncio.get_running_loop().time
        self._queue: WorkQueue[Key] = WorkQueue(party=lambda key: key.namespace, at_most=settings.for_one)
        self._recorder = Recorder(cluster, settings.pod_name)
        self._store = Store(self._changed)
        self._reconciler = Reconciler(cluster, self._recorder, self._store, self._queue)
        self._election = Election(
            cluster, settings.namespace, settings.pod_name, lead=self._lead, follow=self._follow
        )
        self._profiles = ProfileWatch(
            cluster, settings.namespace, use=self._reconciler.use, announce=self._announce
        )
        self._workers: list[asyncio.Task[None]] = []
        self._heard = self._clock()
        self._webhook: Any = None

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop`, or until a part of it ends with an error."""
        served_by = kopf_settings()
        registry = kopf.get_default_registry()
        from orlop_operator.handlers import login  # noqa: F401, PLC0415 - importing registers

        if self._settings.webhook == "Enabled":
            from orlop_operator.handlers import admission  # noqa: F401, PLC0415 - importing registers
            from orlop_operator.webhook import Webhook  # noqa: PLC0415

            self._webhook = Webhook(self._cluster, port=self._settings.webhook_port)
            served_by.admission.server = self._webhook
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(served(self.vitals, self._settings.health_port))
            since = await self._fill()
            async with asyncio.TaskGroup() as parts:
                background = [
                    parts.create_task(self._election.run(), name="election"),
                    parts.create_task(self._recorder.run(), name="events"),
                    parts.create_task(self._resync(), name="resync"),
                    *(
                        parts.create_task(
                            follow(self._cluster, kind, since[kind.name], self.take, self._list),
                            name=f"watch {kind.plural}",
                        )
                        for kind in WATCHED
                    ),
                    parts.create_task(self._profiles.run(), name="profiles"),
                ]
                try:
                    await kopf.operator(
                        registry=registry,
                        settings=served_by,
                        clusterwide=True,
                        standalone=True,
                        stop_flag=stop,
                    )
                finally:
                    for part in background:
                        part.cancel()

    def _changed(self, change: Change) -> None:
        self._reconciler.observe(change)

    def _announce(self, event: Announce) -> None:
        """What is told once, though every replica knows it."""
        if self._election.leading:
            self._recorder.announce(event)

    def vitals(self) -> Vitals:
        """How it goes."""
        return Vitals(
            leading=self._election.leading,
            ready=self._webhook is None or self._webhook.ready,
            silence=self._clock() - self._heard,
            keys=len(self._queue),
            oldest=self._queue.oldest(),
            stalled=self._queue.stalled(),
            writes=self._cluster.writes,
            reviews=self._reconciler.reviews,
            quotas=tuple(self._store.all(QUOTA)) if self._election.leading else (),
            profiles_refused=self._profiles.refused,
        )

    def take(self, kind: Kind[Any], event: str, body: dict[str, Any]) -> None:
        """One watch event."""
        self._hear()
        meta = body["metadata"]
        place = meta.get("namespace", ""), meta["name"]
        if event == "DELETED":
            # By its metadata alone: it is gone whether it was understood or not.
            self._store.remove(kind, *place, meta["uid"])
        elif not self._store.is_known(kind, *place, meta["uid"], int(meta["resourceVersion"])):
            learn(self._store, kind, body)

    async def _fill(self) -> dict[str, int]:
        """List everything before anything is decided: only then may a missing object be called missing.

        Returns the version of each kind's list, by the kind's name.
        """
        while True:
            try:
                await self._profiles.begin()
                with filling():
                    return {kind.name: await self._list(kind) for kind in WATCHED}
            except errors.ApiError as error:
                log.warning("first listing failed", error=str(error), retry_seconds=_LIST_AGAIN)
                self._hear()
                await asyncio.sleep(_LIST_AGAIN)

    async def _list(self, kind: Kind[Any]) -> int:
        return await take_over(self._cluster, self._store, kind, self._hear)

    def _hear(self) -> None:
        self._heard = self._clock()

    async def _resync(self) -> None:
        """Catch what a watch has missed."""
        while True:
            size = max(1.0, len(self._store) / _RESYNCED)
            jitter = random.uniform(0.9, 1.1)  # noqa: S311 - no secret
            await asyncio.sleep(self._settings.resync_seconds * size * jitter)
            try:
                for kind in WATCHED:
                    await self._list(kind)
                if self._election.leading:
                    await self._reconciler.sweep(datetime.now(UTC))
            except errors.ApiError as error:
                log.warning("resync failed", error=str(error))
            self._reconciler.everything()

    def _lead(self) -> None:
        self._queue.open()
        self._reconciler.everything()
        self._workers = [
            asyncio.create_task(self._reconciler.work(), name=f"worker-{n}")
            for n in range(self._settings.workers)
        ]

    def _follow(self) -> None:
        for worker in self._workers:
            worker.cancel()
        self._workers = []
        self._queue.close()


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Connect, and run one replica until `stop`."""
    settings_of_kopf = kopf_settings()
    async with connected(lambda: connection(settings_of_kopf)) as cluster:
        await Replica(settings, cluster).run(stop)
