"""What the operator knows of the cluster: typed objects and a few indexes, filled by lists and watch events.

It is a cache. "Does not exist" may be said from it once it was filled; whatever must be exact is read from
the API server again. Our own writes enter it with their answers, so that the next look sees them.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar, cast

from orlop_api.assignment import ASSIGNMENT_NAMESPACE, Assignment
from orlop_api.claim import CLAIM_NAMESPACE, Claim
from orlop_api.volume import Volume
from orlop_operator.kinds import ASSIGNMENT, CLAIM, PORT, VOLUME, WATCHED, Kind, M, Object, OwnedPort
from orlop_operator.references import references

_REMEMBERED_DEAD = 4096

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")


class Key(NamedTuple):
    """Names one object; also what is put on the work queue."""

    kind: str
    namespace: str
    name: str


@dataclass(frozen=True)
class Change:
    """What an observation changed; `new` is None for a deletion."""

    kind: str
    old: Object | None
    new: Object | None

    @property
    def key(self) -> Key:
        """The object's key."""
        some = self.new or self.old
        if some is None:
            raise AssertionError
        return key_of(self.kind, some)


Listener = Callable[[Change], None]


def key_of(kind: str, thing: Object) -> Key:
    """The key of an object."""
    return Key(kind, thing.metadata.namespace, thing.metadata.name)


def version(thing: Object) -> int:
    """The resourceVersion as a number: the API guarantees since 1.35 that it orders versions of an object."""
    return int(thing.metadata.resource_version or 0)


class Store:
    """All objects of all watched kinds."""

    def __init__(self, listener: Listener = lambda _: None) -> None:
        self._tables: dict[str, dict[tuple[str, str], Object]] = {kind.name: {} for kind in WATCHED}
        self._within: defaultdict[tuple[str, str], dict[str, Object]] = defaultdict(dict)
        """By kind and namespace, and then by name."""
        self._dead: OrderedDict[str, None] = OrderedDict()
        """Uids that are gone: a late answer about one must not bring it back."""
        self._dependents: defaultdict[Key, set[Key]] = defaultdict(set)
        self._by_uid: dict[str, Key] = {}
        self._claims: defaultdict[str, dict[str, Claim]] = defaultdict(dict)
        self._holdings: defaultdict[str, dict[str, Claim]] = defaultdict(dict)
        self._nodes: defaultdict[str, set[str]] = defaultdict(set)
        self._owned: defaultdict[str, set[Key]] = defaultdict(set)
        self._bound: defaultdict[str, set[Key]] = defaultdict(set)
        self._attached: defaultdict[str, set[Key]] = defaultdict(set)
        self._listener = listener

    def get(self, kind: Kind[M], namespace: str, name: str) -> M | None:
        """The object as last seen."""
        return cast("M | None", self._tables[kind.name].get((namespace, name)))

    def all(self, kind: Kind[M]) -> Iterable[M]:
        """All objects of the kind; not to be kept over an await."""
        return cast("Iterable[M]", self._tables[kind.name].values())

    def within(self, kind: Kind[M], namespace: str) -> Iterable[M]:
        """Those of one namespace, however many there are in others; not to be kept over an await."""
        return cast("Iterable[M]", self._within.get((kind.name, namespace), {}).values())

    def everything(self) -> Iterator[Key]:
        """The keys of everything."""
        for kind, table in self._tables.items():
            for namespace, name in table:
                yield Key(kind, namespace, name)

    def by_uid(self, uid: str) -> Key | None:
        """The key of the object with this uid."""
        return self._by_uid.get(uid)

    def is_dead(self, uid: str) -> bool:
        """Whether the object was there, and is gone; False also where that was long ago."""
        return uid in self._dead

    def dependents(self, key: Key) -> frozenset[Key]:
        """Objects that refer to this one by name, whether it exists or not."""
        return frozenset(self._dependents.get(key, ()))

    def claims_of_network(self, uid: str) -> dict[str, Claim]:
        """Claim name to Claim, of one Network (its segment's too)."""
        return self._claims.get(uid, {})

    def claims_of_holder(self, uid: str) -> dict[str, Claim]:
        """Claim name to Claim, held by the Network, Port or Instance with this uid."""
        return self._holdings.get(uid, {})

    def claim(self, name: str) -> Claim | None:
        """The Claim of this name."""
        return self.get(CLAIM, CLAIM_NAMESPACE, name)

    def assignments_on(self, node: str) -> list[Assignment]:
        """Assignments that are bound to the node."""
        found = (self.get(ASSIGNMENT, ASSIGNMENT_NAMESPACE, name) for name in self._nodes.get(node, ()))
        return [assignment for assignment in found if assignment is not None]

    def assignment_of(self, instance_uid: str) -> Assignment | None:
        """The Instance's Assignment."""
        return self.get(ASSIGNMENT, ASSIGNMENT_NAMESPACE, instance_uid)

    def ports_of(self, instance_uid: str) -> list[OwnedPort]:
        """Ports that Orlop made for the Instance."""
        found = (self.get(PORT, key.namespace, key.name) for key in self._owned.get(instance_uid, ()))
        return [port for port in found if port is not None]

    def ports_bound_to(self, instance_uid: str) -> list[OwnedPort]:
        """Ports of users that are bound to the Instance, whether it lists them or not."""
        found = (self.get(PORT, key.namespace, key.name) for key in self._bound.get(instance_uid, ()))
        return [port for port in found if port is not None]

    def volumes_of(self, instance_uid: str) -> list[Volume]:
        """Volumes that are attached to the Instance, whether it lists them or not."""
        found = (self.get(VOLUME, key.namespace, key.name) for key in self._attached.get(instance_uid, ()))
        return [volume for volume in found if volume is not None]

    def is_known(self, kind: Kind[M], body: dict[str, Any]) -> bool:
        """Whether this version of the object, or a later one, was seen: most events tell of our own writes.

        They are not worth parsing, which costs more than all else that becomes of an event.
        """
        meta = body["metadata"]
        known = self._tables[kind.name].get((meta.get("namespace", ""), meta["name"]))
        return (
            known is not None
            and known.metadata.uid == meta["uid"]
            and version(known) >= int(meta["resourceVersion"])
        )

    def observe(self, kind: Kind[M], thing: M) -> bool:
        """Take over a newer version; False for one that is older, the same, or of a dead object."""
        key = key_of(kind.name, thing)
        old = self._tables[kind.name].get((key.namespace, key.name))
        if thing.metadata.uid in self._dead:
            return False
        if old is not None and version(old) >= version(thing):
            return False
        if old is not None and old.metadata.uid != thing.metadata.uid:
            self._bury(old.metadata.uid)
        self._replace(Change(kind.name, old, thing))
        return True

    def remove(self, kind: Kind[M], namespace: str, name: str, uid: str) -> bool:
        """The object with this uid is gone; False where that was known, or another has its name."""
        self._bury(uid)
        old = self._tables[kind.name].get((namespace, name))
        if old is None or old.metadata.uid != uid:
            return False
        self._replace(Change(kind.name, old, None))
        return True

    def reset(self, kind: Kind[M], things: Iterable[M], since: int) -> None:
        """Take over a whole list: what is not in it is gone, unless it was seen after `since`."""
        listed = {(thing.metadata.namespace, thing.metadata.name): thing for thing in things}
        for name, old in list(self._tables[kind.name].items()):
            if name not in listed and version(old) <= since:
                self.remove(kind, *name, old.metadata.uid)
        for thing in listed.values():
            self.observe(kind, thing)

    def _bury(self, uid: str) -> None:
        self._dead[uid] = None
        if len(self._dead) > _REMEMBERED_DEAD:
            self._dead.popitem(last=False)

    def _replace(self, change: Change) -> None:
        key = change.key
        table = self._tables[change.kind]
        if change.old is not None:
            self._unindex(key, change.old)
        if change.new is None:
            table.pop((key.namespace, key.name), None)
            _forget(self._within, (key.kind, key.namespace), key.name)
        else:
            table[key.namespace, key.name] = change.new
            self._within[key.kind, key.namespace][key.name] = change.new
            self._index(key, change.new)
        self._listener(change)

    def _index(self, key: Key, thing: Object) -> None:
        self._by_uid[thing.metadata.uid] = key
        for reference in references(thing):
            self._dependents[Key(*reference)].add(key)
        if isinstance(thing, Claim):
            self._claims[thing.spec.network_uid][key.name] = thing
            if thing.is_held:
                self._holdings[thing.spec.holder.uid][key.name] = thing
        elif isinstance(thing, Assignment) and thing.spec.node_name:
            self._nodes[thing.spec.node_name].add(key.name)
        elif isinstance(thing, OwnedPort) and thing.owner_uid:
            self._owned[thing.owner_uid].add(key)
        elif isinstance(thing, OwnedPort) and (user := _user(thing)) is not None:
            self._bound[user].add(key)
        elif isinstance(thing, Volume):
            for holder in _holders(thing):
                self._attached[holder].add(key)

    def _unindex(self, key: Key, thing: Object) -> None:
        self._by_uid.pop(thing.metadata.uid, None)
        for reference in references(thing):
            _discard(self._dependents, Key(*reference), key)
        if isinstance(thing, Claim):
            _forget(self._claims, thing.spec.network_uid, key.name)
            _forget(self._holdings, thing.spec.holder.uid, key.name)
        elif isinstance(thing, Assignment) and thing.spec.node_name:
            _discard(self._nodes, thing.spec.node_name, key.name)
        elif isinstance(thing, OwnedPort) and thing.owner_uid:
            _discard(self._owned, thing.owner_uid, key)
        elif isinstance(thing, OwnedPort) and (user := _user(thing)) is not None:
            _discard(self._bound, user, key)
        elif isinstance(thing, Volume):
            for holder in _holders(thing):
                _discard(self._attached, holder, key)


def _user(port: OwnedPort) -> str | None:
    """Uid of the Instance that the Port is bound to."""
    return port.status.binding.instance_uid if port.status and port.status.binding else None


def _holders(volume: Volume) -> set[str]:
    """Uids of the Instances that the Volume is attached to."""
    return {held.instance_uid for held in volume.status.attachments} if volume.status else set()


def _discard(index: dict[A, set[B]], at: A, item: B) -> None:
    found = index.get(at, set())
    found.discard(item)
    if not found:
        index.pop(at, None)


def _forget(index: dict[A, dict[B, C]], at: A, item: B) -> None:
    found = index.get(at, {})
    found.pop(item, None)
    if not found:
        index.pop(at, None)
