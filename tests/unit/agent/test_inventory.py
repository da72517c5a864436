"""What a node says of itself: trouble with one look, or one word, ends neither the agent nor its Lease."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from orlop_agent import inventory
from orlop_agent.inventory import Inventory
from orlop_api.hypervisor import HypervisorStatus


async def test_facts_that_cannot_be_had_cost_no_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inventory, "RENEW_SECONDS", 0.01)
    renewed = asyncio.Event()
    made: Any = object.__new__(Inventory)
    failures = [OSError(5, "Input/output error")]

    class Client:
        async def renew_lease(self, _node: str, _seconds: int) -> None:
            if not failures:
                renewed.set()

    def facts() -> HypervisorStatus:
        if failures:
            raise failures.pop()
        return HypervisorStatus(boot_id="b")

    made._node, made._client, made._facts = "node-1", Client(), facts
    made._told, made._dirty = HypervisorStatus(boot_id="a"), asyncio.Event()
    work = asyncio.create_task(made._renew())
    try:
        async with asyncio.timeout(5):
            await renewed.wait()
            await made._dirty.wait()
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
