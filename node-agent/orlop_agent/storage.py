"""What the operator orders about the data of Volumes, beside Instances: each order until it is done."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace

import structlog

from orlop_agent.api import backoff
from orlop_agent.credentials import Credentials
from orlop_agent.failure import StepError
from orlop_agent.hypervisor import HypervisorError
from orlop_agent.makings import Opener
from orlop_agent.snapshots import Snapshots
from orlop_agent.standing import Standing
from orlop_agent.volume.driver import VolumeData
from orlop_agent.volume.drivers import Drivers
from orlop_api.storage import Found, StorageAction, StorageOrder, StorageReport, StorageState

_LONGEST = 60.0
"""Seconds between tries, if nothing that the node learns wakes them before."""

_log = structlog.get_logger()


class StorageWork(Standing[StorageOrder, StorageReport]):
    """Carries them out."""

    def __init__(
        self,
        volumes: Drivers,
        snapshots: Snapshots,
        opened: Opener,
        in_use: Callable[[], set[tuple[str, int | None]]],
        credentials: Credentials,
    ) -> None:
        """`in_use`: uid and generation of the data that Assignments of this node have."""
        self._volumes = volumes
        self._credentials = credentials
        self._snapshots = snapshots
        self._opened = opened
        self._in_use = in_use
        self._at_it: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        """An order in the place of another waits until that has ended, files and all."""
        self._tidying: asyncio.Task[None] | None = None
        super().__init__(
            lambda order: order.uid,
            lambda order: _report(order, StorageState.PENDING),
            self._once,
            lambda report: report.state is not StorageState.PENDING,
            lambda: backoff.delays(first=1.0, most=_LONGEST),
        )

    def follow(self, orders: Iterable[StorageOrder]) -> None:
        """Start what is new, end what is not wanted any more."""
        if self._tidying is None:
            self._tidying = asyncio.create_task(self._tidy(), name="tidy")
        super().follow(orders)

    async def close(self) -> None:
        """End everything that is under way."""
        if self._tidying is not None:
            self._tidying.cancel()
            await asyncio.gather(self._tidying, return_exceptions=True)
        await super().close()

    async def _tidy(self) -> None:
        """Once, as soon as the hypervisor can be asked."""
        for delay in backoff.delays(first=1.0, most=_LONGEST):
            try:
                await self._snapshots.tidy()
            except (HypervisorError, OSError) as error:
                _log.warning("storage.tidy", error=str(error))
                await asyncio.sleep(delay)
            else:
                return

    async def _once(self, order: StorageOrder) -> StorageReport:
        """One try; a failure is part of the report."""
        try:
            async with self._at_it[order.uid]:
                report = await self._carry_out(order)
        except StepError as error:
            state = StorageState.FAILED if error.permanent else StorageState.PENDING
            return _report(order, state, error.reason, error.message)
        except OSError as error:
            message = f"the node's disk: {error.strerror or type(error).__name__}"
            return _report(order, StorageState.PENDING, "NodeError", message)
        except Exception:  # noqa: BLE001 - told in full: without a report the order would be Pending for ever
            _log.exception("storage.bug", uid=order.uid)
            message = "the node's agent has a bug: its log tells more"
            return _report(order, StorageState.PENDING, "InternalError", message)

        _log.info("storage.order", uid=order.uid, action=order.action.value, state=report.state.value)
        return report

    async def _carry_out(self, order: StorageOrder) -> StorageReport:
        has = [generation for uid, generation in self._in_use() if uid == order.uid]
        # What a restore replaced, or did not finish, goes while a guest has what is in its place.
        if has and (order.action is not StorageAction.DISCARD or order.location.generation in has):
            raise StepError("InUse", "an Instance on this node still has it")
        if order.location.rbd is not None:
            # Targets are made by who serves them, without the account's secret.
            await self._credentials.have(order.uid, order.location, order.secret)
        data, done = VolumeData(order.uid, order.location), _report(order, StorageState.DONE)
        match order.action:
            case StorageAction.DELETE:
                await self._volumes.delete(data)
                return done
            case StorageAction.CREATE:
                data = replace(data, passphrase=await self._passphrase(order))
                size = await self._volumes.create(data, order.size_bytes or 0)
                return done.model_copy(update={"size_bytes": size})
            case StorageAction.EXPAND:
                data = replace(data, passphrase=await self._passphrase(order))
                size = await self._volumes.grow(data, order.size_bytes or 0)
                return done.model_copy(update={"size_bytes": size})
            case StorageAction.RESTORE:
                if order.origin is None:
                    raise StepError("BadOrder", "the order does not say what it begins as", permanent=True)
                passphrase = await self._passphrase(order)
                data = replace(data, passphrase=passphrase)
                size = await self._volumes.restore(
                    data, order.origin, lambda begins: self._opened(begins, passphrase), order.size_bytes or 0
                )
                return done.model_copy(update={"size_bytes": size})
            case StorageAction.DISCARD:
                await self._volumes.discard(data)
                return done
            case StorageAction.FIND:
                there = await self._volumes.find(data)
                found = Found.ABSENT if there is None else Found.PRESENT
                return done.model_copy(update={"size_bytes": there, "found": found})
            case StorageAction.SNAPSHOT:
                taken = await self._snapshots.take(order, await self._passphrase(order))
                return done.model_copy(update=taken.model_dump())

    async def _passphrase(self, order: StorageOrder) -> bytes | None:
        return await self._credentials.passphrase(order.uid, order.location, order.secret, "the volume")


def _report(order: StorageOrder, state: StorageState, reason: str = "", message: str = "") -> StorageReport:
    return StorageReport(
        uid=order.uid,
        action=order.action,
        generation=order.generation,
        state=state,
        reason=reason,
        message=message,
    )
