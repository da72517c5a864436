"""Keys that want a look: one key never twice at once, coalesced, and tried again after an error.

As client-go's workqueue: a key that is added while it is worked on is looked at once more right after. The
clock is the event loop's. Each namespace has its turn after every other one's, however many keys it has, and never
all workers.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random
import sys
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

FIRST_DELAY = 0.1
LONGEST_DELAY = 30.0
_DOUBLINGS = 16
"""More than it takes to get from the first delay to the longest; a power of any count would overflow."""

K = TypeVar("K", bound=Hashable)


class Turns(Generic[K]):
    """Keys that are due, with the time since when: in each party's own order, and parties by turns.

    Of a party at most so many keys are out at a time: who has more to do than all workers together leaves some to
    others, which else would wait until one of its looks ends. Every call but `oldest` costs the same however many there
    are.
    """

    def __init__(self, party: Callable[[K], Hashable], at_most: int) -> None:
        self._party = party
        self._at_most = at_most
        # Ordered dicts, for a plain one that lost its first keys is searched from where they were.
        self._parties: OrderedDict[Hashable, OrderedDict[K, float]] = OrderedDict()
        self._full: dict[Hashable, OrderedDict[K, float]] = {}
        """Parties that have as many out as they may, with what they have due."""
        self._out: Counter[Hashable] = Counter()
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, key: K, since: float) -> bool:
        """At the end of its party's; False where it is there already."""
        party = self._party(key)
        keys = self._full[party] if party in self._full else self._parties.setdefault(party, OrderedDict())
        if key in keys:
            return False
        keys[key] = since
        self._count += 1
        return True

    def available(self) -> bool:
        """Whether there is one whose party may have another one out."""
        return bool(self._parties)

    def pop(self) -> K:
        """The first key of the party whose turn it is, the last to have another one. It is out until `back`."""
        party, keys = self._parties.popitem(last=False)
        key, _ = keys.popitem(last=False)
        self._out[party] += 1
        if self._out[party] >= self._at_most:
            self._full[party] = keys
        elif keys:
            self._parties[party] = keys
        self._count -= 1
        return key

    def back(self, key: K) -> None:
        """Another one of its party may be out."""
        party = self._party(key)
        self._out[party] -= 1
        if not self._out[party]:
            del self._out[party]
        if keys := self._full.pop(party, None):
            self._parties[party] = keys

    def clear(self) -> None:
        """Forget what is due; what is out stays out until it is back."""
        self._parties.clear()
        for keys in self._full.values():
            keys.clear()
        self._count = 0

    def oldest(self) -> float | None:
        """Since when the key that waits longest does."""
        return min(
            (since for keys in (*self._parties.values(), *self._full.values()) for since in keys.values()),
            default=None,
        )


class WorkQueue(Generic[K]):
    """Keys in the order in which they were added; parties (namespaces) have their turns one after the other."""

    def __init__(self, party: Callable[[K], Hashable] = lambda _: None, at_most: int = sys.maxsize) -> None:
        """A party has at most so many keys worked on at a time."""
        self._clock = asyncio.get_running_loop().time
        self._waiting = Turns(party, at_most)
        self._working: set[K] = set()
        self._again: dict[K, float] = {}
        """Keys that were added while they were worked on."""
        self._later: list[tuple[float, int, K]] = []
        self._due: dict[K, float] = {}
        """The earliest time of each key in `_later`; other entries there are void."""
        self._failures: dict[K, int] = {}
        self._number = itertools.count()
        self._changed = asyncio.Event()
        self._moved = self._clock()
        """When a key was taken, or its look ended, for the last time."""
        self._open = False

    def open(self) -> None:
        """From now on keys are taken; before, whoever adds one is not heard."""
        self._open = True

    def close(self) -> None:
        """Forget every key, and take none until `open`."""
        self._open = False
        self._waiting.clear()
        self._again.clear()
        self._later.clear()
        self._due.clear()
        self._failures.clear()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._working)

    def add(self, key: K, delay: float = 0.0) -> None:
        """Look at the key now, or in `delay` seconds; the earlier wish counts."""
        if not self._open:
            return
        now = self._clock()
        if delay > 0:
            if self._due.get(key, float("inf")) > now + delay:
                self._due[key] = now + delay
                heapq.heappush(self._later, (now + delay, next(self._number), key))
                self._changed.set()
            return
        if key in self._working:
            self._again.setdefault(key, now)
        elif self._waiting.add(key, now):
            self._changed.set()

    async def take(self) -> K:
        """The next key; whoever took it calls `done` or `failed`."""
        # A look that finds nothing to do waits for nothing: a hundred thousand in a row, and no Lease would be renewed.
        await asyncio.sleep(0)
        while True:
            wait = self._promote()
            if self._waiting.available():
                key = self._waiting.pop()
                self._working.add(key)
                self._moved = self._clock()
                if self._waiting.available():
                    self._changed.set()
                return key
            self._changed.clear()
            try:
                await asyncio.wait_for(self._changed.wait(), wait)
            except TimeoutError:
                continue

    def done(self, key: K) -> None:
        """The key was looked at; what was added meanwhile is due again."""
        self._failures.pop(key, None)
        self._finish(key)

    def failed(self, key: K) -> float:
        """The look ended in an error: try again after a growing, jittered delay, which is returned."""
        count = self._failures.get(key, 0)
        self._failures[key] = count + 1
        longest = min(FIRST_DELAY * 2.0 ** min(count, _DOUBLINGS), LONGEST_DELAY)
        delay = longest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter
        self._finish(key)
        self.add(key, delay)
        return delay

    def oldest(self) -> float:
        """Seconds for which the oldest due key has waited; 0 where none waits."""
        since = self._waiting.oldest()
        return self._clock() - since if since is not None else 0.0

    def stalled(self) -> float:
        """Seconds for which keys have waited and nobody took one or ended a look; a long queue alone is no stall."""
        return min(self.oldest(), self._clock() - self._moved)

    def _finish(self, key: K) -> None:
        self._moved = self._clock()
        self._working.discard(key)
        self._waiting.back(key)
        since = self._again.pop(key, None)
        if since is not None:
            self._waiting.add(key, since)
        if self._waiting.available():
            self._changed.set()

    def _promote(self) -> float | None:
        """Move what has become due; seconds until the next, None where there is none."""
        now = self._clock()
        while self._later:
            at, _, key = self._later[0]
            if self._due.get(key) != at:
                heapq.heappop(self._later)
            elif at <= now:
                heapq.heappop(self._later)
                del self._due[key]
                self.add(key)
            else:
                return at - now
        return None
