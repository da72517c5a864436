"""A key that fails is tried again, however often it has failed; and no namespace waits for all of another's."""

import asyncio
import time
from collections import Counter

from orlop_operator.reconcile.imports import LONGEST_RETRY, retry_delay
from orlop_operator.workqueue import LONGEST_DELAY, WorkQueue


async def test_the_back_off_has_an_end_and_never_overflows():
    queue: WorkQueue[str] = WorkQueue()
    queue.open()
    queue.add("a")
    delays = []
    for _ in range(3000):
        queue.add("a")
        assert await queue.take() == "a"
        delays.append(queue.failed("a"))
    assert delays[0] <= 0.1
    assert LONGEST_DELAY / 2 <= delays[-1] <= LONGEST_DELAY


async def test_others_have_their_turn_between_two_keys_however_many_are_due():
    queue: WorkQueue[int] = WorkQueue()
    queue.open()
    for n in range(100):
        queue.add(n)
    heard: list[int] = []

    async def renew() -> None:
        while len(queue):
            heard.append(len(queue))
            await asyncio.sleep(0)

    renewing = asyncio.create_task(renew())
    for _ in range(100):
        queue.done(await queue.take())
    await renewing
    assert len(heard) >= 100


def by_namespace() -> WorkQueue[tuple[str, int]]:
    queue: WorkQueue[tuple[str, int]] = WorkQueue(party=lambda key: key[0])
    queue.open()
    return queue


async def test_a_namespace_has_its_turn_after_one_key_of_each_other_one():
    queue = by_namespace()
    for n in range(1000):
        queue.add(("a", n))
    assert await queue.take() == ("a", 0)
    queue.add(("b", 0))
    queue.add(("b", 1))
    queue.add(("c", 0))
    taken = [await queue.take() for _ in range(6)]
    assert taken == [("a", 1), ("b", 0), ("c", 0), ("a", 2), ("b", 1), ("a", 3)]


async def test_a_namespace_never_has_all_workers():
    queue: WorkQueue[tuple[str, int]] = WorkQueue(party=lambda key: key[0], at_most=2)
    queue.open()
    for n in range(10):
        queue.add(("a", n))
    assert [await queue.take(), await queue.take()] == [("a", 0), ("a", 1)]
    third = asyncio.create_task(queue.take())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not third.done()
    queue.add(("b", 0))
    assert await third == ("b", 0)
    waiting = asyncio.create_task(queue.take())
    queue.add(("a", 0))
    queue.add(("a", 0))
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.done(("a", 0))
    assert await waiting == ("a", 2), "who changed while it was looked at comes after those who waited before"
    assert len(queue) == 8 + 3
    assert queue.oldest() > 0
    queue.done(("a", 1))
    queue.done(("a", 2))
    queue.done(("b", 0))
    left = [await queue.take(), await queue.take()]
    for key in left:
        queue.done(key)
    assert left == [("a", 3), ("a", 4)]


async def test_what_is_out_when_the_queue_closes_still_counts_until_it_is_back():
    queue: WorkQueue[tuple[str, int]] = WorkQueue(party=lambda key: key[0], at_most=1)
    queue.open()
    queue.add(("a", 0))
    queue.add(("a", 1))
    assert await queue.take() == ("a", 0)
    queue.close()
    assert len(queue) == 1
    queue.open()
    queue.add(("a", 2))
    waiting = asyncio.create_task(queue.take())
    await asyncio.sleep(0)
    assert not waiting.done()
    queue.done(("a", 0))
    assert await waiting == ("a", 2)


async def test_who_looks_at_the_same_keys_again_and_again_does_not_shut_others_out():
    queue = by_namespace()
    for n in range(10):
        queue.add(("busy", n))
        queue.add(("calm", n))
    seen: Counter[str] = Counter()
    for _ in range(20):
        key = await queue.take()
        seen[key[0]] += 1
        if key[0] == "busy":
            queue.add(key)  # changed while it was looked at
        queue.done(key)
    assert seen == {"busy": 10, "calm": 10}


async def test_a_key_waits_once_and_the_oldest_counts():
    queue = by_namespace()
    for _ in range(3):
        queue.add(("a", 1))
    assert len(queue) == 1
    assert queue.oldest() >= 0.0
    assert await queue.take() == ("a", 1)
    assert (len(queue), queue.oldest()) == (1, 0.0)
    queue.done(("a", 1))
    assert len(queue) == 0


async def test_closing_forgets_every_turn():
    queue = by_namespace()
    queue.add(("a", 1))
    queue.close()
    queue.open()
    queue.add(("b", 1))
    assert await queue.take() == ("b", 1)
    assert len(queue) == 1


async def test_a_key_costs_the_same_however_many_wait():
    async def seconds(count: int) -> float:
        queue = by_namespace()
        began = time.perf_counter()
        for n in range(count):
            queue.add((str(n % 7), n))
        for _ in range(count):
            queue.done(await queue.take())
        return (time.perf_counter() - began) / count

    few = min([await seconds(1000) for _ in range(3)])
    many = min([await seconds(30_000) for _ in range(3)])
    assert many < 5 * few, "a list that is searched from its start would cost thirty times as much"


def test_an_image_that_failed_for_weeks_is_still_tried():
    assert retry_delay(0) < retry_delay(1)
    assert retry_delay(100_000) == LONGEST_RETRY
    by_time = 1_777_636_800_000_000
    assert (retry_delay(by_time), retry_delay(by_time + 1)) == (retry_delay(0), retry_delay(1))
