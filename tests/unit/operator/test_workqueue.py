"""A key that fails is tried again, however often it has failed."""

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


def test_an_image_that_failed_for_weeks_is_still_tried():
    assert retry_delay(0) < retry_delay(1)
    assert retry_delay(100_000) == LONGEST_RETRY
    by_time = 1_777_636_800_000_000
    assert (retry_delay(by_time), retry_delay(by_time + 1)) == (retry_delay(0), retry_delay(1))
