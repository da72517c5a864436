"""A copy that shares its blocks with the original until either is written (ioctl_ficlonerange(2))."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

_FICLONE = 0x40049409
_CANNOT = frozenset({errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV, errno.EINVAL, errno.ETXTBSY})
"""The file system does not share blocks, or not between these two: what `cp --reflink=auto` takes for it."""


def reflink(origin: Path, target: Path) -> bool:
    """Make `target` such a copy; False, and no file, where the file system cannot. OSError for all else."""
    source = os.open(origin, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
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
