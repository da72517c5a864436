"""Busy is alive, however long the queue or the first list; hung is not."""

import msgspec
import pytest

from orlop_operator.health import LONGEST_SILENCE, LONGEST_STALL, Vitals
from orlop_operator.kinds import FLAVOR
from orlop_operator.replica import Replica
from orlop_operator.reviews import Reviews
from orlop_operator.settings import Settings
from orlop_operator.workqueue import WorkQueue


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
async def queue(clock):
    made: WorkQueue[int] = WorkQueue()
    made._clock, made._moved = clock, clock.now
    made.open()
    return made


def vitals(queue, silence=0.0):
    return Vitals(True, True, silence, len(queue), queue.oldest(), queue.stalled(), 0, Reviews(lambda: 0.0))


async def test_a_long_queue_that_is_worked_off_is_alive(queue, clock):
    for n in range(1000):
        queue.add(n)
    for n in range(900):
        assert await queue.take() == n
        clock.now += 1
        queue.done(n)
    assert queue.oldest() > LONGEST_STALL
    assert vitals(queue).alive


@pytest.mark.parametrize("end", [WorkQueue.done, WorkQueue.failed])
async def test_looks_that_do_not_end_are_a_stall_as_soon_as_others_wait(queue, clock, end):
    queue.add(1)
    assert await queue.take() == 1
    clock.now += LONGEST_STALL
    queue.add(2)
    assert vitals(queue).alive, "nobody has waited yet"
    clock.now += LONGEST_STALL
    assert not vitals(queue).alive
    end(queue, 1)
    assert vitals(queue).alive


async def test_workers_that_are_gone_are_a_stall(queue, clock):
    clock.now += 2 * LONGEST_STALL
    queue.add(1)
    assert vitals(queue).alive
    clock.now += LONGEST_STALL
    assert not vitals(queue).alive


class Slow:
    """An API server that needs a minute for each page, of which there are many."""

    writes = 0

    def __init__(self, clock, pages):
        self._clock, self._pages = clock, pages

    async def pages(self, _kind):
        for n in range(1, self._pages + 1):
            self._clock.now += 60
            spec = {"vcpus": 1, "memory": "1Gi", "rootDisk": "1Gi"}
            meta = {"name": f"f-{n}", "uid": f"u-{n}", "resourceVersion": str(n)}
            yield [msgspec.Raw(msgspec.json.encode({"metadata": meta, "spec": spec}))], 9


async def test_a_first_list_that_moves_is_alive_however_long_it_takes(clock):
    replica = Replica(Settings(webhook="Disabled"), Slow(clock, 10))
    replica._clock = clock
    replica._heard = clock.now
    await replica._list(FLAVOR)
    assert replica.vitals().alive
    clock.now += LONGEST_SILENCE
    assert not replica.vitals().alive, "nothing was heard since the last page"
