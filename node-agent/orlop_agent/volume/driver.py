"""What keeps the data of Volumes is to the agent: one driver, one file.

tests/component/volume/test_contract.py is what each must do; it asks all of them the same.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from orlop_agent.domain.spec import Disk, Luks
from orlop_agent.volume.luks import secret_name
from orlop_api.assignment import AssignedVolume
from orlop_api.volume_class import VolumeLocation


@dataclass(frozen=True, slots=True)
class VolumeData:
    """Whose data, and where."""

    uid: str
    """The Volume's uid (or a snapshot's): all that a driver makes names of."""
    location: VolumeLocation
    passphrase: bytes | None = field(default=None, repr=False, compare=False)
    """Of encrypted data, for whoever makes, copies or grows it; None where it is only looked at."""
    kept: bool = False
    """Whether it is about to be a snapshot's: nobody attaches it, so no server offers it."""

    @classmethod
    def of(cls, volume: AssignedVolume, passphrase: bytes | None = None) -> VolumeData:
        """The data of a Volume in an order."""
        return cls(volume.volume_uid, volume.location, passphrase)

    @property
    def luks(self) -> Luks | None:
        """How it is encrypted; None where it is not."""
        return Luks(secret_name(self.uid), self.passphrase) if self.location.encryption else None


Tell = Callable[[float], None]
"""Told how far a copy is, in percent, now and then."""
NO_RESTORE = "only Volumes that are files are put back to a snapshot"


def unheard(_percent: float) -> None:
    """Nobody asks how far it is."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What programs of this node open to copy data from."""

    disk: Disk
    in_use: bool = False
    """Whether somebody could write when it was as it is here: then it is as after a power cut."""


class VolumeDriver(Protocol):
    """Keeps the data of Volumes. Every call may be repeated, and ended at any moment; all raise StepError.

    Data is there as a whole or not at all, and what it holds is changed by guests only. Zeros are noise where
    encrypted bytes are kept without a record of which were ever written: in raw disks, and where room is reserved.
    """

    def disk(self, data: VolumeData) -> Disk:
        """What QEMU opens; nothing is looked at."""

    def origin(self, data: VolumeData) -> AbstractAsyncContextManager[Origin]:
        """What to copy the data from, for as long as it is read. No guest of this node has it."""

    async def exists(self, data: VolumeData) -> bool:
        """Whether the data is there; an error where that cannot be known now."""

    async def create(self, data: VolumeData, size: int) -> None:
        """Make `size` bytes that read as zeros, unless the data is there."""

    async def copy_from(self, data: VolumeData, origin: Disk, size: int, tell: Tell = unheard) -> None:
        """Make the data as a copy of a disk that nobody writes to, unless it is there.

        The copy stands alone. It has `size` bytes, at least those of the origin; what is beyond reads as zeros.
        """

    async def size(self, data: VolumeData) -> int:
        """Bytes that a guest sees; it may be running."""

    async def unlock(self, data: VolumeData) -> None:
        """See that the passphrase opens encrypted data that is there, also while a guest has it. KeyWrong."""

    async def grow(self, data: VolumeData, size: int) -> None:
        """Give it `size` bytes, unless it has as many. No guest may have it: a running one is told by QEMU."""

    async def delete(self, data: VolumeData) -> None:
        """Delete the data, if it is there, whichever restore made it, and what is noted of it."""

    async def discard(self, data: VolumeData) -> None:
        """Delete what this one restore made, or was about to make, and nothing of another generation."""

    async def note(self, data: VolumeData, text: bytes) -> None:
        """Keep a note beside where the data is or will be, for every node that reaches it."""

    async def noted(self, data: VolumeData) -> bytes | None:
        """The note, if there is one."""
