"""The drivers of a node, and what is known of the data they keep."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager

import structlog

from orlop_agent.domain.spec import Disk
from orlop_agent.failure import StepError
from orlop_agent.volume.driver import Tell, VolumeData, VolumeDriver, unheard
from orlop_api.assignment import AssignedOrigin, AssignedVolume
from orlop_api.volume_class import Driver, MultiAttach, VolumeLocation

Opened = Callable[[AssignedOrigin], AbstractAsyncContextManager[Disk]]
"""Opens what data begins as, for a copy."""

ENCRYPTED = (
    "volumes of classes of driver local, shared and rbd, and of iscsi where Orlop makes the targets, can be encrypted,"
    " and no others"
)

_log = structlog.get_logger()


class Drivers:
    """Every Volume by its own driver."""

    def __init__(self, drivers: Mapping[Driver, VolumeDriver]) -> None:
        self._drivers = drivers
        self._there: set[str] = set()

    def of(self, location: VolumeLocation) -> VolumeDriver:
        """Who keeps what is there. StepError where that one cannot keep it encrypted."""
        if location.encryption is not None and not _made_here(location):
            raise StepError("NotSupported", ENCRYPTED, permanent=True)
        return self._drivers[location.driver]

    def disk(self, volume: AssignedVolume) -> Disk:
        """What QEMU opens; nothing is looked at."""
        return self.of(volume.location).disk(VolumeData.of(volume))

    async def ensure(
        self,
        volume: AssignedVolume,
        origin: Opened,
        passphrase: bytes | None = None,
        tell: Tell = unheard,
    ) -> Disk:
        """The disk of a Volume, its data made at its first use: empty, or as what it begins as.

        Raises StepError: DiskLost where the data was there once and is not now; it is never made anew. KeyWrong where
        the passphrase does not open it.
        """
        data, driver = VolumeData.of(volume, passphrase), self.of(volume.location)
        to_unlock = data.luks is not None and await driver.exists(data)
        if volume.created == "Created" and not await driver.exists(data):
            raise StepError(
                "DiskLost",
                f"the data of volume {volume.name} ({volume.volume_uid}) is not where it was",
                permanent=True,
            )
        if volume.origin is None:
            await driver.create(data, volume.size_bytes)
        elif not await driver.exists(data):
            async with origin(volume.origin) as disk:
                await driver.copy_from(data, disk, volume.size_bytes, tell)
        if to_unlock:
            await driver.unlock(data)
        self._there.add(data.uid)
        return driver.disk(data)

    async def fitting(self, volume: AssignedVolume) -> int:
        """The size to give the disk of a running guest: no less than a file that others have too has by now. StepError.

        QEMU knows the length that a file had when it looked last. Another guest's may have made it longer since, and to
        set it to what this order says would cut that guest's data off.
        """
        where = volume.location
        if volume.multi_attach is not MultiAttach.ENABLED or (where.local is None and where.shared is None):
            return volume.size_bytes
        return max(volume.size_bytes, await self.of(where).size(VolumeData.of(volume)))

    async def unlock(self, data: VolumeData) -> None:
        """See that the passphrase opens the data, if it is encrypted. StepError: KeyWrong."""
        if data.luks is not None:
            await self.of(data.location).unlock(data)

    async def create(self, data: VolumeData, size: int) -> int:
        """Make data of `size` bytes for Instances of whichever node; returns how many it has."""
        driver = self.of(data.location)
        await driver.create(data, size)
        return await driver.size(data)

    async def delete(self, data: VolumeData) -> None:
        """Delete the data, if it is there."""
        await self.of(data.location).delete(data)
        self._there.discard(data.uid)

    async def grow(self, data: VolumeData, size: int) -> int:
        """Give data that no guest has `size` bytes, unless it has as many; returns how many it has."""
        driver = self.of(data.location)
        await driver.grow(data, size)
        return await driver.size(data)

    async def restore(self, data: VolumeData, origin: AssignedOrigin, opened: Opened, size: int) -> int:
        """Make data of `size` bytes that begins as `origin`, unless it is there; returns how many it has."""
        driver = self.of(data.location)
        if not await driver.exists(data):
            async with opened(origin) as disk:
                await driver.copy_from(data, disk, size)
        # Who was killed before it was served has it served now.
        await driver.create(data, size)
        return await driver.size(data)

    async def discard(self, data: VolumeData) -> None:
        """Delete the data of one generation, if it is there."""
        await self.of(data.location).discard(data)

    async def find(self, data: VolumeData) -> int | None:
        """How many bytes the data has; None where there is none."""
        driver = self.of(data.location)
        return await driver.size(data) if await driver.exists(data) else None

    async def look(self, volumes: Iterable[AssignedVolume]) -> None:
        """Find out whose data is there, where that is not known yet; a server that is silent is waited for once."""
        await asyncio.gather(*(self._look(VolumeData.of(v)) for v in volumes if self._is_unknown(v)))

    async def _look(self, data: VolumeData) -> None:
        try:
            if await self.of(data.location).exists(data):
                self._there.add(data.uid)
        except StepError as error:
            # Who needs the data is told when it is made or opened.
            _log.warning("volume.look", volume=data.uid, reason=error.reason, error=error.message)

    def _is_unknown(self, volume: AssignedVolume) -> bool:
        """Whether it is worth a look: of what was said to be there, nobody has to be told."""
        return volume.created != "Created" and volume.volume_uid not in self._there

    def there(self, volumes: Iterable[AssignedVolume]) -> tuple[str, ...]:
        """Uids of those whose data is known to be there."""
        return tuple(v.volume_uid for v in volumes if v.volume_uid in self._there)


def _made_here(location: VolumeLocation) -> bool:
    """Whether Orlop makes the data: elsewhere it would write over what somebody else put there."""
    return location.nbd is None and (location.iscsi is None or location.iscsi.tgt is not None)
