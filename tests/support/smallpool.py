"""A file system of a few MiB, so that a full disk costs nothing."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
    entry = bytes.fromhex("80000000830000000008000000f00100").ljust(64, b"\0")
    return bytes(446) + entry + b"\x55\xaa" + bytes([seed]) * (size - 512)
