"""All hosts as columns, so that one decision costs microseconds whatever their number.

The World is a cache of objects, never a ledger: `put` what a Hypervisor says, `hold` what an
Assignment (or a Volume) takes, under its uid. Both may be repeated; the last word counts.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from orlop_operator.scheduling.columns import Columns, Whole, inserted
from orlop_operator.scheduling.facts import Host, Usage
from orlop_operator.scheduling.tally import Tally

Mask = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.float64]
Column = npt.NDArray[np.int64]

VCPUS, MEMORY, DISK = range(3)
_N = TypeVar("_N", np.int64, np.float64)
_ONE_BY_ONE = 16
"""Up to so many new hosts are put between the others; more are cheaper to sort in all together."""


class World:
    """Hosts in the order of their names, and what each still has free."""

    def __init__(self, hosts: Iterable[Host] = ()) -> None:
        self._by_name: dict[str, Host] = {host.name: host for host in hosts}
        self._added: set[str] = set()
        """Hosts that are in no column yet."""
        self._holds: dict[str, tuple[str, Usage]] = {}
        self._used: dict[str, npt.NDArray[np.int64]] = {}
        """The sum of the holds by node, whether it is known or not."""
        self._columns = Columns()
        self._names: list[str] = []
        self._free: npt.NDArray[np.int64] = np.zeros((3, 0), np.int64)
        self._room: Scores = np.zeros((3, 0))
        self._capacity: Scores = np.zeros((3, 0))
        self._blames, self._busy = Tally(self._known), Tally(self._known)
        self._rebuild()

    def put(self, host: Host) -> None:
        """Add the host, or take over what changed about it."""
        known = self._by_name.get(host.name)
        if known == host:
            return
        self._by_name[host.name] = host
        if known is None:
            self._added.add(host.name)
        elif host.name not in self._added:
            self._refresh(self._row(host.name), host)

    def remove(self, name: str) -> None:
        """Forget the host; what is held on it stays known, in case it comes back."""
        if self._by_name.pop(name, None) is None:
            return
        if name in self._added:
            self._added.discard(name)
        else:
            self._cut(self._row(name))

    def hold(self, uid: str, node: str, usage: Usage) -> None:
        """Object `uid` takes this much of the node; replaces what it took before."""
        if self._holds.get(uid) == (node, usage):
            return
        self.drop(uid)
        self._holds[uid] = (node, usage)
        self._take(node, _vector(usage))

    def drop(self, uid: str) -> None:
        """Object `uid` takes nothing any more."""
        held = self._holds.pop(uid, None)
        if held is not None:
            self._take(held[0], -_vector(held[1]))

    def node_of(self, uid: str) -> str | None:
        """The node that object `uid` takes something of."""
        held = self.held_by(uid)
        return held[0] if held is not None else None

    def held_by(self, uid: str) -> tuple[str, Usage] | None:
        """What object `uid` takes, and of which node."""
        return self._holds.get(uid)

    def blame(self, uid: str, node: str | None) -> None:
        """Object `uid` failed on the node; None: it did not, or does no more."""
        self._blames.put(uid, node)

    def occupy(self, uid: str, node: str | None, count: int = 1) -> None:
        """Object `uid` keeps the node busy with so many things; None: it does not, or does no more."""
        self._busy.put(uid, node, count)

    @property
    def hosts(self) -> list[Host]:
        """All hosts, by name; their positions are the rows of every column."""
        self._fresh()
        return self._hosts

    @property
    def every(self) -> Mask:
        """All hosts. A filter that cannot reject anyone gives this very array, and costs nothing."""
        self._fresh()
        return self._every

    @property
    def nothing(self) -> Scores:
        """Zero for each host. A weight that makes no difference gives this very array, and costs nothing."""
        self._fresh()
        return self._nothing

    @property
    def ready(self) -> Mask:
        """Which hosts are Ready."""
        return self.where("ready", lambda host: host.ready)

    @property
    def cordoned(self) -> Mask:
        """Which hosts take nothing new."""
        return self.where("cordoned", lambda host: host.cordoned)

    @property
    def free(self) -> npt.NDArray[np.int64]:
        """Rows VCPUS, MEMORY, DISK: what is not held; negative where a host is overfull."""
        self._fresh()
        return self._free

    @property
    def room(self) -> Scores:
        """The same as floating point numbers, exact below 2⁵³."""
        self._fresh()
        return self._room

    @property
    def capacity(self) -> Scores:
        """Rows VCPUS, MEMORY, DISK: what there is in all; infinite where there is none, for shares of it."""
        self._fresh()
        return self._capacity

    @property
    def failed(self) -> Scores:
        """How many objects have failed on each host, and are still there."""
        self._fresh()
        return self._blames.column

    @property
    def busy(self) -> Tally:
        """How many things each host is busy with."""
        self._fresh()
        return self._busy

    def row(self, name: str) -> int | None:
        """The row of this host."""
        self._fresh()
        return self._known(name)

    def raised(self, column: npt.NDArray[_N], by: Mapping[str, int]) -> npt.NDArray[_N]:
        """The column, which is the caller's own, with so much more for these hosts."""
        for node, amount in by.items():
            row = self.row(node)
            if row is not None:
                column[row] += amount
        return column

    def where(self, key: Hashable, test: Callable[[Host], bool], whole: Whole = None) -> Mask:
        """Which hosts pass `test`; remembered under `key`. Not to be written to.

        `whole` says the same of all hosts at once, where there is a quicker way to begin with.
        """
        return self._columns.get(key, test, np.bool_, self.hosts, whole)

    def numbers(self, key: Hashable, number: Callable[[Host], float], whole: Whole = None) -> Scores:
        """A number of each host; remembered under `key`. Not to be written to."""
        return self._columns.get(key, number, np.float64, self.hosts, whole)

    def labeled(self, label: str, test: Callable[[str | None], bool]) -> Mask:
        """Which hosts have a value of the label that passes; each different value is tested once."""
        return self._columns.labeled(label, test, self.hosts)

    def _fresh(self) -> None:
        if not self._added:
            return
        if len(self._added) > _ONE_BY_ONE:
            self._rebuild()
            return
        for name in self._added:
            self._insert(self._by_name[name])
        self._added.clear()

    def _row(self, name: str) -> int:
        return bisect_left(self._names, name)

    def _known(self, name: str) -> int | None:
        row = self._row(name)
        return row if row < len(self._names) and self._names[row] == name else None

    def _take(self, node: str, taken: npt.NDArray[np.int64]) -> None:
        known = self._used.get(node)
        if known is None:
            self._used[node] = taken
        else:
            known += taken
        row = self._known(node)
        if row is not None:
            self._free[:, row] -= taken
            self._room[:, row] = self._free[:, row]

    def _left(self, host: Host) -> npt.NDArray[np.int64]:
        used = self._used.get(host.name)
        whole = _vector(host.capacity)
        return whole if used is None else whole - used

    def _refresh(self, row: int, host: Host) -> None:
        self._hosts[row] = host
        self._room[:, row] = self._free[:, row] = self._left(host)
        self._capacity[:, row] = _divisor(_vector(host.capacity))
        self._columns.change(row, host)

    def _insert(self, host: Host) -> None:
        row = self._row(host.name)
        self._names.insert(row, host.name)
        self._hosts.insert(row, host)
        self._free = inserted(self._free, row, self._left(host))
        self._capacity = inserted(self._capacity, row, _divisor(_vector(host.capacity)))
        self._blames.insert(row, host.name)
        self._busy.insert(row, host.name)
        self._columns.insert(row, host)
        self._resize()

    def _cut(self, row: int) -> None:
        del self._names[row], self._hosts[row]
        self._free = np.delete(self._free, row, axis=1)
        self._capacity = np.delete(self._capacity, row, axis=1)
        self._blames.cut(row)
        self._busy.cut(row)
        self._columns.cut(row)
        self._resize()

    def _rebuild(self) -> None:
        self._names = sorted(self._by_name)
        self._hosts = [self._by_name[name] for name in self._names]
        count = len(self._hosts)
        whole = np.fromiter(
            (amount for h in self._hosts for amount in _amounts(h.capacity)), np.int64, 3 * count
        )
        whole = np.ascontiguousarray(whole.reshape(count, 3).T)
        self._capacity = _divisor(whole)
        self._free = whole.copy()
        for row, name in enumerate(self._names):
            if name in self._used:
                self._free[:, row] -= self._used[name]
        self._blames.rebuild(self._names)
        self._busy.rebuild(self._names)
        self._columns.clear()
        self._added.clear()
        self._resize()

    def _resize(self) -> None:
        self._room = self._free.astype(np.float64)
        self._every = np.ones(len(self._hosts), np.bool_)
        self._nothing = np.zeros(len(self._hosts))
        self._every.flags.writeable = False
        self._nothing.flags.writeable = False


def _amounts(usage: Usage) -> tuple[int, int, int]:
    return usage.vcpus, usage.memory, usage.disk


def _vector(usage: Usage) -> npt.NDArray[np.int64]:
    return np.array(_amounts(usage), np.int64)


def _divisor(capacity: npt.NDArray[np.int64]) -> Scores:
    return np.where(capacity > 0, capacity, np.inf)
