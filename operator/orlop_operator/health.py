"""Probes and metrics on one small port."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from orlop_api.quota import Quota
from orlop_api.resource import to_wire_name
from orlop_operator.reviews import Reviews

LONGEST_SILENCE = 120.0
"""Seconds without a watch event or a page of a list; our own election makes an event every two seconds."""
LONGEST_STALL = 300.0
"""Seconds for which keys may wait while no worker takes one or ends a look."""


@dataclass(frozen=True)
class Vitals:
    """What the process says about itself."""

    leading: bool
    ready: bool
    """The webhook serves, with a certificate that API servers trust."""
    silence: float
    """Seconds since the last watch event, or page of a list."""
    keys: int
    oldest: float
    """Seconds for which the oldest due key has waited."""
    stalled: float
    """Seconds for which keys have waited and no worker took one or ended a look."""
    writes: int
    """Successful writes since the start."""
    reviews: Reviews
    """What the authorizer was asked."""
    quotas: Collection[Quota] = ()
    """Those that it keeps."""
    profiles_refused: bool = False
    """Whether a ConfigMap with scheduler profiles is there and not used."""

    @property
    def alive(self) -> bool:
        """Whether watches move and the queue is worked off, however long it is."""
        return self.silence < LONGEST_SILENCE and self.stalled < LONGEST_STALL


@asynccontextmanager
async def served(vitals: Callable[[], Vitals], port: int) -> AsyncIterator[None]:
    """Answer /healthz, /readyz and /metrics for the duration of the block."""

    async def healthz(_: web.Request) -> web.Response:
        now = vitals()
        return web.Response(
            status=200 if now.alive else 503,
            text=f"last heard of the API server {now.silence:.0f} s ago, queue stalled for {now.stalled:.0f} s\n",
        )

    async def readyz(_: web.Request) -> web.Response:
        ready = vitals().ready
        return web.Response(
            status=200 if ready else 503, text="ok\n" if ready else "webhook not trusted yet\n"
        )

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=exposition(vitals()), headers={"Content-Type": "text/plain; version=0.0.4"})

    application = web.Application()
    application.add_routes(
        [web.get("/healthz", healthz), web.get("/readyz", readyz), web.get("/metrics", metrics)]
    )
    runner = web.AppRunner(application, handle_signals=False, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, None, port).start()
        yield
    finally:
        await runner.cleanup()


def exposition(now: Vitals) -> bytes:
    """The vitals as Prometheus reads them."""
    registry = CollectorRegistry()
    for name, text, value in (
        ("orlop_leading", "1 on the replica that reconciles", float(now.leading)),
        ("orlop_watch_silence_seconds", "since the last watch event or page of a list", now.silence),
        ("orlop_queue_keys", "objects that wait for a look or get one", float(now.keys)),
        ("orlop_queue_oldest_seconds", "for which the oldest due key has waited", now.oldest),
        (
            "orlop_queue_stalled_seconds",
            "for which objects have waited and no worker took one or ended a look",
            now.stalled,
        ),
        ("orlop_writes", "successful writes since the start", float(now.writes)),
        (
            "orlop_scheduler_profiles_refused",
            "1 while the ConfigMap with scheduler profiles is not used because of a mistake in it",
            float(now.profiles_refused),
        ),
    ):
        Gauge(name, text, registry=registry).set(value)
    asked = Counter(
        "orlop_authorization_reviews",
        "questions to the authorizer, by its answer",
        ["answer"],
        registry=registry,
    )
    for answer in ("allowed", "denied", "failed"):
        asked.labels(answer).inc(getattr(now.reviews, answer))
    _add_quotas(registry, now.quotas)
    return generate_latest(registry)


def _add_quotas(registry: CollectorRegistry, quotas: Collection[Quota]) -> None:
    labels = ["namespace", "resource"]
    used = Gauge("orlop_quota_used", "reserved in a namespace with a Quota", labels, registry=registry)
    limit = Gauge("orlop_quota_limit", "the most that its Quota allows", labels, registry=registry)
    for quota in quotas:
        namespace = quota.metadata.namespace
        for gauge, amounts in (
            (used, quota.status.used.amounts if quota.status is not None else {}),
            (limit, quota.spec.limits.amounts),
        ):
            for name, number in amounts.items():
                gauge.labels(namespace, to_wire_name(name)).set(number)
