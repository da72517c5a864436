"""Data of Volumes that is being made, beside everything else: a copy takes as long as its origin is large.

There is one making for each Volume, however many Instances of this node wait for it, and it ends when none does any
more. Nothing is remembered over a restart: what an order still lists is begun again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import structlog

from orlop_agent.domain.spec import Disk
from orlop_agent.failure import StepError
from orlop_agent.hypervisor import HypervisorError
from orlop_agent.volume.driver import Tell
from orlop_agent.volume.drivers import Drivers
from orlop_api.assignment import AssignedOrigin, AssignedSecret, AssignedVolume

Opener = Callable[[AssignedOrigin, bytes | None], AbstractAsyncContextManager[Disk]]
"""Opens what a Volume begins as, with the Volume's passphrase if that is encrypted."""

Passphrase = Callable[[AssignedVolume, AssignedSecret | None], Awaitable[bytes | None]]
"""Reads a Volume's passphrase, if it has one; StepError."""

AT_ONCE = 0.5
"""Seconds in which most data is made, and nobody has to be told that it is not there yet."""

_log = structlog.get_logger()


@dataclass
class _Making:
    volume: AssignedVolume
    secret: AssignedSecret | None
    waiting: set[str]
    """Uids of the Instances that it is for."""
    task: asyncio.Task[None] | None = None
    told: str = ""
    """How far it is."""


class Makings:
    """Makings under way, by the uid of their Volume."""

    def __init__(self, drivers: Drivers, origin: Opener, passphrase: Passphrase) -> None:
        self._passphrase = passphrase
        self._drivers = drivers
        self._origin = origin
        self._makings: dict[str, _Making] = {}
        self._failed: dict[str, dict[str, StepError]] = {}
        self._listeners: list[Callable[[str], None]] = []

    def listen(self, over: Callable[[str], None]) -> None:
        """Call `over` with the uid of an Instance when a making ends that it waits for."""
        self._listeners.append(over)

    async def begin(self, volume: AssignedVolume, instance_uid: str, secret: AssignedSecret | None) -> None:
        """Have the data made for the Instance too; only what is made at once is there afterwards.

        `secret` is the Instance's: a passphrase may be in it.
        """
        await asyncio.wait([self._begun(volume, instance_uid, secret)], timeout=AT_ONCE)

    def _begun(
        self, volume: AssignedVolume, instance_uid: str, secret: AssignedSecret | None
    ) -> asyncio.Task[None]:
        making = self._makings.get(volume.volume_uid)
        if making is None:
            making = _Making(volume, secret, set())
            self._makings[volume.volume_uid] = making
            making.task = asyncio.create_task(self._run(making), name=f"making of {volume.volume_uid}")
        making.waiting.add(instance_uid)
        if making.task is None:
            raise AssertionError
        return making.task

    async def made(self, volume: AssignedVolume, instance_uid: str, secret: AssignedSecret | None) -> Disk:
        """The disk, once the data is there. StepError. Who gives up waiting does not end the making: `drop` does."""
        task = self._begun(volume, instance_uid, secret)
        await asyncio.wait([task])
        error = self._failed.get(instance_uid, {}).pop(volume.volume_uid, None)
        if error is not None:
            raise error
        if task.cancelled():
            raise StepError("Interrupted", f"the making of volume {volume.name} was broken off")
        return self._drivers.disk(volume)

    def under_way(self, instance_uid: str | None = None) -> dict[str, str]:
        """Volumes that are being made, for the Instance or for any, and how far they are."""
        return {
            uid: making.told
            for uid, making in self._makings.items()
            if instance_uid is None or instance_uid in making.waiting
        }

    def failures(self, instance_uid: str) -> dict[str, StepError]:
        """What became of makings that were in vain; each is told once."""
        return self._failed.pop(instance_uid, {})

    async def drop(self, volume_uid: str, instance_uid: str) -> None:
        """The Instance does not wait any more. Where nobody does the making ends: afterwards nothing is made."""
        making = self._makings.get(volume_uid)
        if making is None or making.task is None:
            return
        making.waiting.discard(instance_uid)
        if not making.waiting:
            making.task.cancel()
            await asyncio.wait([making.task])
            # It may have been made in the last moment.
            await self._drivers.look([making.volume])

    async def close(self) -> None:
        """End everything that is under way."""
        self._listeners.clear()
        tasks = [making.task for making in self._makings.values() if making.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _make(self, making: _Making, tell: Tell) -> None:
        passphrase = await self._passphrase(making.volume, making.secret)
        await self._drivers.ensure(
            making.volume, lambda origin: self._origin(origin, passphrase), passphrase, tell
        )

    async def _run(self, making: _Making) -> None:
        uid = making.volume.volume_uid

        def tell(percent: float) -> None:
            making.told = f"{percent:.0f} % of what it begins as are copied"

        error: StepError | None = None
        try:
            await self._make(making, tell)
        except StepError as failed:
            error = failed
        except HypervisorError as failed:
            error = StepError("HypervisorError", str(failed))
        except OSError as failed:
            error = StepError("NodeError", f"the node's disk: {failed.strerror or type(failed).__name__}")
        except Exception:  # noqa: BLE001 - told in full: without a word the Volume would be Making for ever
            _log.exception("making.bug", volume=uid)
            error = StepError("InternalError", "the node's agent has a bug: its log tells more")
        finally:
            # Also of one that is broken off: somebody may have come to wait for it meanwhile.
            del self._makings[uid]
            for instance_uid in making.waiting:
                if error is not None:
                    self._failed.setdefault(instance_uid, {})[uid] = error
                for over in self._listeners:
                    over(instance_uid)
