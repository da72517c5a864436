"""The node's Hypervisor status and its Lease: what it has, what it was asked to fetch, that it is alive."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

import structlog

from orlop_agent.allocation import Allocation
from orlop_agent.api import backoff
from orlop_agent.api.client import Client
from orlop_agent.api.errors import ApiError, UnreadableError
from orlop_agent.api.reading import read
from orlop_agent.api.watch import Changed, Gone, Listed
from orlop_agent.image.evict import Cached
from orlop_agent.image.fetch import Progress
from orlop_agent.image.store import ImageFiles
from orlop_agent.imports import Imports
from orlop_agent.nodestatus import changes, holdings, sound
from orlop_agent.peer.peering import Peering
from orlop_agent.prepulls import PrePulls
from orlop_agent.storage import StorageWork
from orlop_api.assigned_image import AssignedImage
from orlop_api.assignment import AssignedSecret
from orlop_api.hypervisor import (
    Hypervisor,
    HypervisorStatus,
    ImportOrder,
    ImportReport,
    Orphan,
    SharedPool,
)

LEASE_SECONDS = 40
RENEW_SECONDS = 10.0
_SETTLE = 0.05
"""Seconds in which changes are gathered into one write."""
TIDY_SECONDS = 60.0
"""Between looks at the image cache; also how late a pool that guests' disks fill up gets room from it."""
_MAX_ORPHANS = 256

_log = structlog.get_logger()


class ImageCache(Protocol):
    """The node's image cache."""

    def digests(self) -> list[str]:
        """What is in it."""

    def cached(self) -> list[Cached]:
        """The same, with sizes and times."""

    def capacity(self) -> int:
        """Bytes that it may hold."""

    def busy(self) -> set[str]:
        """Digests that are on their way into it."""

    async def tidy(self) -> int:
        """Remove what its limits want gone; bytes that were freed."""

    async def ensure(
        self, image: AssignedImage, progress: Progress, secret: AssignedSecret | None = None
    ) -> ImageFiles:
        """The files of a pinned image, fetched where they are missing; ImageError."""

    async def run_import(self, order: ImportOrder, progress: Progress) -> ImportReport:
        """Fetch and describe."""


class Pools(Protocol):
    """The shared pools that the node has."""

    @property
    def found(self) -> dict[str, str]:
        """Name to pool id."""

    async def run(self, changed: Callable[[], None]) -> None:
        """Look for them, until cancelled."""


class Targets(Protocol):
    """What the node serves by iSCSI."""

    async def run(self) -> None:
        """Serve, until cancelled."""


class Inventory:
    """Publishes when something changed, and only then."""

    def __init__(
        self,
        node: str,
        client: Client,
        facts: Callable[[], HypervisorStatus],
        allocation: Allocation,
        images: ImageCache,
        storage: StorageWork,
        peering: Peering,
        pools: Pools,
        targets: Targets,
    ) -> None:
        self._node = node
        self._client = client
        self._facts = facts
        self._allocation = allocation
        self._asked = asyncio.Event()
        self._images = images
        self._seen: Hypervisor | None = None
        self._dirty = asyncio.Event()
        self._told: HypervisorStatus | None = None
        """The node's facts as they were written last."""
        self._imports = Imports(node, images, self.look)
        self._prepulls = PrePulls(images, self.look)
        self._peering = peering
        self._storage = storage
        self._pools = pools
        self._targets = targets
        storage.listen(self.look)

    def look(self) -> None:
        """Something may have changed."""
        self._dirty.set()

    async def asked(self) -> None:
        """Wait until it is known what the operator wants of the node, if anything."""
        await self._asked.wait()

    def images_in_use(self) -> set[str] | None:
        """Digests that the node is asked to have, or is about to have, whatever its Instances use.

        None until it is known what it is asked: of a published image this node may have the only copy.
        """
        if self._seen is None:
            return None
        reported = (
            digest
            for report in self._imports.reports()
            for digest in (report.digest, report.kernel_digest, report.initrd_digest)
        )
        imported = {digest for digest in reported if digest is not None}
        return imported | self._prepulls.digests() | self._images.busy()

    async def run(self, orphans: Callable[[], list[Orphan]]) -> None:
        """Watch, publish, renew, until cancelled."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._follow(), name="hypervisor")
                tasks.create_task(self._publish(orphans), name="publish")
                tasks.create_task(self._renew(), name="lease")
                tasks.create_task(self._tidy(), name="images")
                tasks.create_task(self._peering.run(self.look), name="peers")
                tasks.create_task(self._pools.run(self.look), name="pools")
                tasks.create_task(self._targets.run(), name="targets")
        finally:
            await self._imports.close()
            await self._prepulls.close()
            await self._storage.close()

    async def _follow(self) -> None:
        async for event in self._client.watch_hypervisor():
            try:
                match event:
                    case Listed(objects):
                        self._saw(read(Hypervisor, objects[0]) if objects else None)
                    case Changed(found):
                        self._saw(read(Hypervisor, found))
                    case Gone():
                        self._saw(None)
            except UnreadableError as error:
                # What was known holds on; where nothing was, the node's own ratios do: guests are not left alone.
                _log.error("hypervisor.unreadable", error=str(error))
            self._asked.set()

    def _saw(self, hypervisor: Hypervisor | None) -> None:
        self._seen = hypervisor
        if hypervisor is not None:
            self._allocation.follow(hypervisor.spec.overcommit)
            self._peering.follow(hypervisor.spec.certificate)
            self._prepulls.follow(hypervisor.spec.pre_pulls)
            self._imports.remember(hypervisor.status.imports if hypervisor.status else ())
            self._imports.follow(hypervisor.spec.imports)
            self._storage.follow(hypervisor.spec.storage)
        self.look()

    async def _publish(self, orphans: Callable[[], list[Orphan]]) -> None:
        waits = backoff.delays(first=1.0)
        while True:
            await self._dirty.wait()
            await asyncio.sleep(_SETTLE)
            self._dirty.clear()
            if self._seen is None:
                continue  # the operator makes the object; its watch wakes this
            try:
                await self._write(self._seen, orphans())
            except (ApiError, OSError) as error:
                _log.warning("hypervisor.publish", error=str(error))
                self._dirty.set()
                await asyncio.sleep(next(waits))
            else:
                waits = backoff.delays(first=1.0)

    async def _write(self, seen: Hypervisor, orphans: list[Orphan]) -> None:
        facts = self._told = await asyncio.to_thread(self._facts)
        wanted = facts.model_copy(
            update={
                **holdings(
                    await asyncio.to_thread(self._images.cached),
                    self._images.capacity(),
                    self._prepulls.digests(),
                ),
                "image_peer": self._peering.offer(),
                "shared_pools": [
                    SharedPool(name=name, pool_id=pool_id) for name, pool_id in self._pools.found.items()
                ],
                "imports": sound(self._imports.reports()),
                "pre_pulls": sound(self._prepulls.reports()),
                "storage": sound(self._storage.reports()),
                "orphans": sound(orphans[:_MAX_ORPHANS]),
            }
        )
        change = changes(wanted, seen.status or HypervisorStatus())
        if not change:
            return
        answer = await self._client.publish(seen, change)
        if self._seen is seen:
            self._seen = answer

    async def _tidy(self) -> None:
        """What is too old, too much, or in the way of guests' disks."""
        while True:
            try:
                if await self._images.tidy():
                    self.look()
            except OSError as error:
                _log.warning("images.tidy", error=error.strerror)
            await asyncio.sleep(TIDY_SECONDS)

    async def _renew(self) -> None:
        """An agent that cannot renew is silent: the operator's own clock judges it."""
        while True:
            started = time.monotonic()
            try:
                await self._client.renew_lease(self._node, LEASE_SECONDS)
            except ApiError as error:
                _log.warning("lease.renew", error=str(error))
            # Interfaces come and go, and nobody tells.
            try:
                if self._told is not None and await asyncio.to_thread(self._facts) != self._told:
                    self.look()
            except OSError as error:
                _log.warning("hypervisor.facts", error=str(error))
            await asyncio.sleep(max(0.0, RENEW_SECONDS - (time.monotonic() - started)))
