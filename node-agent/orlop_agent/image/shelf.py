"""The files of the image cache: what is there, when it was last used, and how room is made.

The last use is a file's time of modification: it survives the agent, and the bytes never change. Nothing is
removed before the API server's list of this node's Assignments was seen, and nothing that is in use.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from pathlib import Path

import structlog

from orlop_agent import durable
from orlop_agent.image.bases import bases
from orlop_agent.image.evict import Cached, Limits, to_evict
from orlop_agent.image.names import served_digest
from orlop_agent.metrics import CacheMetrics
from orlop_api.config import ImageConfig
from orlop_api.duration import to_seconds
from orlop_api.quantity import to_bytes

PART = ".part-"
"""Begins the name of what is on its way into the cache."""
_GONE = ".gone-"
_FRESH = 3600.0
"""Seconds for which a use need not be noted again."""
_BLOCK = 512
"""Bytes of a unit of st_blocks (stat(2))."""

InUse = Callable[[], set[str] | None]
"""Which digests may not go; None while that is not known."""
Folders = Callable[[], Iterable[Path]]
"""Where disks are that may have a cached file as their base."""

_log = structlog.get_logger()


def unknown() -> set[str] | None:
    """Nobody says what is in use, so nothing goes."""
    return None


def no_folders() -> Iterable[Path]:
    """No disks."""
    return ()


class Shelf:
    """The cache below `root`."""

    def __init__(
        self, root: Path, config: ImageConfig, in_use: InUse, disks: Folders, metrics: CacheMetrics
    ) -> None:
        self.root = root
        self._config = config
        self._in_use = in_use
        self._disks = disks
        self._clearing = asyncio.Lock()
        self._metrics = metrics
        root.mkdir(parents=True, exist_ok=True)
        for leftover in (*root.glob(f"{PART}*"), *root.glob(f"{_GONE}*")):  # of an agent that was killed
            leftover.unlink()

    def use(self, name: str) -> Path | None:
        """The file, noted as used now; None where it is not in the cache."""
        path = self.root / name
        try:
            os.utime(path)
        except FileNotFoundError:
            return None
        return path

    def keep(self, part: Path, name: str) -> Path:
        """Give a verified file its name; it survives a power cut from here on.

        A file that has the name already stays: it may be the base of disks.
        """
        path = self.root / name
        part.chmod(0o444)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(part)
        part.unlink()
        durable.sync_directory(self.root)
        return path

    def cached(self) -> list[Cached]:
        """What is complete. The files of one digest as served are one entry: they stay and go together."""
        found: dict[str, Cached] = {}
        for path, digest in self._files():
            with contextlib.suppress(FileNotFoundError):
                status = path.lstat()
                size, used_at = status.st_blocks * _BLOCK, status.st_mtime
                other = found.get(digest, Cached(digest, 0, used_at))
                found[digest] = Cached(digest, other.size + size, max(other.used_at, used_at))
        return list(found.values())

    def _files(self) -> Iterator[tuple[Path, str]]:
        """Each complete file with its digest as served."""
        for path in self.root.iterdir():
            digest = served_digest(path.name)
            if digest is not None:
                yield path, digest

    def capacity(self) -> int:
        """Bytes that the cache may hold."""
        capacity = self._config.cache_capacity
        if not capacity.endswith("%"):
            return to_bytes(capacity)
        pool = os.statvfs(self.root)
        return pool.f_blocks * pool.f_frsize * int(capacity[:-1]) // 100

    async def clear(self, *, incoming: int = 0, short: int = 0) -> int:
        """Remove what the limits want gone; bytes that were freed.

        `incoming` are bytes that will yet come, `short` are bytes that the data pool lacks.
        """
        async with self._clearing:
            used = self._in_use()
            if used is None:
                return 0
            try:
                cached, based, parts = await asyncio.to_thread(self._look, used)
            except OSError as error:
                # A disk that cannot be read may have any file as its base.
                _log.warning("images.evict", error=error.strerror, evicted=0)
                return 0
            limits = Limits(self.capacity(), to_seconds(self._config.cache_max_age))
            chosen = to_evict(
                cached, used | based, limits, time.time(), incoming=incoming + parts, short=short
            )
            gone = self._take_away(chosen)
            await asyncio.to_thread(_unlink, chain.from_iterable(gone.values()))
            self._metrics.evictions.inc(len(gone))
            freed = sum(file.size for file in cached if file.digest in gone)
            if gone:
                _log.info("images.evict", evicted=len(gone), bytes=freed, digests=sorted(gone))
            return freed

    def _look(self, used: set[str]) -> tuple[list[Cached], set[str], int]:
        """What is cached, what of it is a disk's base, and bytes of what is on its way."""
        based = bases(self._disks())
        now = time.time()
        cached = self.cached()
        noted = {file.digest for file in cached if now - file.used_at > _FRESH} & (used | based)
        for path, digest in self._files():
            if digest in noted:
                self.use(path.name)
        parts = 0
        for part in self.root.glob(f"{PART}*"):
            with contextlib.suppress(FileNotFoundError):
                parts += part.stat().st_blocks * _BLOCK
        return cached, based, parts

    def _take_away(self, digests: Iterable[str]) -> dict[str, list[Path]]:
        """Take the names from files, at once: whoever comes from here on finds no file.

        What is in use is asked again, for while the disks were read an Assignment may have come.
        """
        gone: dict[str, list[Path]] = {}
        used = self._in_use()
        if used is None:
            return gone
        chosen = set(digests) - used
        for path, digest in list(self._files()) if chosen else ():
            if digest in chosen:
                aside = self.root / f"{_GONE}{secrets.token_hex(8)}"
                with contextlib.suppress(FileNotFoundError):  # somebody removed it by hand
                    path.rename(aside)
                    gone.setdefault(digest, []).append(aside)
        return gone


def _unlink(paths: Iterable[Path]) -> None:
    """Takes a while for large files."""
    for path in paths:
        path.unlink()
