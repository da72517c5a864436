"""A file system of a few MiB, so that a full disk costs nothing."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from support.partitions import BOOT_CODE, TABLE


@contextmanager
def small_pool(directory: Path, size: str) -> Iterator[Path]:
    """A tmpfs of this size, mounted where only its holder sees it; the path leads there through its process."""
    directory.mkdir(exist_ok=True)
    mount = f"mount -t tmpfs -o size={size} tmpfs {directory} && echo up && exec cat"
    holder = subprocess.Popen(
        ["unshare", "--mount", "--", "sh", "-c", mount], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdin
    assert holder.stdout
    try:
        assert holder.stdout.readline() == b"up\n"
        yield Path(f"/proc/{holder.pid}/root{directory}")
    finally:
        holder.stdin.close()
        holder.wait()
        holder.stdout.close()


def raw_disk(size: int, seed: int) -> bytes:
    """A raw disk with a partition table; no two seeds give the same."""
    return bytes(BOOT_CODE) + TABLE + bytes([seed]) * (size - 512)
