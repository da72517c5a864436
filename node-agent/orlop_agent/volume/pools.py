"""Shared pools: directories that several nodes have mounted, each known by its name and by what it holds.

A pool is one only while something is mounted there: files that were made in an empty mount point would be on this
node alone, and hidden once the pool is mounted. That it is the same pool as on other nodes is said by its file
pool-id, which whoever cares for the pool puts there.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import structlog

from orlop_agent.failure import StepError
from orlop_agent.volume.file import cache_mode

T = TypeVar("T")
PERIOD = 10.0
"""Seconds between looks: neither a mount nor a server that stops answering tells anybody."""
PATIENCE = 10.0
"""Seconds that a file system of the network may take for an answer."""
MOST = 16
_NAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_ID = re.compile(r"[0-9a-zA-Z][-0-9a-zA-Z]{0,63}")
_MOUNTS = Path("/proc/self/mountinfo")

_log = structlog.get_logger()


class SharedPools:
    """The pools below `directory` that are mounted and answer."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._found: dict[str, str] = {}
        self._stuck: set[str] = set()
        self._caches: dict[str, str] = {}

    @property
    def found(self) -> dict[str, str]:
        """Name to pool id, as at the last look."""
        return dict(self._found)

    async def run(self, changed: Callable[[], None]) -> None:
        """Look again and again, until cancelled."""
        while True:
            if await self.look():
                changed()
            await asyncio.sleep(PERIOD)

    async def look(self) -> bool:
        """Look once; whether anything is new."""
        names = await asyncio.to_thread(self._mounted)
        said = await asyncio.gather(*(self._identify(name) for name in names))
        found = {name: pool_id for name, pool_id in zip(names, said, strict=True) if pool_id is not None}
        changed, self._found = found != self._found, found
        return changed

    def place(self, name: str, pool_id: str) -> tuple[Path, str | None]:
        """The pool's directory, and how QEMU shall cache disks in it, where that is known; nothing is looked at."""
        return self._directory / name, self._caches.get(pool_id)

    async def enter(self, name: str, pool_id: str) -> None:
        """Make sure that it is this pool. StepError where it is not, or does not answer."""
        if name not in await asyncio.to_thread(self._mounted):
            raise StepError("PoolMissing", f"shared pool {name} is not mounted on this node")
        found = await self._identify(name)
        if found is None:
            raise StepError(
                "PoolMissing", f"shared pool {name} of this node does not answer, or has no pool-id"
            )
        if found != pool_id:
            raise StepError(
                "PoolChanged", f"shared pool {name} of this node is another one than the data is in"
            )
        if pool_id not in self._caches:
            self._caches[pool_id] = await self.ask(name, cache_mode, self._directory / name)

    async def ask(self, name: str, call: Callable[..., T], *arguments: Any, **options: Any) -> T:
        """Do something in a pool, in a thread of its own: a server that is away must not take those of others.

        Raises StepError where it does not answer in time.
        """
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        work = partial(call, *arguments, **options)
        threading.Thread(
            target=_deliver, args=(work, answer, asyncio.get_running_loop()), name=f"pool-{name}", daemon=True
        ).start()
        try:
            return await asyncio.wait_for(asyncio.shield(answer), PATIENCE)
        except TimeoutError as error:
            self._stuck.add(name)
            answer.add_done_callback(lambda done: self._comes_back(name, done))
            raise StepError("PoolMissing", f"shared pool {name} of this node does not answer") from error

    def _comes_back(self, name: str, done: asyncio.Future[Any]) -> None:
        done.exception()  # its asker has gone
        self._stuck.discard(name)

    async def _identify(self, name: str) -> str | None:
        if name in self._stuck:
            return None  # one thread that waits for it is enough
        try:
            return await self.ask(name, _pool_id, self._directory / name)
        except (StepError, OSError) as error:
            _log.warning("pool.silent", pool=name, error=str(error))
            return None

    def _mounted(self) -> list[str]:
        """By the kernel's list (proc_pid_mountinfo(5)), which no server of the network can hold up."""
        top = str(self._directory.resolve())
        points = (line.split(" ")[4] for line in _MOUNTS.read_text().splitlines())
        names = {os.path.basename(p) for p in points if os.path.dirname(p) == top}  # noqa: PTH119, PTH120 - text only
        return sorted(name for name in names if _NAME.fullmatch(name))[:MOST]


def _pool_id(directory: Path) -> str | None:
    descriptor = os.open(directory / "pool-id", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        said = file.read(128).decode(errors="replace").strip()
    return said if _ID.fullmatch(said) else None


def _deliver(work: Callable[[], T], answer: asyncio.Future[T], loop: asyncio.AbstractEventLoop) -> None:
    try:
        made = work()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the asker's
        loop.call_soon_threadsafe(_settle, answer, None, error)
    else:
        loop.call_soon_threadsafe(_settle, answer, made, None)


def _settle(answer: asyncio.Future[Any], made: Any, error: Exception | None) -> None:
    if answer.cancelled():
        return
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(made)
