"""All hosts as columns, so that one decision costs microseconds whatever their number.

The World is a cache of objects, never a ledger: `put` what a Hypervisor says, `hold` what an
Assignment (or a Volume) takes, under its uid. Both may be repeated; the last word counts.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable

import numpy as np
import numpy.typing as npt

from orlop_operator.scheduling.facts import Host, Usage

Mask = npt.NDArray[np.bool_]
Scores = npt.NDArray[np.float64]

VCPUS, MEMORY, DISK = range(3)
_REMEMBERED_MASKS = 256


class World:
    """Hosts in the order of their names, and what each still has free."""

    def __init__(self, hosts: Iterable[Host] = ()) -> None:
        self._by_name: dict[str, Host] = {host.name: host for host in hosts}
        self._holds: dict[str, tuple[str, Usage]] = {}
        self._rebuild()

    def put(self, host: Host) -> None:
        """Add the host, or take over what changed about it."""
        known = self._by_name.get(host.name)
        if known == host:
            return
        self._by_name[host.name] = host
        if known is None:
            self._stale = True
        elif not self._stale:
            self._refresh(self._rows[host.name], known, host)

    def remove(self, name: str) -> None:
        """Forget the host; what is held on it stays known, in case it comes back."""
        if self._by_name.pop(name, None) is not None:
            self._stale = True

    def hold(self, uid: str, node: str, usage: Usage) -> None:
        """Object `uid` takes this much of the node; replaces what it took before."""
        if self._holds.get(uid) == (node, usage):
            return
        self.drop(uid)
        self._holds[uid] = (node, usage)
        self._take(node, usage, -1)

    def drop(self, uid: str) -> None:
        """Object `uid` takes nothing any more."""
        held = self._holds.pop(uid, None)
        if held is not None:
            self._take(*held, 1)

    @property
    def hosts(self) -> list[Host]:
        """All hosts, by name; their positions are the rows of every column."""
        self._fresh()
        return self._hosts

    @property
    def ready(self) -> Mask:
        """Which hosts are Ready."""
        self._fresh()
        return self._ready

    @property
    def cordoned(self) -> Mask:
        """Which hosts take nothing new."""
        self._fresh()
        return self._cordoned

    @property
    def free(self) -> npt.NDArray[np.int64]:
        """Rows VCPUS, MEMORY, DISK: what is not held; negative where a host is overfull."""
        self._fresh()
        return self._free

    @property
    def share(self) -> Scores:
        """Rows VCPUS, MEMORY, DISK: one over the capacity; 0 where there is none."""
        self._fresh()
        return self._share

    def row(self, name: str) -> int | None:
        """The row of this host."""
        self._fresh()
        return self._rows.get(name)

    def where(self, key: Hashable, test: Callable[[Host], bool]) -> Mask:
        """Which hosts pass `test`; remembered under `key` until a host changes. Not to be written to."""
        self._fresh()
        mask = self._masks.get(key)
        if mask is None:
            if len(self._masks) >= _REMEMBERED_MASKS:
                self._masks.clear()
            mask = np.fromiter((test(host) for host in self._hosts), np.bool_, len(self._hosts))
            self._masks[key] = mask
        return mask

    def _fresh(self) -> None:
        if self._stale:
            self._rebuild()

    def _take(self, node: str, usage: Usage, sign: int) -> None:
        row = None if self._stale else self._rows.get(node)
        if row is not None:
            self._free[:, row] += sign * np.array((usage.vcpus, usage.memory, usage.disk), np.int64)

    def _refresh(self, row: int, old: Host, new: Host) -> None:
        self._hosts[row] = new
        self._ready[row] = new.ready
        self._cordoned[row] = new.cordoned
        self._free[:, row] += _vector(new.capacity) - _vector(old.capacity)
        self._share[:, row] = _inverse(_vector(new.capacity))
        self._masks.clear()

    def _rebuild(self) -> None:
        self._hosts = [self._by_name[name] for name in sorted(self._by_name)]
        self._rows = {host.name: row for row, host in enumerate(self._hosts)}
        count = len(self._hosts)
        self._ready = np.fromiter((h.ready for h in self._hosts), np.bool_, count)
        self._cordoned = np.fromiter((h.cordoned for h in self._hosts), np.bool_, count)
        self._free = np.zeros((3, count), np.int64)
        for row, host in enumerate(self._hosts):
            self._free[:, row] = _vector(host.capacity)
        self._share = _inverse(self._free)
        self._masks: dict[Hashable, Mask] = {}
        self._stale = False
        for node, usage in self._holds.values():
            self._take(node, usage, -1)


def _vector(usage: Usage) -> npt.NDArray[np.int64]:
    return np.array((usage.vcpus, usage.memory, usage.disk), np.int64)


def _inverse(capacity: npt.NDArray[np.int64]) -> Scores:
    return np.divide(1.0, capacity, out=np.zeros(capacity.shape), where=capacity > 0)
