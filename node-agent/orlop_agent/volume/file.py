"""A disk that is a file: complete or not there, and made only once."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

from orlop_agent import durable
from orlop_agent.domain.spec import Disk, DiskFile
from orlop_agent.volume import qemu_img

T = TypeVar("T")


class InThread(Protocol):
    """Makes a call in a thread, and waits for it, as asyncio.to_thread does."""

    def __call__(self, call: Callable[..., T], /, *arguments: Any, **options: Any) -> Awaitable[T]:
        """What the call returns."""


async def make_once(
    path: Path, make: Callable[[Path], Awaitable[None]], in_thread: InThread = asyncio.to_thread
) -> None:
    """Have the file made aside unless it is there; what it holds is never touched again. Raises StepError.

    It gets its name once it is whole and on the disk. Should two nodes make the same, the first one's counts.
    """
    if await in_thread(os.path.lexists, path):
        return
    aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}.new")
    try:
        await make(aside)
        named = asyncio.ensure_future(in_thread(_publish, aside, path))
        try:
            await asyncio.shield(named)
        except asyncio.CancelledError:
            # A thread cannot be stopped: whoever gives up knows only afterwards whether the file is there.
            await asyncio.wait([named])
            raise
    finally:
        # Not to be left on a disk that is full, perhaps because of it.
        await asyncio.shield(asyncio.ensure_future(in_thread(aside.unlink, missing_ok=True)))


async def make_overlay(path: Path, size: int, base: Path, base_format: str) -> None:
    """Make a qcow2 of `size` bytes over a read-only image, once. Raises StepError."""

    def make(aside: Path) -> Awaitable[None]:
        return qemu_img.create(aside, size, base=Disk(DiskFile(base), base_format))

    await make_once(path, make)


def sweep(directory: Path) -> None:
    """Remove what an agent left that ended while it made a disk: nothing has its name yet, so nobody uses it."""
    for aside in directory.glob(".*.new"):
        aside.unlink(missing_ok=True)


def remove(path: Path) -> None:
    """Take the file away for good, and what is left of makings that were broken off."""
    for aside in path.parent.glob(f".{path.name}.*.new"):
        aside.unlink(missing_ok=True)
    durable.remove(path)


def remove_all(directory: Path, stem: str, only: Path | None = None) -> None:
    """The same of every file whose name begins with this and a dot, or of one of them alone with all the makings."""
    for aside in directory.glob(f".{stem}.*.new"):
        aside.unlink(missing_ok=True)
    for path in directory.glob(f"{stem}.*") if only is None else (only,):
        durable.remove(path)


def _publish(aside: Path, path: Path) -> None:
    descriptor = os.open(aside, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, 0o600)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    with suppress(FileExistsError):
        # A rename would put it in place of what another made meanwhile, and a guest may have written to.
        path.hardlink_to(aside)
    durable.sync_directory(path.parent)


def cache_mode(directory: Path) -> str:
    """How QEMU shall cache disks here: none where the file system has O_DIRECT (open(2)), else writeback."""
    probe = directory / ".direct"
    try:
        os.close(os.open(probe, os.O_RDWR | os.O_CREAT | os.O_DIRECT | os.O_CLOEXEC, 0o600))
    except OSError:
        return "writeback"
    finally:
        probe.unlink(missing_ok=True)
    return "none"
