"""A copy that shares its blocks with the original until either is written (ioctl_ficlonerange(2))."""

from __future__ import annotations

import errno
import fcntl
import os
import struct
from pathlib import Path

from orlop_agent.failure import StepError

_FICLONE = 0x40049409
_CANNOT = frozenset({errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ETXTBSY})
"""The file system does not share blocks, or not between these two: what `cp --reflink=auto` takes for it."""

_F_OFD_GETLK, _F_OFD_SETLK = 36, 37
_FLOCK = struct.Struct("hhqqi4x")
_WRITES, _NO_WRITER = 101, 201
"""Bytes that QEMU locks in a disk's file (block/file-posix.c): who writes the first, who bears no writer the second."""


def reflink(origin: Path, target: Path) -> bool:
    """Make `target` such a copy; False, and no file, where the file system cannot.

    StepError where a machine has the original open to write to it, OSError for all else.
    """
    source = os.open(origin, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _lock_out_writers(source)
        copy = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            fcntl.ioctl(copy, _FICLONE, source)
        except OSError as error:
            target.unlink()
            if error.errno not in _CANNOT:
                raise
            return False
        finally:
            os.close(copy)
    finally:
        os.close(source)
    return True


def _lock_out_writers(source: int) -> None:
    """As qemu-img does when it reads: for as long as the descriptor is open no machine may write to the disk."""
    fcntl.fcntl(source, _F_OFD_SETLK, _FLOCK.pack(fcntl.F_RDLCK, os.SEEK_SET, _NO_WRITER, 1, 0))
    asked = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, _WRITES, 1, 0)
    found = _FLOCK.unpack(fcntl.fcntl(source, _F_OFD_GETLK, asked))
    if found[0] != fcntl.F_UNLCK:
        raise StepError("InUse", "a machine has the disk that is to be copied, and writes to it")
