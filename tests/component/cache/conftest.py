"""The operator as a process on a real API server; its two nodes are the real agents' of the test."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from orlop_agent.volume import qemu_img
from support.cloud import cloud, kubeconfig, operator, start, user
from support.twonodes import Source

__all__ = ["cloud", "kubeconfig", "operator", "source", "start", "user"]


@pytest.fixture(autouse=True)
def slots(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent has one event loop in its life; here each test has one of its own."""
    monkeypatch.setattr(qemu_img, "_at_once", asyncio.Semaphore(4))


@pytest.fixture
async def source() -> AsyncIterator[Source]:
    made = Source()
    await made.start()
    yield made
    await made.close()
