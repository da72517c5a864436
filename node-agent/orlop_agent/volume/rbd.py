"""Class `rbd`: an image in a pool of a Ceph cluster, opened by QEMU itself.

Any node does what is to be done to the data. An image is made under another name and renamed once it is whole: of
two nodes that make the same, the first one's counts. A copy is read out of a snapshot of Ceph's, so that nobody who
writes meanwhile can tear it; the snapshot goes when the copy is there.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from orlop_agent.domain.spec import Disk, RbdImage
from orlop_agent.failure import StepError
from orlop_agent.volume import librbd, qemu_img
from orlop_agent.volume.driver import NO_RESTORE, Origin, Tell, VolumeData, unheard
from orlop_agent.volume.local import file_name
from orlop_api.ceph import RbdLocation

_PYTHON = "/usr/bin/python3"
"""Debian's own, which Debian's bindings are for."""
_DEADLINE = 120.0
_DELETING = 3600.0
"""A large image has many objects, and each of them has its own time to go."""
_SNAPSHOTS = "orlop-copy-"
_REFUSED = "handle_auth_bad_method"
"""What librados writes when its key is not the user's; it only says that nobody answered in time."""
_at_once = asyncio.Semaphore(8)

_log = structlog.get_logger()


def secret_name(credentials: str) -> str:
    """By what the hypervisor knows the key that a Secret holds."""
    return f"orlop-ceph-{credentials}"


class RbdVolumes:
    """Images named by their Volume's uid. `key` has what a Secret holds; it raises StepError."""

    def __init__(self, node: str, key: Callable[[str], str]) -> None:
        self._node = hashlib.sha256(node.encode()).hexdigest()[:8]
        self._key = key
        self._notes: dict[str, bytes] = {}
        """What is to be noted of data that is about to be made, by its uid."""
        self._reading: set[str] = set()
        """Snapshots that a copy is read out of now."""

    def disk(self, data: VolumeData) -> Disk:
        return Disk(self._image(data), "raw", cache="none", luks=data.luks)

    @asynccontextmanager
    async def origin(self, data: VolumeData) -> AsyncIterator[Origin]:
        """What it held at one moment, whoever writes now."""
        ours = f"{_SNAPSHOTS}{self._node}-"
        snapshot = ours + secrets.token_hex(4)
        self._reading.add(snapshot)
        try:
            taken = await self._call("take", data, snapshot=snapshot, stale=ours, kept=sorted(self._reading))
            image = replace(self._image(data), snapshot=snapshot, key=self._key_of(data))
            disk = replace(self.disk(data), source=image, readonly=True)
            yield Origin(disk, in_use=bool(taken["in_use"]))
        finally:
            await asyncio.shield(asyncio.ensure_future(self._drop(data, snapshot)))
            self._reading.discard(snapshot)

    async def exists(self, data: VolumeData) -> bool:
        return await self._call("size", data, **_sealed(data)) is not None

    async def create(self, data: VolumeData, size: int) -> None:
        if await self.exists(data):
            return
        aside = await self._make(data, size)
        async with self._whole_or_gone(data, aside):
            await self._publish(data, aside)

    async def copy_from(self, data: VolumeData, origin: Disk, size: int, tell: Tell = unheard) -> None:
        if await self.exists(data):
            return
        had = await qemu_img.virtual_size(origin)
        if had > size:
            raise StepError(
                "VolumeTooSmall",
                f"what is copied has {had} bytes, the volume {size}: it needs at least as many",
                permanent=True,
            )
        aside = await self._make(data, size)
        target = replace(self._openable(data, aside), cache=None)
        async with self._whole_or_gone(data, aside):
            await qemu_img.fill(origin, target, size, tell)
            await self._publish(data, aside)

    async def size(self, data: VolumeData) -> int:
        size = await self._call("size", data, **_sealed(data))
        if size is None:
            raise StepError("DiskLost", "the Ceph cluster has no such image")
        return int(size)

    async def unlock(self, data: VolumeData) -> None:
        await qemu_img.unlock(self._openable(data, self._image(data).image))

    async def grow(self, data: VolumeData, size: int) -> None:
        await self._call("grow", data, size=size, **_sealed(data))

    async def delete(self, data: VolumeData) -> None:
        await self._call("delete", data, snapshots=_SNAPSHOTS)

    async def note(self, data: VolumeData, text: bytes) -> None:
        """It goes into the image itself, and appears with it."""
        self._notes[data.uid] = text

    async def noted(self, data: VolumeData) -> bytes | None:
        text = await self._call("noted", data)
        return None if text is None else str(text).encode()

    async def discard(self, data: VolumeData) -> None:
        """Nothing here was made by a restore."""
        self.disk(data)
        raise StepError("NotSupported", NO_RESTORE, permanent=True)

    async def _drop(self, data: VolumeData, snapshot: str) -> None:
        """Where this fails it goes with the next copy that this node makes, or with the image."""
        try:
            await self._call("drop", data, snapshot=snapshot)
        except StepError as error:
            _log.warning("rbd.drop", volume=data.uid, reason=error.reason, error=error.message)

    async def _make(self, data: VolumeData, size: int) -> str:
        """An image that has not got its name yet. What this node left of makings before goes."""
        begun = f"{self._image(data).image}{librbd.UNFINISHED}{self._node}-"
        aside = begun + secrets.token_hex(4)
        note = self._notes.get(data.uid)
        header = b"" if data.luks is None else await qemu_img.header(data.luks)
        async with self._whole_or_gone(data, aside):
            await self._call(
                "make",
                data,
                name=aside,
                size=size,
                sweep=begun,
                note=note and note.decode(),
                header=base64.b64encode(header).decode(),
                **{"as": self._image(data).image},
            )
        return aside

    @asynccontextmanager
    async def _whole_or_gone(self, data: VolumeData, aside: str) -> AsyncIterator[None]:
        """Of what fails or is given up nothing stays: it takes room, and may never be tried again."""
        try:
            yield
        except BaseException:
            await asyncio.shield(asyncio.ensure_future(self._abandon(data, aside)))
            raise

    async def _abandon(self, data: VolumeData, aside: str) -> None:
        """Where this fails it goes with the next try of this node, or with the image.

        Ceph holds what a program that was killed had open for its, for half a minute.
        """
        try:
            await self._call("abandon", data, name=aside, **{"as": self._image(data).image})
        except StepError as error:
            _log.warning("rbd.abandon", volume=data.uid, reason=error.reason, error=error.message)

    async def _publish(self, data: VolumeData, aside: str) -> None:
        await self._call("publish", data, name=aside, **{"as": self._image(data).image})
        self._notes.pop(data.uid, None)

    def _image(self, data: VolumeData) -> RbdImage:
        where = _where(data)
        # The uid is held to be one: it comes from an order, and becomes a name.
        image = where.image_name.format(uid=file_name(data.uid, "").rstrip("."))
        monitors = tuple((monitor.host, monitor.port) for monitor in where.monitors)
        secret = secret_name(where.credentials) if where.credentials is not None else ""
        return RbdImage(monitors, where.pool, image, where.user, secret)

    def _openable(self, data: VolumeData, image: str) -> Disk:
        """What a program of this node opens, by itself."""
        return replace(
            self.disk(data), source=replace(self._image(data), image=image, key=self._key_of(data))
        )

    def _key_of(self, data: VolumeData) -> str | None:
        where = _where(data)
        return self._key(where.credentials) if where.credentials is not None else None

    async def _call(self, call: str, data: VolumeData, **arguments: Any) -> Any:
        image = self._image(data)
        request = {
            "monitors": ",".join(f"{host}:{port}" for host, port in image.monitors),
            "user": image.user,
            "key": self._key_of(data),
            "pool": image.pool,
            "name": image.image,
            "call": call,
        }
        said, heard = await _ask(request | arguments, _DELETING if call == "delete" else _DEADLINE)
        try:
            told: dict[str, Any] = json.loads(said)
        except ValueError:
            told = {"error": "Ended"}
        if "error" in told:
            raise _failure(told, _where(data), refused=_REFUSED in heard)
        return told["made"]


async def _ask(request: dict[str, Any], deadline: float) -> tuple[bytes, str]:
    """What the program printed, and what it wrote of errors. The key goes by its input: arguments are public."""
    async with _at_once:
        process = await asyncio.create_subprocess_exec(
            *(_PYTHON, "-I", str(Path(librbd.__file__))),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            said, heard = await asyncio.wait_for(process.communicate(json.dumps(request).encode()), deadline)
        except TimeoutError as error:
            process.kill()
            await process.wait()
            raise StepError(
                "CephUnreachable", f"the Ceph cluster took longer than {deadline:.0f} s"
            ) from error
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
    return said, heard.decode(errors="replace")


def _failure(told: dict[str, Any], where: RbdLocation, *, refused: bool) -> StepError:
    user, secret = where.user or "admin", where.credentials
    match told["error"]:
        case "Missing":
            return StepError(
                "CephUnavailable", "Ceph's bindings for Python (python3-rbd) are not beside the agent"
            )
        case "PoolNotFound":
            return StepError("PoolNotFound", f"the Ceph cluster has no pool {where.pool}")
        case "TimedOut" | "PermissionError" | "PermissionDeniedError" if refused:
            return StepError(
                "CredentialsRefused",
                f"the key in Secret orlop-system/{secret} is not that of Ceph user {user}",
            )
        case "PermissionError" | "PermissionDenied" | "PermissionDeniedError":
            return StepError(
                "CredentialsRefused", f"Ceph user {user} may not do that in pool {where.pool}: see its caps"
            )
        case "ImageBusy":
            return StepError("InUse", "somebody has the image open")
        case "ImageHasSnapshots":
            return StepError(
                "HasSnapshots", "the image has snapshots that Orlop did not make: remove them first"
            )
        case "ImageNotFound":
            return StepError("DiskLost", "the Ceph cluster has no such image")
        case "NoHeaderError":
            return StepError("BadVolume", "the image does not begin with a header of LUKS any more")
        case "TimedOut" | "ObjectNotFound" | "Timeout":
            return StepError("CephUnreachable", "no monitor of the Ceph cluster answers this node in time")
        case error:
            return StepError("CephError", f"the Ceph cluster: {told.get('message') or error}")


def _sealed(data: VolumeData) -> dict[str, bool]:
    """Whether the image begins with a header that is none of the bytes that a guest sees."""
    return {"sealed": data.location.encryption is not None}


def _where(data: VolumeData) -> RbdLocation:
    if data.location.rbd is None:
        raise StepError("BadOrder", "the volume is in no Ceph pool", permanent=True)
    return data.location.rbd
