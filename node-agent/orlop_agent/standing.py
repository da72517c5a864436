"""Orders that stand until they are taken back: each carried out until it is done, and told of as it goes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from typing import Generic, TypeVar

Order = TypeVar("Order")
Report = TypeVar("Report")


class Standing(Generic[Order, Report]):
    """Orders under way by the uid of what they are about, and what became of them.

    What is remembered over a restart is what `begun` knows; anything else is carried out again, to the same result.
    """

    def __init__(
        self,
        uid: Callable[[Order], str],
        begun: Callable[[Order], Report],
        once: Callable[[Order], Awaitable[Report]],
        over: Callable[[Report], bool],
        delays: Callable[[], Iterator[float]],
    ) -> None:
        """`begun` is what is said at first, and all where that is over; `once` tries and never raises; `delays` are
        seconds between tries.
        """
        self._uid, self._begun, self._once, self._over, self._delays = uid, begun, once, over, delays
        self._listeners: list[Callable[[], None]] = []
        self._orders: dict[str, Order] = {}
        self._reports: dict[str, Report] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._woken: dict[str, asyncio.Event] = {}

    def listen(self, changed: Callable[[], None]) -> None:
        """Call `changed` whenever a report is another one."""
        self._listeners.append(changed)

    def follow(self, orders: Iterable[Order]) -> None:
        """Start what is new, end what is not wanted any more; an order that changed is another one."""
        self._settle(orders)

    def _settle(self, orders: Iterable[Order]) -> None:
        wanted = {self._uid(order): order for order in orders}
        for uid in [uid for uid, order in self._orders.items() if wanted.get(uid) != order]:
            del self._orders[uid], self._reports[uid], self._woken[uid]
            if uid in self._tasks:
                self._tasks.pop(uid).cancel()
        for uid in wanted.keys() - self._orders.keys():
            order = self._orders[uid] = wanted[uid]
            self._woken[uid] = asyncio.Event()
            report = self._reports[uid] = self._begun(order)
            if not self._over(report):
                self._tasks[uid] = asyncio.create_task(self._run(uid, order), name=f"order about {uid}")

    def wake(self) -> None:
        """What an order waits for may be there."""
        for event in self._woken.values():
            event.set()

    def orders(self) -> list[Order]:
        """What stands."""
        return list(self._orders.values())

    def reports(self) -> list[Report]:
        """What the status shall say, in a steady order."""
        return [self._reports[uid] for uid in sorted(self._reports)]

    async def close(self) -> None:
        """End everything that is under way."""
        tasks = list(self._tasks.values())
        self._settle(())
        await asyncio.gather(*tasks, return_exceptions=True)

    def _say(self, uid: str, order: Order, report: Report) -> None:
        """How it stands, unless something else is ordered by now."""
        if self._orders.get(uid) == order and report != self._reports[uid]:
            self._reports[uid] = report
            for changed in self._listeners:
                changed()

    async def _run(self, uid: str, order: Order) -> None:
        woken = self._woken[uid]
        for delay in self._delays():
            woken.clear()
            report = await self._once(order)
            self._say(uid, order, report)
            if self._over(report):
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await woken.wait()
