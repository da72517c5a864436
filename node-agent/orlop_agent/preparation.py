"""Everything that a guest needs before it may be started: image, disks, seed and network, all at once.

Each part can be done again, also after a failure anywhere. What takes long, or fails, becomes a condition.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol, TypeVar

from orlop_agent import durable, tpm
from orlop_agent.credentials import Credentials
from orlop_agent.disks import Disks
from orlop_agent.domain.limits import limits_of
from orlop_agent.domain.spec import BaseImage, Disk, DiskFile, KernelBoot
from orlop_agent.failure import StepError
from orlop_agent.image.errors import ImageError
from orlop_agent.image.fetch import Progress
from orlop_agent.image.pace import Pace
from orlop_agent.image.published import Publishing
from orlop_agent.image.store import ImageFiles
from orlop_agent.makings import Makings
from orlop_agent.metadata.guest import wanted
from orlop_agent.network.errors import NetworkError
from orlop_agent.observed import listed
from orlop_agent.paths import Layout
from orlop_agent.report import not_ready
from orlop_agent.volume.driver import VolumeData
from orlop_agent.volume.drivers import Drivers
from orlop_agent.wiring import Wiring
from orlop_api.assigned_image import AssignedImage
from orlop_api.assignment import USER_DATA_KEY, AssignedSecret, AssignedVolume, Assignment, AssignmentSpec
from orlop_api.attachment import Access
from orlop_api.condition import Condition
from orlop_api.image import ImageFormat
from orlop_api.volume_class import MultiAttach

T = TypeVar("T")
_SERIAL_LENGTH = 20
"""VIRTIO_BLK_ID_BYTES (virtio specification)."""


class Images(Protocol):
    """The node's image cache."""

    async def ensure(
        self, image: AssignedImage, progress: Progress, secret: AssignedSecret | None = None
    ) -> ImageFiles:
        """The files of an image, fetched where they are missing; ImageError."""

    async def boot_files(self, image: AssignedImage) -> tuple[Path | None, Path | None]:
        """Kernel and initial RAM disk alone; ImageError."""

    async def relieve(self) -> None:
        """Make room for new disks where the data pool is short of it and something may go."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What was made: all that the domain's description needs beside the order itself."""

    disks: tuple[Disk, ...] = ()
    kernel: KernelBoot | None = None


@dataclass
class Attempt:
    """One preparation under way, for whoever wants to tell how far it is."""

    generation: int
    waiting: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Reason and message for each condition whose part is not there yet."""
    failed: dict[str, tuple[str, str]] = field(default_factory=dict)
    """The same for the part that failed."""
    details: dict[str, Callable[[], str]] = field(default_factory=dict)
    """Asked how far a part is that says nothing by itself."""

    async def part(self, name: str, doing: str, work: Awaitable[T]) -> T:
        """Carry one part out, and know meanwhile and in the end how it stands. StepError when it fails."""
        self.waiting[name] = (doing, "")
        try:
            made = await work
        except (ImageError, NetworkError, StepError) as error:
            self.failed[name] = (error.reason, error.message)
            raise StepError(
                error.reason, error.message, permanent=getattr(error, "permanent", False)
            ) from error
        del self.waiting[name]
        return made

    def conditions(self) -> tuple[Condition, ...]:
        """What failed, or else what is not there yet."""
        return tuple(
            not_ready(part, reason, message or self._detail(part), self.generation)
            for part, (reason, message) in (self.failed or self.waiting).items()
        )

    def _detail(self, part: str) -> str:
        return self.details[part]() if part in self.details else ""


class Preparation:
    """Makes the parts; knows where they go."""

    def __init__(
        self,
        layout: Layout,
        images: Images,
        wiring: Wiring,
        volumes: Drivers,
        credentials: Credentials,
        makings: Makings,
        publishing: Publishing,
        disks: Disks,
    ) -> None:
        self._layout = layout
        self._images = images
        self._wiring = wiring
        self._volumes = volumes
        self.fitting = volumes.fitting
        self._credentials = credentials
        self._makings = makings
        self._publishing = publishing
        self._disks = disks

    async def prepare(self, assignment: Assignment, attempt: Attempt) -> Prepared:
        """All parts. The first that fails is raised (StepError), and the others are stopped."""
        spec, listed_disks = assignment.spec, _in_order(assignment)
        uid = spec.instance.uid
        await self._publishing.give_way(uid)
        await self._images.relieve()
        await asyncio.to_thread(self._layout.instance(uid).mkdir, mode=0o755, exist_ok=True)
        # First what takes longest, and waits for programs: the others use the processor meanwhile.
        wiring = asyncio.create_task(
            attempt.part("NetworkReady", "Wiring", self._wiring.prepare(uid, spec.instance.name, spec.nics))
        )
        boot = asyncio.create_task(attempt.part("ImageReady", "Pulling", self._boot(uid, spec, attempt)))
        data = self._data(uid, listed_disks, spec.secret)
        volumes = asyncio.create_task(attempt.part("VolumesReady", "Making", data))
        attempt.details["VolumesReady"] = lambda: self._makings_told(assignment)
        seed = asyncio.create_task(self._seed(assignment))
        await _all_or_none(boot, volumes, wiring, seed)
        root, discs, kernel = boot.result()
        return Prepared((*root, *volumes.result(), seed.result(), *discs), kernel)

    async def erase(self, instance_uid: str) -> None:
        """Delete the Instance's own disks, what its firmware and TPM keep, its seed and its console log."""
        await asyncio.to_thread(self._erase, instance_uid)

    def _erase(self, instance_uid: str) -> None:
        tpm.unlink(self._layout, instance_uid)
        directory = self._layout.instance(instance_uid)
        if directory.exists():
            shutil.rmtree(directory)
            durable.sync_directory(directory.parent)
        for log in self._layout.console.glob(f"{instance_uid}.log*"):  # virtlogd's rotated ones too
            log.unlink(missing_ok=True)

    async def _boot(
        self, uid: str, spec: AssignmentSpec, attempt: Attempt
    ) -> tuple[tuple[Disk, ...], tuple[Disk, ...], KernelBoot | None]:
        """The disk to boot from, where it is no Volume, discs beside it, and the kernel that an image brings."""
        pinned = spec.image
        if spec.boot_volume_uid is None:
            if pinned is None:
                raise StepError("BadOrder", "the Assignment names no image", permanent=True)
            root, discs, kernel = await self._root(uid, spec, pinned, attempt)
            return (root,), discs, kernel
        if pinned is None:
            return (), (), None
        file, initrd = await self._images.boot_files(pinned)
        return (), (), KernelBoot(file, initrd, pinned.command_line) if file is not None else None

    async def _root(
        self, uid: str, spec: AssignmentSpec, pinned: AssignedImage, attempt: Attempt
    ) -> tuple[Disk, tuple[Disk, ...], KernelBoot | None]:
        pace = Pace(time.monotonic())

        def tell(received: int, expected: int | None) -> None:
            told = pace.progress(spec.node_name or "node", received, expected, time.monotonic()).told()
            attempt.waiting["ImageReady"] = ("Pulling", f"the image is on its way: {told}")

        files = await self._images.ensure(pinned, tell, spec.secret)
        size = spec.root_disk_bytes
        path = self._layout.root_disk(uid)
        kernel = (
            KernelBoot(files.kernel, files.initrd, pinned.command_line) if files.kernel is not None else None
        )
        if pinned.format is ImageFormat.ISO:
            await self._disks.empty(path, size)
            disc = Disk(DiskFile(files.disk), files.format.value, readonly=True, disc=True)
            return Disk(DiskFile(path), "qcow2"), (disc,), kernel
        # An image may be larger than the flavor's disk only if nobody checked; a guest would lose its end.
        size = max(size, pinned.virtual_size_bytes)
        await self._disks.overlay(path, size, files.disk, files.format.value)
        return Disk(DiskFile(path), "qcow2", base=BaseImage(files.disk, files.format.value)), (), kernel

    async def _data(
        self, instance_uid: str, volumes: Sequence[AssignedVolume], secret: AssignedSecret | None
    ) -> list[Disk]:
        return await asyncio.gather(*(self.volume(instance_uid, volume, secret) for volume in volumes))

    def _makings_told(self, assignment: Assignment) -> str:
        told = self._makings.under_way(assignment.spec.instance.uid)
        parts = (
            f"disk {v.name}: {told.get(v.volume_uid)}"
            for v in assignment.spec.volumes
            if told.get(v.volume_uid)
        )
        return "; ".join(parts)

    async def volume(self, instance_uid: str, volume: AssignedVolume, secret: AssignedSecret | None) -> Disk:
        """One Volume's disk, its data made at its first use. StepError.

        What opens it at its server is at hand then; the passphrase of an encrypted one only `opening` it.
        """
        uid = volume.volume_uid
        await self._publishing.give_way(uid)
        await self.unlock(volume, secret)
        disk = await self._makings.made(volume, instance_uid, secret)
        readonly = volume.access is Access.READ_ONLY
        if volume.multi_attach is MultiAttach.ENABLED:
            if disk.format != "raw":
                raise StepError(
                    "BadOrder", "only raw data can be written to by several guests", permanent=True
                )
            # No page cache: what one guest has written is what the next one reads, wherever that is.
            disk = replace(disk, shareable=True, cache="none")
        return replace(
            disk,
            serial=uid[:_SERIAL_LENGTH],
            volume_uid=uid,
            readonly=readonly,
            limits=limits_of(volume),
        )

    async def begin(self, instance_uid: str, volume: AssignedVolume, secret: AssignedSecret | None) -> None:
        """Have a Volume's data made, beside everything else. StepError."""
        await self.unlock(volume, secret)
        await self._makings.begin(volume, instance_uid, secret)

    async def unlock(self, volume: AssignedVolume, secret: AssignedSecret | None) -> None:
        """Have at hand what opens a Volume, and what it begins as. StepError."""
        await self._credentials.have(volume.volume_uid, volume.location, secret)
        origin = volume.origin
        if origin is not None and origin.location is not None and origin.location.rbd is not None:
            # A target is copied by who serves it, out of the file itself, without the account's secret.
            await self._credentials.have(origin.volume_uid or "", origin.location, secret)

    async def grow(self, volume: AssignedVolume, secret: AssignedSecret | None) -> int:
        """Make a Volume that no guest has as large as the order says; returns its size. StepError."""
        await self._credentials.have(volume.volume_uid, volume.location, secret)
        data = VolumeData.of(volume, await self._credentials.of_volume(volume, secret))
        return await self._volumes.grow(data, volume.size_bytes)

    def opening(self, spec: AssignmentSpec, *disks: Disk) -> AbstractAsyncContextManager[None]:
        """While QEMU is told to open these disks the hypervisor knows what opens encrypted ones, and no longer."""
        return self._credentials.handed(disks, spec.volumes, spec.secret)

    async def tell(self, assignment: Assignment) -> None:
        """What a guest that runs may ask about itself follows the order. StepError."""
        if wanted(assignment.spec):
            await self._seed(assignment)

    async def _seed(self, assignment: Assignment) -> Disk:
        spec = assignment.spec
        secret = spec.secret
        has_some = secret is not None and USER_DATA_KEY in secret.keys
        user_data = (
            await self._credentials.text(secret, USER_DATA_KEY, "UserDataMissing", "the user data")
            if has_some
            else b""
        )
        path = await self._disks.seed(self._layout, spec, user_data)
        return Disk(DiskFile(path), "raw", readonly=True)


def _in_order(assignment: Assignment) -> list[AssignedVolume]:
    """As the machine has them: the one to boot from is its first disk. StepError."""
    boots, volumes = assignment.spec.boot_volume_uid, listed(assignment)
    if boots is not None and all(volume.volume_uid != boots for volume in volumes):
        raise StepError("BadOrder", "the Assignment does not list the Volume to boot from", permanent=True)
    return sorted(volumes, key=lambda volume: volume.volume_uid != boots)


async def _all_or_none(*tasks: asyncio.Task[Any]) -> None:
    """Wait for all; when one fails, or the caller is cancelled, no other goes on."""
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
