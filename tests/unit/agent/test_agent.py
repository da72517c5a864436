"""What the agent makes of its Assignments' events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest

from orlop_agent.agent import Agent
from orlop_agent.api.client import Client
from orlop_agent.api.errors import UnreadableError
from orlop_agent.api.watch import Changed, Event, Gone, Listed
from orlop_agent.cache import Cache
from orlop_agent.ledger import Ledger, Slot
from orlop_agent.protocol import Me
from orlop_api.capacity import Capacity


def order(name: str, version: int, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "uid": f"a-{name}", "resourceVersion": str(version)},
        "spec": {
            "instance": {"namespace": "demo", "name": "web-1", "uid": name},
            "nodeName": "node-1",
            "epoch": 1,
            "vcpus": 1,
            "memoryBytes": 1,
            "rootDiskBytes": 1,
            **spec,
        },
    }


def strange(name: str, version: int) -> dict[str, Any]:
    return order(name, version, desired="Hibernated")


class Heard(Agent):
    """Notes whom it would look at."""

    def __init__(self, *events: Event) -> None:
        self.cache = Cache()
        self.ledger = Ledger(lambda: Capacity(vcpus=4, memory_bytes=4, disk_bytes=4))
        self.woken: list[set[str]] = []

        async def told() -> AsyncIterator[Event]:
            for event in events:
                self.woken.append(set())
                yield event

        async def asked() -> None:
            return

        nothing: Any = SimpleNamespace(
            wake=lambda: None,
            asked=asked,
            images_in_use=set,
            watch_assignments=told,
            journal=SimpleNamespace(peek=lambda _: None, instances=lambda: ()),
            ledger=self.ledger,
        )
        me = Me("node-1", "boot-1", "pool-1")
        super().__init__(me, "qemu", nothing, self.cache, nothing, nothing, nothing, nothing)

    def wake(self, instance_uid: str) -> None:
        self.woken[-1].add(instance_uid)


async def test_what_is_not_listed_any_more_is_read() -> None:
    heard = Heard(Listed((order("a", 1), order("b", 2))), Listed((order("b", 2),)))
    await heard._follow_assignments()
    assert heard.cache.get("a") is None
    assert heard.cache.get("b") is not None
    assert heard.woken == [{"a", "b"}, {"a", "b"}]


async def test_an_order_that_cannot_be_read_ends_nothing_and_is_not_taken_for_gone() -> None:
    heard = Heard(
        Listed((order("a", 1), order("b", 2))),
        Changed(strange("a", 3)),
        Listed((strange("a", 3), order("b", 4), strange("c", 5))),
    )
    await heard._follow_assignments()
    known = heard.cache.get("a")
    assert known is not None
    assert known.metadata.resource_version == "1"
    assert set(heard.cache) == {"a", "b"}
    assert heard.woken == [{"a", "b"}, {"a"}, {"a", "b", "c"}]


async def test_images_stay_while_an_order_cannot_be_read() -> None:
    for last in (Changed(order("a", 2)), Gone(strange("a", 2)), Listed(())):
        events = [Listed((strange("a", 1),)), last]
        heard = Heard(*events[:1])
        await heard._follow_assignments()
        assert heard.images_in_use() is None
        heard = Heard(*events)
        await heard._follow_assignments()
        assert heard.images_in_use() == set()


async def test_an_order_that_cannot_be_read_keeps_its_room_and_is_given_none() -> None:
    begins: list[Event] = [Listed((order("a", 1, vcpus=3, desired="Hibernated", memoryBytes="1Gi"),))]
    heard = Heard(*begins)
    await heard._follow_assignments()
    assert heard.ledger.shortage("b", Slot(2, 1, 1)) == "not enough vCPUs: need 2, free 1"
    for last in (Changed(order("a", 2, vcpus=3)), Gone(strange("a", 2)), Listed(())):
        heard = Heard(*begins, last)
        await heard._follow_assignments()
        assert not heard.ledger.holds("a")
        assert heard.ledger.shortage("b", Slot(4, 1, 1)) is None


async def test_an_order_that_cannot_be_read_is_said_to_be_that() -> None:
    class Http:
        async def call(self, *_: Any, **_more: Any) -> dict[str, Any]:
            return strange("a", 1)

    async def token() -> str:
        return "t"

    http: Any = Http()
    identity: Any = SimpleNamespace(token=token)
    with pytest.raises(UnreadableError, match="Assignment a cannot be read"):
        await Client(http, identity, "node-1").assignment("a")
