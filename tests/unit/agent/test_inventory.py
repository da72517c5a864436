"""What a node says of itself: trouble with one look, or one word, ends neither the agent nor its Lease."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from orlop_agent import inventory
from orlop_agent.allocation import Allocation
from orlop_agent.api.watch import Changed, Event, Listed
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


async def test_a_hypervisor_that_cannot_be_read_leaves_what_was_known() -> None:
    known = {"metadata": {"name": "node-1", "uid": "h"}, "spec": {"overcommit": {"vcpus": "3"}}}
    strange = {**known, "spec": {"overcommit": {"vcpus": "as many as there are"}}}
    allocation, asked = Allocation(), []

    async def events() -> AsyncIterator[Event]:
        for event in (Listed((known,)), Changed(strange), Listed((strange,))):
            yield event
            asked.append(allocation.ratios().vcpus)

    nothing: Any = SimpleNamespace(
        listen=lambda _: None, follow=lambda _: None, digests=list, watch_hypervisor=events
    )
    made = Inventory(
        "node-1", nothing, HypervisorStatus, allocation, nothing, nothing, nothing, nothing, nothing
    )
    await made._follow()
    await made.asked()
    assert asked == ["3", "3", "3"]


async def test_a_hypervisor_that_cannot_be_read_at_first_leaves_guests_to_the_nodes_own_ratios() -> None:
    async def events() -> AsyncIterator[Event]:
        yield Listed(({"metadata": {"name": "node-1"}, "spec": 7},))

    nothing: Any = SimpleNamespace(listen=lambda _: None, watch_hypervisor=events)
    made = Inventory(
        "node-1", nothing, HypervisorStatus, Allocation(), nothing, nothing, nothing, nothing, nothing
    )
    await made._follow()
    async with asyncio.timeout(5):
        await made.asked()
    assert made.images_in_use() is None
