"""A watch that begins with all there is, and what it makes of a server's words."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from orlop_agent.api import backoff
from orlop_agent.api.errors import InvalidError, UnavailableError, from_status
from orlop_agent.api.watch import Changed, Event, Gone, Listed, watch

END = {"k8s.io/initial-events-end": "true"}


def event(kind: str, name: str, version: int, **more: Any) -> dict[str, Any]:
    meta = {"namespace": "demo", "name": name, "resourceVersion": str(version), **more}
    return {"type": kind, "object": {"metadata": meta}}


class Server:
    """Answers each watch with the next script, which ends in an error of the connection if it is too short."""

    def __init__(self, *scripts: list[dict[str, Any]] | Exception) -> None:
        self.scripts = list(scripts)
        self.asked: list[dict[str, str]] = []
        self.pages: list[dict[str, Any]] = []

    @asynccontextmanager
    async def lines(
        self, path: str, query: Mapping[str, str], silence: float
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        self.asked.append(dict(query))
        script = self.scripts.pop(0)
        if isinstance(script, Exception):
            raise script

        async def told() -> AsyncIterator[bytes]:
            for each in script:
                yield json.dumps(each).encode()
            raise UnavailableError("broken off")

        yield told()

    async def get(self, path: str, query: Mapping[str, str]) -> dict[str, Any]:
        self.asked.append(dict(query))
        return self.pages.pop(0)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "delays", lambda **_: iter(lambda: 0.0, None))


async def take(server: Server, count: int) -> list[Event]:
    found: list[Event] = []
    async for each in watch(server.get, server.lines, "/things", {"fieldSelector": "a=b"}):
        found.append(each)
        if len(found) == count:
            return found
    raise AssertionError


def names(event: Event) -> list[str]:
    assert isinstance(event, Listed)
    return [thing["metadata"]["name"] for thing in event.objects]


async def test_all_there_is_comes_first_and_as_one() -> None:
    beginning = [event("ADDED", "a", 3), event("ADDED", "b", 4)]
    server = Server([*beginning, event("BOOKMARK", "", 9, annotations=END), event("MODIFIED", "a", 10)])
    listed, changed = await take(server, 2)
    assert names(listed) == ["a", "b"]
    assert isinstance(changed, Changed)
    assert server.asked[0]["sendInitialEvents"] == "true"
    assert "resourceVersion" not in server.asked[0]


async def test_what_changes_while_all_is_told_is_in_it() -> None:
    script = [
        event("ADDED", "a", 3),
        event("ADDED", "b", 4),
        event("BOOKMARK", "", 5),
        event("DELETED", "a", 6),
        event("MODIFIED", "b", 7),
        event("ADDED", "c", 8),
        event("BOOKMARK", "", 8, annotations=END),
    ]
    (listed,) = await take(Server(script), 1)
    assert isinstance(listed, Listed)
    assert [(it["metadata"]["name"], it["metadata"]["resourceVersion"]) for it in listed.objects] == [
        ("b", "7"),
        ("c", "8"),
    ]


async def test_a_list_that_breaks_off_is_begun_anew_and_half_of_it_is_not_told() -> None:
    server = Server(
        [event("ADDED", "a", 3)],
        [event("ADDED", "b", 4), event("BOOKMARK", "", 5, annotations=END)],
    )
    (listed,) = await take(server, 1)
    assert names(listed) == ["b"]
    assert [asked.get("resourceVersion") for asked in server.asked] == [None, None]


async def test_a_watch_that_breaks_off_goes_on_where_it_was() -> None:
    server = Server(
        [event("BOOKMARK", "", 5, annotations=END), event("BOOKMARK", "", 8)],
        [event("DELETED", "a", 9)],
    )
    listed, gone = await take(server, 2)
    assert names(listed) == []
    assert isinstance(gone, Gone)
    assert [asked.get("resourceVersion") for asked in server.asked] == [None, "8"]


async def test_a_version_that_is_not_known_any_more_begins_anew() -> None:
    expired = {"type": "ERROR", "object": {"code": 410, "message": "too old"}}
    server = Server(
        [event("BOOKMARK", "", 5, annotations=END), expired],
        [event("ADDED", "a", 9), event("BOOKMARK", "", 9, annotations=END)],
    )
    first, second = await take(server, 2)
    assert (names(first), names(second)) == ([], ["a"])


async def test_without_streaming_lists_the_list_is_asked_for_by_itself() -> None:
    server = Server(InvalidError("sendInitialEvents is forbidden"), [event("ADDED", "b", 6)])
    server.pages = [
        {"items": [event("", "a", 3)["object"]], "metadata": {"resourceVersion": "5", "continue": "x"}},
        {"items": [event("", "c", 4)["object"]], "metadata": {"resourceVersion": "5"}},
    ]
    listed, changed = await take(server, 2)
    assert names(listed) == ["a", "c"]
    assert isinstance(changed, Changed)
    assert server.asked[-1]["resourceVersion"] == "5"


async def test_a_server_that_starts_is_asked_again_in_the_same_way() -> None:
    starting = from_status(429, "storage is (re)initializing")
    server = Server(starting, [event("ADDED", "a", 3), event("BOOKMARK", "", 5, annotations=END)])
    (listed,) = await take(server, 1)
    assert names(listed) == ["a"]
    assert "sendInitialEvents" in server.asked[-1]


async def test_a_list_that_never_ends_is_asked_for_slower_and_slower(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    begun = 0

    def delays(**_: float) -> Iterator[float]:
        nonlocal begun
        begun += 1
        return iter(float(number) for number in range(100))

    async def slept(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr(backoff, "delays", delays)
    monkeypatch.setattr(asyncio, "sleep", slept)
    whole = [event("ADDED", "a", 3), event("BOOKMARK", "", 5, annotations=END)]
    server = Server(*[[event("ADDED", "a", 3)] for _ in range(3)], whole, [event("MODIFIED", "a", 6)])
    await take(server, 2)
    # Once the list was whole the next wait is a short one again.
    assert waited == [0.0, 1.0, 2.0, 0.0]
