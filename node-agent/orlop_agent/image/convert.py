"""A foreign disk made into qcow2 by qemu-img, confined: it reads one file, writes one, and sees no other."""

from __future__ import annotations

import asyncio
import errno
import os
from pathlib import Path

from orlop_agent import sandbox
from orlop_agent.image.errors import ImageError
from orlop_agent.image.header import Header
from orlop_agent.image.unfold import FREE
from orlop_api.image import ImageFormat

_DRIVERS = {
    ImageFormat.VMDK: "vmdk", ImageFormat.VHD: "vpc", ImageFormat.VHDX: "vhdx", ImageFormat.VDI: "vdi",
}  # fmt: skip
"""The formats by QEMU's names."""
_IN, _OUT = "/in", "/out"
_MEMORY = 2 << 30
_SLOWEST = 8 << 20
"""Bytes a second, below which converting is given up."""
_LEAST_SECONDS = 60
_FILE_TOO_LARGE = (153, -25)
"""SIGXFSZ, as a shell's status and as a process's."""


async def convert(source: Path, header: Header, target: Path, ratio: int) -> None:
    """Write the disk to `target` as qcow2, which is the same for the same file and the same QEMU. ImageError.

    Without -W, so clusters are written in order; the format is always said, on both sides.
    """
    size = (await asyncio.to_thread(source.stat)).st_size
    most = min(header.virtual_size + (header.virtual_size >> 10) + (64 << 20), max(FREE, ratio * size))
    seconds = _LEAST_SECONDS + (header.virtual_size + size) // _SLOWEST
    _hand_over(target, sandbox.NOBODY)
    arguments = sandbox.command(
        [
            "qemu-img", "convert", "-q", "-t", "writeback", "-f", _DRIVERS[header.format], "-O", "qcow2",
            "--", _IN, _OUT,
        ],
        sandbox.Limits(_MEMORY, seconds, most),
        readable={_IN: source},
        writable={_OUT: target},
    )  # fmt: skip
    try:
        status, told = await sandbox.run(arguments, seconds)
    except TimeoutError as error:
        raise ImageError("ConversionTimeout", f"converting took over {seconds} s", permanent=True) from error
    if status in _FILE_TOO_LARGE:
        raise ImageError("ImageTooLarge", f"the {header.format} unfolds to over {most} bytes", permanent=True)
    if "No space left" in told:
        raise OSError(errno.ENOSPC, "the disk is full")
    if status:
        raise ImageError(
            "ConversionFailed", f"qemu-img cannot convert the {header.format}: {told[:400]}", permanent=True
        )
    _hand_over(target, os.geteuid())


def _hand_over(target: Path, user: int) -> None:
    descriptor = os.open(target, os.O_RDONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.fchown(descriptor, user, -1)
    finally:
        os.close(descriptor)
