"""Class `iscsi`: a logical unit of an iSCSI target, opened by QEMU itself.

Where Orlop makes the targets, one node does: its tgtd serves a raw file for each Volume, and its agent carries out
whatever is done to the data. A target that is missing, because tgtd was restarted, is published again.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
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

    def disk(self, data: VolumeData) -> Disk:
        return Disk(self._unit(data), "raw", cache="none", luks=data.luks)

    def origin(self, data: VolumeData) -> AbstractAsyncContextManager[Origin]:
        """The file itself, where it is here: the account's secret is not known to those who serve it."""
        return nullcontext(Origin(self._file(data).disk if self._serves(data) else self.disk(data)))

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
            # tgtd has the size that the file had when it was published.
            await self._targets.withdraw(_where(data).target)
            await file.grow(size)
        await self._publish(data)

    async def discard(self, data: VolumeData) -> None:
        """Nothing here was made by a restore."""
        _where(data)
        raise StepError("NotSupported", NO_RESTORE, permanent=True)

    async def delete(self, data: VolumeData) -> None:
        """A target of others stays: nothing was made there."""
        if not self._serves(data):
            return
        await asyncio.to_thread(durable.remove, self._record(data.uid))
        await self._targets.withdraw(_where(data).target)
        await self._file(data).delete()

    async def note(self, data: VolumeData, text: bytes) -> None:  # noqa: ARG002 - the Protocol's
        """There are no snapshots here, of which something would be noted."""
        raise StepError("NotSupported", "what is kept by a server has no notes", permanent=True)

    async def noted(self, data: VolumeData) -> bytes | None:  # noqa: ARG002 - the Protocol's
        return None

    async def run(self) -> None:
        """Publish again what should be served and is not, until cancelled."""
        while True:
            await self.restore()
            await asyncio.sleep(PERIOD)

    async def restore(self) -> None:
        """Publish every target that there is a record of."""
        for record in await asyncio.to_thread(lambda: sorted(self._directory.glob("*.json"))):
            try:
                kept = json.loads(await asyncio.to_thread(record.read_text))
                file = record.with_suffix(".raw")
                unit = Unit(kept["target"], kept["lun"], file, kept["account"])
                await self._targets.publish(unit)
            except (StepError, OSError, ValueError, KeyError) as error:
                _log.warning("target.restore", record=record.name, error=str(error))

    async def _publish(self, data: VolumeData) -> None:
        where = _where(data)
        kept = {"target": where.target, "lun": where.lun, "account": where.account}
        # Before it is served: what is served and not on record would outlive its Volume.
        await asyncio.to_thread(durable.write, self._record(data.uid), json.dumps(kept).encode())
        await self._targets.publish(Unit(where.target, where.lun, self._file(data).path, where.account))

    def _unit(self, data: VolumeData) -> IscsiUnit:
        where = _where(data)
        return IscsiUnit(
            where.host, where.port, where.target, where.lun, where.account, secret_name(data.uid)
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
        return FileDisk(self._directory / file_name(data.uid, "raw"), DiskFormat.RAW, luks=data.luks)

    def _record(self, uid: str) -> Path:
        return self._directory / file_name(uid, "json")


def _where(data: VolumeData) -> IscsiLocation:
    if data.location.iscsi is None:
        raise StepError("BadOrder", "the volume is on no iSCSI target", permanent=True)
    return data.location.iscsi
