"""What the agent counts, as Prometheus reads it: GET /metrics on the node's address."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager

import structlog
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from orlop_agent.api import backoff
from orlop_agent.image.evict import Cached

_BUCKETS = (0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600)

_log = structlog.get_logger()


class CacheMetrics:
    """The image cache, since the agent's start."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.hits = self._counter("hits", "files that were in the cache when they were wanted")
        self.misses = self._counter("misses", "files that were not, or not whole yet")
        self.evictions = self._counter("evictions", "files that were removed to keep the limits or make room")
        self.peer_received = self._counter("peer_received_bytes", "bytes that came from other nodes")
        self.source_received = self._counter("source_received_bytes", "bytes that came from images' sources")
        self.peer_sent = self._counter("peer_sent_bytes", "bytes that were given to other nodes")
        self._imports = Histogram(
            "orlop_image_cache_import_seconds",
            "time of imports, by their result",
            ["result"],
            registry=self._registry,
            buckets=_BUCKETS,
        )
        self._bytes = self._gauge("bytes", "bytes of the data pool that the cache takes")
        self._files = self._gauge("files", "files in the cache")
        self._capacity = self._gauge("capacity_bytes", "bytes that the cache may take")

    @contextmanager
    def importing(self) -> Iterator[list[str]]:
        """Measures an import; its result is appended to what this yields, or it was given up."""
        started = time.monotonic()
        result: list[str] = []
        try:
            yield result
        finally:
            name = result[-1] if result else "Cancelled"
            self._imports.labels(name).observe(time.monotonic() - started)

    def exposition(self, cached: Iterable[Cached], capacity: int) -> bytes:
        """Everything, and how full the cache is now."""
        files = list(cached)
        self._bytes.set(sum(file.size for file in files))
        self._files.set(len(files))
        self._capacity.set(capacity)
        return generate_latest(self._registry)

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(f"orlop_image_cache_{name}", text, registry=self._registry)

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"orlop_image_cache_{name}", text, registry=self._registry)


async def serve(
    address: str, port: int, cached: Callable[[], bytes], networks: Callable[[], Awaitable[bytes]]
) -> None:
    """Answer until cancelled. A port that is taken costs the metrics, never the agent."""
    # Anybody may ask, and each answer costs programs on the node: one at a time.
    one = asyncio.Lock()

    async def metrics(_: web.Request) -> web.Response:
        async with one:
            body = await asyncio.to_thread(cached) + await networks()
        return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4"})

    application = web.Application()
    application.router.add_get("/metrics", metrics)
    runner = web.AppRunner(application, handle_signals=False, access_log=None)
    await runner.setup()
    try:
        for delay in backoff.delays(first=1.0, most=60.0):
            try:
                await web.TCPSite(runner, address, port).start()
            except OSError as error:
                _log.warning("metrics.listen", port=port, error=error.strerror)
                await asyncio.sleep(delay)
            else:
                break
        await asyncio.Event().wait()
    finally:
        await runner.cleanup()
