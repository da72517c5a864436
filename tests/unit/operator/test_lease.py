"""A leader that cannot renew steps down before anybody else may lead."""

import asyncio
import selectors

import pytest

from orlop_operator import errors
from orlop_operator.kinds import LEASE
from orlop_operator.lease import DURATION, RENEW_DEADLINE, RETRY, Election


class Leases:
    """An API server with the Lease; `hold` seconds pass between a write and its answer, `lost` takes all requests."""

    def __init__(self, clock, hold=0.0, *, fails=None):
        self._clock, self._hold, self._fails = clock, hold, fails
        self._version = 0
        self.written = 0.0
        self.lost = False

    async def _meet(self):
        if self.lost and self._fails is not None:
            raise self._fails
        if self.lost:
            await asyncio.Event().wait()

    async def get(self, _kind, namespace, name):
        await self._meet()
        return self._lease(namespace, name)

    async def patch(self, _kind, lease, _change):
        await self._meet()
        self._version += 1
        self.written = self._clock()
        await asyncio.sleep(self._hold)
        return self._lease(lease.metadata.namespace, lease.metadata.name)

    def _lease(self, namespace, name):
        meta = {"namespace": namespace, "name": name, "uid": "u", "resourceVersion": str(self._version)}
        return LEASE.parse({"metadata": meta, "spec": {"holderIdentity": "one"}})


class Waits(selectors.DefaultSelector):
    """Time passes only where everybody waits, and then at once."""

    now = 0.0

    def select(self, timeout=None):
        self.now += timeout or 0.0
        return super().select(timeout and 0)


class Jumping(asyncio.SelectorEventLoop):
    def __init__(self):
        self.waits = Waits()
        super().__init__(self.waits)

    def time(self):
        return self.waits.now


async def lead(hold, fails, jitter):
    """Seconds between the last write of the Lease and the step down, and how often it led and followed."""
    clock = asyncio.get_running_loop().time
    leases = Leases(clock, hold, fails=fails)
    heard = []
    election = Election(
        leases,
        "orlop-system",
        "one",
        lead=lambda: heard.append(("lead", clock())),
        follow=lambda: heard.append(("follow", clock())),
    )
    running = asyncio.create_task(election.run())
    await asyncio.sleep(60 + jitter)
    assert [what for what, _ in heard] == ["lead"], "a renewal in time keeps it"
    leases.lost = True
    await asyncio.sleep(60)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert [what for what, _ in heard] == ["lead", "follow"]
    return heard[1][1] - leases.written


@pytest.mark.parametrize("fails", [None, errors.UnavailableError("refused")], ids=["hangs", "refuses"])
@pytest.mark.parametrize("hold", [0.0, 4.5])
@pytest.mark.parametrize("jitter", [0.0, 0.7, 1.9, 3.1, 4.3])
def test_it_steps_down_within_the_deadline(hold, fails, jitter):
    with asyncio.Runner(loop_factory=Jumping) as runner:
        late = runner.run(lead(hold, fails, jitter))
    assert RENEW_DEADLINE - RETRY - hold <= late <= RENEW_DEADLINE + 0.01 < DURATION
