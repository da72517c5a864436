"""Which cached files are bases of disks that are here, by what the disks themselves say.

A disk must not lose its base, also when nobody knows whose disk it is: its Assignment may be unknown to this
process, or gone with an etcd that was restored from a backup.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from pathlib import Path

from orlop_agent.image.names import served_digest

_QCOW2 = b"QFI\xfb"
_LONGEST_NAME = 1023
"""Of a backing file (QEMU's docs/interop/qcow2.rst, backing_file_size)."""
_OVERLAYS = ("*.qcow2", ".*.qcow2.*new")
"""Names of disks over a base, and of those being made. Into any other file a guest may have written a header."""


def bases(folders: Iterable[Path]) -> set[str]:
    """Digests of all files that a qcow2 in these folders has as its base. OSError when one cannot be read.

    A folder that is not there has none. A file that goes while this looks had its last reader.
    """
    found = set()
    for folder in folders:
        for path in folder.iterdir() if folder.is_dir() else ():
            named = any(path.match(pattern) for pattern in _OVERLAYS)
            if named and path.is_file() and not path.is_symlink():
                digest = served_digest((backing_file(path) or "").rpartition("/")[2])
                if digest is not None:
                    found.add(digest)
    return found


def backing_file(path: Path) -> str | None:
    """The backing file's path, by the header of an overlay; None where the file is none, or not there."""
    try:
        with path.open("rb") as file:
            head = file.read(20)
            if len(head) < 20 or not head.startswith(_QCOW2):
                return None
            offset, length = struct.unpack_from(">QI", head, 8)
            if offset == 0 or not 0 < length <= _LONGEST_NAME:
                return None
            if offset + length > os.fstat(file.fileno()).st_size:
                return None
            file.seek(offset)
            return file.read(length).decode(errors="replace")
    except FileNotFoundError:
        return None
