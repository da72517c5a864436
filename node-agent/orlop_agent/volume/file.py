"""A disk that is a file: complete or not there, and made only once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from orlop_agent import durable
from orlop_agent.domain.spec import Disk, DiskFile
from orlop_agent.volume import qemu_img


async def make_once(path: Path, make: Callable[[Path], Awaitable[None]]) -> None:
    """Have the file made aside unless it is there; what it holds is never touched again. Raises StepError.

    It gets its name once it is whole and on the disk.
    """
    if await asyncio.to_thread(os.path.lexists, path):
        return
    aside = path.with_name(f".{path.name}.new")
    await asyncio.to_thread(aside.unlink, missing_ok=True)
    try:
        await make(aside)
        await asyncio.to_thread(_publish, aside, path)
    except BaseException:
        # Not to be left on a disk that is full, perhaps because of it.
        await asyncio.shield(asyncio.to_thread(aside.unlink, missing_ok=True))
        raise


async def make_overlay(path: Path, size: int, base: Path, base_format: str) -> None:
    """Make a qcow2 of `size` bytes over a read-only image, once. Raises StepError."""

    def make(aside: Path) -> Awaitable[None]:
        return qemu_img.create(aside, size, base=Disk(DiskFile(base), base_format))

    await make_once(path, make)


def sweep(directory: Path) -> None:
    """Remove what an agent left that ended while it made a disk: nothing has its name yet, so nobody uses it."""
    for aside in directory.glob(".*.new"):
        aside.unlink(missing_ok=True)


def _publish(aside: Path, path: Path) -> None:
    descriptor = os.open(aside, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, 0o600)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    aside.rename(path)
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
