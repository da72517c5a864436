"""What a class of Volumes is to the agent: one driver, one file."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from orlop_api.assignment import AssignedVolume


class VolumeDriver(Protocol):
    """Keeps the data of Volumes."""

    async def ensure(self, volume: AssignedVolume) -> Path:
        """The disk of a Volume, made at its first use.

        Raises StepError: DiskLost where the data was there once and is not now; it is never made anew.
        """

    async def delete(self, volume_uid: str) -> None:
        """Delete the data, if it is there."""

    def exists(self, volume_uid: str) -> bool:
        """Whether the data is there."""
