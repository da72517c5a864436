"""Where the development cluster keeps its files."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, flock
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
SOURCES = CHECKOUT / "cluster"


def cache_root() -> Path:
    """What is built once per machine: `$ORLOP_CACHE`, or `orlop` in the user's cache (XDG)."""
    if chosen := os.environ.get("ORLOP_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "orlop"


def state_root() -> Path:
    """What belongs to this checkout's clusters; `down` empties it."""
    return CHECKOUT / ".orlop"


def fingerprint(*inputs: str | bytes | Path) -> str:
    """Name an artifact by what it is made of: 16 hex digits over texts and files' contents.

    Every input is preceded by its length, so that moving a byte from one to the next changes the name.
    """
    digest = hashlib.sha256()
    for item in inputs:
        data = (
            item.read_bytes() if isinstance(item, Path) else item.encode() if isinstance(item, str) else item
        )
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:16]


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Let one process at a time build `name`; the kernel frees the lock of a builder that died."""
    locks = cache_root() / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    with (locks / name).open("w") as handle:
        flock(handle, LOCK_EX)
        yield
