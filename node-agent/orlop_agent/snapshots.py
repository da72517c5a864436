"""What a Volume holds at one moment, copied apart: while nobody has it as it is, and else out of the guest's QEMU."""

from __future__ import annotations

import asyncio
import secrets
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import structlog
from pydantic import BaseModel

from orlop_agent.domain.spec import Disk, NbdSocket
from orlop_agent.failure import StepError
from orlop_agent.hypervisor import DomainEvent, Export, Hypervisor, HypervisorError, Moved
from orlop_agent.paths import Layout
from orlop_agent.volume import qemu_img
from orlop_agent.volume.driver import VolumeData
from orlop_agent.volume.drivers import Drivers
from orlop_agent.volume.filedisk import room
from orlop_agent.volume.luks import QUICK, passing
from orlop_api.assignment import AssignedVolume
from orlop_api.condition import timestamp
from orlop_api.quantity import rounded
from orlop_api.snapshot import Consistency, Quiesce
from orlop_api.storage import StorageOrder

EXPORT = "volume"
"""What QEMU's offer of a disk is called."""
_SCRATCH = ".scratch"
_SHARED = "several guests may write to it: it can be copied once none has it"

_log = structlog.get_logger()


class Taken(BaseModel):
    """How it was taken."""

    size_bytes: int
    consistency: Consistency
    taken_at: str


class NoGuestError(Exception):
    """No guest of that node has the Volume."""


class Elsewhere(Protocol):
    """Reads what guests of other nodes have."""

    def of(
        self, node: str, volume_uid: str, *, quiesce: bool
    ) -> AbstractAsyncContextManager[tuple[Disk, Consistency]]:
        """The disk as it is at this moment, for as long as it is read. NoGuestError, StepError."""


class Snapshots:
    """Takes them, each once. How one was taken is noted before it is there, because after that nobody can tell."""

    def __init__(
        self,
        layout: Layout,
        drivers: Drivers,
        hypervisor: Hypervisor,
        elsewhere: Elsewhere | None = None,
        node: str = "",
    ) -> None:
        self._node = node
        self._elsewhere = elsewhere
        self._layout = layout
        self._drivers = drivers
        self._hypervisor = hypervisor
        self._reading: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        """One reader for each guest at a time: QEMU's backup job is one."""
        self._limits: dict[str, asyncio.Timeout] = {}
        """What ends a reading at once, by the guest whose disk it is."""
        self._tidying = asyncio.Lock()
        self._tidy = False
        hypervisor.listen(self._heard)

    async def tidy(self) -> None:
        """End what an agent that was killed left: offers that nobody reads, and their files. HypervisorError."""
        async with self._tidying:
            if self._tidy:
                return
            for domain in await self._hypervisor.list_all():
                await self._hypervisor.end_export(domain.mark.instance_uid)
            await asyncio.to_thread(self._remove_leftovers)
            self._tidy = True

    def _remove_leftovers(self) -> None:
        for leftover in (*self._layout.volumes.glob(f".*{_SCRATCH}"), *self._layout.exports.iterdir()):
            leftover.unlink(missing_ok=True)

    async def take(self, order: StorageOrder, passphrase: bytes | None = None) -> Taken:
        """Keep what the Volume holds now, unless that was done. StepError; another try begins anew.

        What is kept of encrypted data is encrypted with the same passphrase.
        """
        if order.volume_uid is None:
            raise StepError("BadOrder", "the order names no volume", permanent=True)
        driver = self._drivers.of(order.location)
        kept = VolumeData(order.uid, order.location, passphrase, kept=True)
        if await driver.exists(kept):
            return _read(await driver.noted(kept))
        origin = VolumeData(order.volume_uid, order.location, passphrase)
        quiesce = order.quiesce is not Quiesce.NEVER
        async with self.reading(origin, quiesce=quiesce, held_by=order.held_by) as (disk, consistency):
            # Of what is read: the Volume may grow at any time.
            size = await qemu_img.virtual_size(disk)
            taken = Taken(size_bytes=size, consistency=consistency, taken_at=timestamp(datetime.now(UTC)))
            await driver.note(kept, taken.model_dump_json().encode())
            try:
                await driver.copy_from(kept, disk, size)
            except StepError as error:
                if error.reason == "VolumeTooSmall":
                    message = "the volume grew while it was to be copied: it is tried again"
                    raise StepError("NotReadable", message) from error
                raise
        return _read(await driver.noted(kept))

    @asynccontextmanager
    async def reading(
        self, origin: VolumeData, *, quiesce: bool, held_by: str | None = None
    ) -> AsyncIterator[tuple[Disk, Consistency]]:
        """A Volume as it is at this moment, for as long as it is read. StepError.

        `held_by`: the node whose guest may have it, where its data can be read without that node.
        """
        driver = self._drivers.of(origin.location)
        if not await driver.exists(origin):
            raise StepError("DiskLost", "the data that is to be copied is not where it was", permanent=True)
        # Out of a guest it could be read without: whoever cannot open what is kept gets no copy of it.
        await self._drivers.unlock(origin)
        try:
            await self.tidy()
            holder, shareable = await self._holder(origin.uid)
            if shareable:
                raise StepError("InUse", _SHARED)
            if holder is None:
                async with AsyncExitStack() as stack:
                    if (afar := await self._afar(stack, origin.uid, held_by, quiesce=quiesce)) is not None:
                        yield afar
                        return
                # Should a guest start with a file now, QEMU's lock ends one of the two, and that one tries again.
                async with driver.origin(origin) as found:
                    consistency = Consistency.CRASH if found.in_use else Consistency.DETACHED
                    yield replace(found.disk, readonly=True), consistency
                return
            async with self._offered(holder, origin, quiesce=quiesce) as offered:
                yield offered
        except HypervisorError as error:
            raise StepError("NotReadable", f"the guest's disk cannot be read now: {error}") from error

    async def _afar(
        self, stack: AsyncExitStack, uid: str, node: str | None, *, quiesce: bool
    ) -> tuple[Disk, Consistency] | None:
        """The same out of a guest of another node; None where that node says that none has it."""
        if node is None or node == self._node:
            return None
        if self._elsewhere is None:
            raise StepError("NotReadable", f"a guest of {node} may have it")
        try:
            return await stack.enter_async_context(self._elsewhere.of(node, uid, quiesce=quiesce))
        except NoGuestError:
            return None

    @asynccontextmanager
    async def moment(
        self, volume: AssignedVolume, *, quiesce: bool
    ) -> AsyncIterator[tuple[Path, Consistency]]:
        """Have a guest's disk offered to another node, for as long as that reads it. StepError: NoGuest, and others."""
        try:
            await self.tidy()
            holder, shareable = await self._holder(volume.volume_uid)
            if holder is None:
                raise StepError("NoGuest", "no guest of this node has the volume")
            if volume.location.encryption is not None:
                message = (
                    "a guest of another node has it, and it is encrypted: it can be copied once none has"
                )
                raise StepError("InUse", message)
            if shareable:
                raise StepError("InUse", _SHARED)
            async with self._offered(holder, VolumeData.of(volume), quiesce=quiesce) as (disk, consistency):
                match disk.source:
                    case NbdSocket(socket):
                        yield socket, consistency
                    case _:
                        raise AssertionError(disk)
        except HypervisorError as error:
            raise StepError("NotReadable", f"the guest's disk cannot be read now: {error}") from error

    async def _holder(self, volume_uid: str) -> tuple[str | None, bool]:
        """The Instance whose domain has the Volume, and whether others may have it too."""
        for domain in await self._hypervisor.list_all():
            for disk in domain.disks:
                if disk.volume_uid == volume_uid:
                    return domain.mark.instance_uid, disk.shareable
        return None, False

    @asynccontextmanager
    async def _offered(
        self, instance_uid: str, origin: VolumeData, *, quiesce: bool
    ) -> AsyncIterator[tuple[Disk, Consistency]]:
        """The disk as it is at this moment, for as long as it is read."""
        socket = self._layout.exports / secrets.token_hex(8)
        export = Export(
            volume_uid=origin.uid,
            name=EXPORT,
            socket=socket,
            scratch=self._layout.volumes / f".{origin.uid}{_SCRATCH}",
            quiesce=quiesce,
        )
        free, spare = await asyncio.to_thread(room, self._layout.volumes)
        if free <= spare:
            # The guest would be halted by its next write.
            message = f"the node's data pool has {rounded(free)} free; {rounded(spare)} stay for what machines write"
            raise StepError("DiskFull", message)
        async with self._reading[instance_uid], self._sealed(export, origin) as export:
            begun = asyncio.ensure_future(self._hypervisor.begin_export(instance_uid, export))
            try:
                frozen = await asyncio.shield(begun)
                async with self._giving_way(instance_uid):
                    yield (
                        Disk(NbdSocket(socket, EXPORT), "raw", readonly=True),
                        Consistency.FILE_SYSTEM if frozen else Consistency.CRASH,
                    )
            finally:
                # Who is cancelled here has not stopped the call: its job would begin after its end.
                await asyncio.wait([begun])
                await self._hypervisor.end_export(instance_uid)
                await asyncio.to_thread(export.scratch.unlink, missing_ok=True)

    @asynccontextmanager
    async def _sealed(self, export: Export, origin: VolumeData) -> AsyncIterator[Export]:
        """The scratch file of an encrypted disk, encrypted too: with a passphrase that is forgotten afterwards."""
        if origin.luks is None:
            yield export
            return
        luks = passing()
        if luks.passphrase is None:
            raise AssertionError
        await asyncio.to_thread(export.scratch.unlink, missing_ok=True)
        try:
            size = await self._drivers.of(origin.location).size(origin)
            await qemu_img.create(export.scratch, size, sealed=luks, milliseconds=QUICK)
            await self._hypervisor.keep_secret("volume", luks.secret, luks.passphrase)
            yield replace(export, scratch_secret=luks.secret)
        finally:
            await asyncio.to_thread(export.scratch.unlink, missing_ok=True)
            await self._hypervisor.forget_secret(luks.secret)

    @asynccontextmanager
    async def _giving_way(self, instance_uid: str) -> AsyncIterator[None]:
        """End the reading when its guest is halted for want of room: the guest comes first. StepError: DiskFull.

        QEMU keeps what a guest overwrites before it lets it; where there is no room for that, the guest stands. The
        reader must go before anything else is tried: what QEMU has sent to it keeps QEMU from answering (a machine that
        stops is drained first).
        """
        try:
            async with asyncio.timeout(None) as limit:
                self._limits[instance_uid] = limit
                try:
                    yield
                finally:
                    del self._limits[instance_uid]
        except TimeoutError as error:
            if not limit.expired():
                raise
            _log.warning("snapshot.gives_way", instance=instance_uid)
            message = (
                "there was no room left for what the guest overwrites while its disk is read: the guest goes on, and it"
                " is tried again"
            )
            raise StepError("DiskFull", message) from error

    def _heard(self, event: DomainEvent) -> None:
        if not isinstance(event, Moved) or not event.halted:
            return
        limit = self._limits.get(event.instance_uid)
        if limit is not None and not limit.expired():
            limit.reschedule(asyncio.get_running_loop().time())


def _read(note: bytes | None) -> Taken:
    try:
        return Taken.model_validate_json(note or b"")
    except ValueError as error:
        message = "the node does not know any more how it was taken: delete it and take another"
        raise StepError("NoteLost", message, permanent=True) from error
