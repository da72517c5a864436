"""The Ports of one Network as they are known by now, and for whoever follows, what of it changed. Pure.

A Network may have more Ports than a node could look through at each change of one. So what follows from them is kept
by what it is asked for, each Port that comes or goes is a few entries, and who has applied all of it once needs to
look only at what those Ports have to do with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network
from typing import Generic, TypeVar
from weakref import WeakSet

from orlop_agent.network.facts import Facts, Key, facts
from orlop_agent.network.ipv6 import IpAddress
from orlop_api.port import Port

K = TypeVar("K")
V = TypeVar("V")
_FEW = 64
"""Changes that are remembered of a Network with hardly any Ports."""


class Values(Generic[K, V]):
    """What Ports say of a key: mostly one of them does, but two may for a moment."""

    def __init__(self) -> None:
        self._of: dict[K, tuple[V, ...]] = {}

    def of(self, key: K) -> tuple[V, ...]:
        return self._of.get(key, ())

    def add(self, key: K, value: V) -> None:
        self._of[key] = (*self.of(key), value)

    def drop(self, key: K, value: V) -> None:
        left = list(self.of(key))
        left.remove(value)
        if left:
            self._of[key] = tuple(left)
        else:
            del self._of[key]

    def __iter__(self) -> Iterator[K]:
        return iter(self._of)


class Follower:
    """Ports that came, went, or are not what they were, since somebody looked last."""

    def __init__(self) -> None:
        self._news: list[Facts] | None = []

    def note(self, found: Iterable[Facts], most: int) -> None:
        """More than `most` are not remembered: it is less work to look at all Ports then."""
        if self._news is not None:
            self._news += found
            if len(self._news) > most:
                self._news = None

    def take(self) -> list[Facts] | None:
        """As they were and as they are; None: look at all of them."""
        taken, self._news = self._news, []
        return taken


class Book:
    """Where several Ports say different things of one key, the same one of them holds, in whatever order they came."""

    def __init__(self) -> None:
        self._ports: dict[Key, Facts] = {}
        self._followers: WeakSet[Follower] = WeakSet()
        self._macs: Values[str, Key] = Values()
        self.hosts: Values[str, IPv4Address] = Values()
        """The node of each MAC."""
        self.neighbours: Values[IpAddress, tuple[IPv4Address, str]] = Values()
        """The node and MAC of each address."""
        self.called: Values[IpAddress, tuple[str, str]] = Values()
        """The namespace and Instance of each address."""
        self.nodes: Counter[IPv4Address] = Counter()
        """How many MACs each node has."""
        self.members: Counter[tuple[str, IpAddress]] = Counter()
        """Each SecurityGroup's addresses, by its uid."""
        self.owned: Counter[IPv4Address] = Counter()
        """Addresses of Ports in use that are in a SecurityGroup."""
        self.homes: Counter[str] = Counter()
        """Namespaces of Ports that are in a SecurityGroup."""
        self.shared: Counter[IPv4Network] = Counter()
        """What Ports may use beside their own addresses."""
        self._wrong: dict[Key, Facts] = {}

    @classmethod
    def of(cls, ports: Iterable[Port]) -> Book:
        """One of these."""
        book = cls()
        for port in ports:
            book.put(port)
        return book

    def __len__(self) -> int:
        return len(self._ports)

    def __iter__(self) -> Iterator[Key]:
        return iter(self._ports)

    @property
    def wrong(self) -> Collection[Facts]:
        """Ports that cannot be read as a whole."""
        return self._wrong.values()

    def at(self, mac: str) -> Facts | None:
        """The Port with this MAC."""
        key = max(self._macs.of(mac), default=None)
        return None if key is None else self._ports[key]

    def having(self, mac: str) -> list[Facts]:
        """All that say it is theirs."""
        return [self._ports[key] for key in self._macs.of(mac)]

    def put(self, port: Port) -> None:
        """As it is now."""
        new = facts(port)
        old = self._ports.get(new.key)
        if old != new:
            self._change(old, new)

    def remove(self, key: Key) -> None:
        """It is gone; also fine where it was not known."""
        self._change(self._ports.get(key), None)

    def replace(self, ports: Iterable[Port]) -> None:
        """These, and no others."""
        found = {(port.metadata.namespace, port.metadata.name): port for port in ports}
        for key in [key for key in self._ports if key not in found]:
            self.remove(key)
        for port in found.values():
            self.put(port)

    def follow(self) -> Follower:
        """From now on; until nobody holds it any more."""
        follower = Follower()
        self._followers.add(follower)
        return follower

    def _change(self, old: Facts | None, new: Facts | None) -> None:
        if old is not None:
            del self._ports[old.key]
            self._wrong.pop(old.key, None)
            self._count(old, -1)
            self._drop(old)
        if new is not None:
            self._ports[new.key] = new
            if new.garbled or new.unreachable or new.nameless or new.unshared:
                self._wrong[new.key] = new
            self._count(new, 1)
            self._add(new)
        changed = [each for each in (old, new) if each is not None]
        for follower in self._followers:
            follower.note(changed, 2 * len(self._ports) + _FEW)

    def _add(self, new: Facts) -> None:
        if new.mac:
            self._macs.add(new.mac, new.key)
        if new.host is not None and new.mac:
            self.hosts.add(new.mac, new.host)
            for address in new.spoken:
                self.neighbours.add(address, (new.host, new.mac))
        if new.called is not None:
            for address in new.addresses:
                self.called.add(address, (new.key[0], new.called))

    def _drop(self, old: Facts) -> None:
        if old.mac:
            self._macs.drop(old.mac, old.key)
        if old.host is not None and old.mac:
            self.hosts.drop(old.mac, old.host)
            for address in old.spoken:
                self.neighbours.drop(address, (old.host, old.mac))
        if old.called is not None:
            for address in old.addresses:
                self.called.drop(address, (old.key[0], old.called))

    def _count(self, port: Facts, by: int) -> None:
        if port.host is not None:
            _count(self.nodes, port.host, by)
        for network in port.shared:
            _count(self.shared, network, by)
        if not port.groups:
            return
        _count(self.homes, port.key[0], by)
        for uid in port.groups:
            for address in port.spoken:
                _count(self.members, (uid, address), by)
        if port.in_use:
            for owned in port.addresses:
                if isinstance(owned, IPv4Address):
                    _count(self.owned, owned, by)


NOTHING = Book()
"""Where nobody told of any; nobody writes into it."""


class Followed:
    """For one who applied what several books say, and shall apply what changed."""

    def __init__(self) -> None:
        self._books: tuple[Book, ...] = ()
        self._followers: list[Follower] | None = None

    def forget(self) -> None:
        """Nothing is applied any more."""
        self._books, self._followers = (), None

    def take(self, books: Sequence[Book]) -> list[Facts] | None:
        """What changed in these since the last time; None: look at all of them, it is the first time."""
        same = len(books) == len(self._books) and all(map(_is, books, self._books))
        if self._followers is None or not same:
            self._books, self._followers = tuple(books), [book.follow() for book in books]
            return None
        taken = [follower.take() for follower in self._followers]
        news: list[Facts] = []
        for found in taken:
            if found is None:
                return None
            news += found
        return news


def _is(one: Book, other: Book) -> bool:
    return one is other


def _count(counter: Counter[K], key: K, by: int) -> None:
    counter[key] += by
    if not counter[key]:
        del counter[key]
