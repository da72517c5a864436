"""Class `nbd`: an export of a Network Block Device server, which others made and care for."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, nullcontext

from orlop_agent.domain.spec import Disk, NbdExport
from orlop_agent.failure import StepError
from orlop_agent.volume import qemu_img
from orlop_agent.volume.driver import NO_RESTORE, Origin, Tell, VolumeData, unheard


class NbdVolumes:
    """Opened by QEMU itself: nothing of the node's kernel has a part in it."""

    def disk(self, data: VolumeData) -> Disk:
        where = data.location.nbd
        if where is None:
            raise StepError("BadOrder", "the volume is on no NBD server", permanent=True)
        # The server has its own cache; none has no page cache of this node to keep what another has changed.
        return Disk(NbdExport(where.host, where.port, where.export), "raw", cache="none")

    def origin(self, data: VolumeData) -> AbstractAsyncContextManager[Origin]:
        return nullcontext(Origin(self.disk(data)))

    async def exists(self, data: VolumeData) -> bool:
        try:
            await self.size(data)
        except StepError as error:
            if error.reason == "ExportNotFound":
                return False
            raise
        return True

    async def create(self, data: VolumeData, size: int) -> None:
        """The export is there, and large enough: it is nobody's to make here."""
        had = await self.size(data)
        if had < size:
            raise StepError(
                "VolumeTooSmall",
                f"the export has {had} bytes, the volume {size}: give the volume the size of its export",
                permanent=True,
            )

    async def copy_from(
        self,
        data: VolumeData,  # noqa: ARG002 - the Protocol's
        origin: Disk,  # noqa: ARG002
        size: int,  # noqa: ARG002
        tell: Tell = unheard,  # noqa: ARG002
    ) -> None:
        """Not repeatable after a guest wrote: the export is there before the copy is, so nothing tells."""
        raise StepError("NotSupported", "a volume of driver nbd cannot be made as a copy", permanent=True)

    async def size(self, data: VolumeData) -> int:
        try:
            return await qemu_img.virtual_size(self.disk(data))
        except StepError as error:
            raise _told(error) from error

    async def unlock(self, data: VolumeData) -> None:
        """Nothing here is encrypted: an export holds what its owner put there."""
        self.disk(data)

    async def grow(self, data: VolumeData, size: int) -> None:
        if await self.size(data) < size:
            raise StepError(
                "NotSupported", "an export's size is its server's: grow it there first", permanent=False
            )

    async def discard(self, data: VolumeData) -> None:
        """Nothing here was made by a restore."""
        self.disk(data)
        raise StepError("NotSupported", NO_RESTORE, permanent=True)

    async def delete(self, data: VolumeData) -> None:
        """The export stays: nothing was made here."""
        self.disk(data)

    async def note(self, data: VolumeData, text: bytes) -> None:  # noqa: ARG002 - the Protocol's
        """There are no snapshots here, of which something would be noted."""
        raise StepError("NotSupported", "what is kept by a server has no notes", permanent=True)

    async def noted(self, data: VolumeData) -> bytes | None:  # noqa: ARG002 - the Protocol's
        return None


def _told(error: StepError) -> StepError:
    said = error.message
    if "export" in said and ("not present" in said or "not available" in said or "not found" in said):
        return StepError("ExportNotFound", "the NBD server has no such export")
    return StepError("ServerUnreachable", f"the NBD server cannot be asked: {said.rpartition(': ')[2]}")
