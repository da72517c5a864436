"""Class `iscsi`: a logical unit of an iSCSI target, opened by QEMU itself.

Where Orlop makes the targets, one node does: its tgtd serves a raw file for each Volume, and its agent carries out
whatever is done to the data. A target that is missing, because tgtd was restarted, is published again. A snapshot is
another file, which is not served.

iSCSI has no image locks. What is to be copied is not served meanwhile: tgtd takes a target away only where nobody is
logged in, and then nobody can log in (docs/adr/0027-copies-of-targets.md).
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import structlog

from orlop_agent import durable
from orlop_agent.domain.spec import Disk, IscsiUnit
from orlop_agent.failure import StepError
from orlop_agent.volume import qemu_img
from orlop_agent.volume.driver import NO_RESTORE, Origin, Tell, VolumeData, unheard
from orlop_agent.volume.filedisk import FileDisk
from orlop_agent.volume.local import file_name
from orlop_agent.volume.target import TargetDriver, Unit
from orlop_api.image import DiskFormat
from orlop_api.volume_class import IscsiLocation

PERIOD = 10.0
"""Seconds between looks for targets that are gone: tgtd tells nobody that it restarted."""

_log = structlog.get_logger()


def secret_name(volume_uid: str) -> str:
    """By what the hypervisor knows a Volume's CHAP secret."""
    return f"orlop-chap-{volume_uid}"


class IscsiVolumes:
    """Targets of others are taken as they are; those that this node serves are files below `directory`.

    `chap` has the secret of a Volume's account, where the node was given it; it raises StepError.
    """

    def __init__(
        self, node: str, directory: Path, targets: TargetDriver, chap: Callable[[str], bytes]
    ) -> None:
        self._chap = chap
        self._node = node
        self._directory = directory
        self._targets = targets
        self._serving = asyncio.Lock()
        """What is served is changed by one at a time: whoever restores targets must not publish one that is closed."""
        self._closed: Counter[Path] = Counter()
        """Records of targets that are not served because somebody copies the data, and how many do."""

    def disk(self, data: VolumeData) -> Disk:
        return Disk(self._unit(data), "raw", cache="none", luks=data.luks)

    @asynccontextmanager
    async def origin(self, data: VolumeData) -> AsyncIterator[Origin]:
        """The file itself. StepError: InUse where somebody is logged in; until it was read nobody can be."""
        file, record = self._own(data), self._record(data)
        await self._close(record)
        try:
            yield Origin(file.disk)
        finally:
            await asyncio.shield(asyncio.ensure_future(self._reopen(record)))

    async def exists(self, data: VolumeData) -> bool:
        """What this node does not serve it does not know; that the target was made is known to who orders it."""
        return await self._file(data).exists() if self._serves(data) else True

    async def create(self, data: VolumeData, size: int) -> None:
        if self._serves(data):
            await self._file(data).create(size)
            await self._publish(data)

    async def copy_from(self, data: VolumeData, origin: Disk, size: int, tell: Tell = unheard) -> None:
        await self._own(data).copy_from(origin, size, tell)
        await self._publish(data)

    async def size(self, data: VolumeData) -> int:
        return await self._own(data).size()

    async def unlock(self, data: VolumeData) -> None:
        """Here in its file, and elsewhere as a guest's QEMU will read it: through the target."""
        if self._serves(data):
            await self._file(data).unlock()
            return
        disk, unit = self.disk(data), self._unit(data)
        chap = self._chap(data.uid) if unit.account is not None else None
        await qemu_img.unlock(replace(disk, source=replace(unit, chap=chap)))

    async def grow(self, data: VolumeData, size: int) -> None:
        file = self._own(data)
        if await file.size() < size:
            async with self._serving:
                self._not_closed(data)
                # tgtd has the size that the file had when it was published.
                await self._targets.withdraw(_target(data))
                await file.grow(size)
        await self._publish(data)

    async def discard(self, data: VolumeData) -> None:
        """Each restore made a file with a target of its own."""
        if not self._serves(data):
            raise StepError("NotSupported", NO_RESTORE, permanent=True)
        await self._forget(self._record(data))
        await self._file(data).discard(data.uid)

    async def delete(self, data: VolumeData) -> None:
        """A target of others stays: nothing was made there."""
        if not self._serves(data):
            return
        file = self._file(data)
        for record in await asyncio.to_thread(lambda: sorted(self._directory.glob(f"{data.uid}.*json"))):
            await self._forget(record)
        await file.delete_all(data.uid)

    async def note(self, data: VolumeData, text: bytes) -> None:
        await self._own(data).note(text)

    async def noted(self, data: VolumeData) -> bytes | None:
        return await self._own(data).noted()

    async def run(self) -> None:
        """Publish again what should be served and is not, until cancelled."""
        while True:
            await self.restore()
            await asyncio.sleep(PERIOD)

    async def restore(self) -> None:
        """Publish every target that there is a record of."""
        for record in await asyncio.to_thread(lambda: sorted(self._directory.glob("*.json"))):
            try:
                async with self._serving:
                    if not self._closed[record]:
                        await self._publish_recorded(record)
            except (StepError, OSError) as error:
                _log.warning("target.restore", record=record.name, error=str(error))

    async def _close(self, record: Path) -> None:
        """Serve it no more, until it is reopened. What was never served needs no more than that."""
        async with self._serving:
            unit = await asyncio.to_thread(_recorded, record)
            if unit is not None and not self._closed[record]:
                await self._targets.withdraw(unit.target, force=False)
            self._closed[record] += 1

    async def _reopen(self, record: Path) -> None:
        """Serve it again, unless somebody else is still at it. Where this fails `restore` does it."""
        async with self._serving:
            self._closed[record] -= 1
            if self._closed[record]:
                return
            del self._closed[record]
            try:
                await self._publish_recorded(record)
            except (StepError, OSError) as error:
                _log.warning("target.reopen", record=record.name, error=str(error))

    async def _publish_recorded(self, record: Path) -> None:
        unit = await asyncio.to_thread(_recorded, record)
        if unit is not None:
            await self._targets.publish(unit)

    async def _publish(self, data: VolumeData) -> None:
        if data.kept:
            return
        where, target = _where(data), _target(data)
        kept = {"target": target, "lun": where.lun, "account": where.account}
        async with self._serving:
            self._not_closed(data)
            # Before it is served: what is served and not on record would outlive its Volume.
            await asyncio.to_thread(durable.write, self._record(data), json.dumps(kept).encode())
            await self._targets.publish(Unit(target, where.lun, self._file(data).path, where.account))

    async def _forget(self, record: Path) -> None:
        """Serve it no more, and never again."""
        async with self._serving:
            unit = await asyncio.to_thread(_recorded, record)
            if unit is not None:
                await self._targets.withdraw(unit.target)
            await asyncio.to_thread(durable.remove, record)

    def _not_closed(self, data: VolumeData) -> None:
        if self._closed[self._record(data)]:
            raise StepError("InUse", "its data is being copied: it is served again once that is done")

    def _unit(self, data: VolumeData) -> IscsiUnit:
        where = _where(data)
        return IscsiUnit(
            where.host, where.port, _target(data), where.lun, where.account, secret_name(data.uid)
        )

    def _serves(self, data: VolumeData) -> bool:
        made = _where(data).tgt
        return made is not None and made.hypervisor_name == self._node

    def _own(self, data: VolumeData) -> FileDisk:
        if not self._serves(data):
            raise StepError(
                "NotSupported", "the target is not served by this node: only who serves it can do that"
            )
        return self._file(data)

    def _file(self, data: VolumeData) -> FileDisk:
        path = self._directory / file_name(data.uid, "raw", data.location.generation)
        return FileDisk(path, DiskFormat.RAW, luks=data.luks)

    def _record(self, data: VolumeData) -> Path:
        return self._directory / file_name(data.uid, "json", data.location.generation)


def _recorded(record: Path) -> Unit | None:
    """What is to be served; None where there is no record. StepError, OSError."""
    try:
        kept = json.loads(record.read_text())
        return Unit(kept["target"], kept["lun"], record.with_suffix(".raw"), kept["account"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError) as error:
        raise StepError("RecordDamaged", "the node's record of the target is damaged") from error


def _target(data: VolumeData) -> str:
    """Each restore's data has one of its own, so that nobody who is late reaches what took its place."""
    name, generation = _where(data).target, data.location.generation
    return name if generation is None else f"{name}:restored-{generation}"


def _where(data: VolumeData) -> IscsiLocation:
    if data.location.iscsi is None:
        raise StepError("BadOrder", "the volume is on no iSCSI target", permanent=True)
    return data.location.iscsi
