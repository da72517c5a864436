"""What the operator knows of the cluster: typed objects and a few indexes, filled by lists and watch events.

It is a cache. "Does not exist" may be said from it once it was filled; whatever must be exact is read from
the API server again. Our own writes enter it with their answers, so that the next look sees them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from sys import intern
from typing import Any, TypeVar, cast

from orlop_api.assignment import ASSIGNMENT_NAMESPACE, Assignment
from orlop_api.claim import CLAIM_NAMESPACE, Claim
from orlop_api.instance import Instance
from orlop_api.volume import Volume
from orlop_operator.claims import ClaimRows, Claims
from orlop_operator.kinds import ASSIGNMENT, CLAIM, INSTANCE, WATCHED, Kind, M, Object, OwnedPort
from orlop_operator.places import By, lacks_address, owner, places
from orlop_operator.references import references
from orlop_operator.rows import WARM, Change, Index, Key, Listener, Row, Shelf, key_of, version

__all__ = ["Change", "Key", "Listener", "Store", "key_of", "version"]

_REMEMBERED_DEAD = 4096

A = TypeVar("A")


class Store:
    """All objects of all watched kinds."""

    def __init__(self, listener: Listener = lambda _: None, *, warm: int = WARM) -> None:
        self._tables: dict[str, dict[str, dict[str, Row]]] = {kind.name: {} for kind in WATCHED}
        """By kind, namespace and name."""
        self._shelf = Shelf(warm)
        self._dead: OrderedDict[str, None] = OrderedDict()
        """Uids that are gone: a late answer about one must not bring it back."""
        self._by_uid: dict[str, Row] = {}
        self._dependents: Index[Key] = Index()
        self._claims: dict[str, ClaimRows] = {}
        self._found: dict[By, Index[str]] = {way: Index() for way in By}
        self._lacking: set[Row] = set()
        self._listener = listener

    def __len__(self) -> int:
        """How many objects there are."""
        return len(self._by_uid)

    def get(self, kind: Kind[M], namespace: str, name: str) -> M | None:
        """The object as last seen."""
        row = self._row(kind.name, namespace, name)
        return None if row is None else cast("M", self._shelf.thing(row))

    def all(self, kind: Kind[M]) -> Iterator[M]:
        """All objects of the kind; not to be kept over an await."""
        for table in self._tables[kind.name].values():
            for row in table.values():
                yield cast("M", self._shelf.peek(row))

    def within(self, kind: Kind[M], namespace: str) -> Iterator[M]:
        """Those of one namespace, however many there are in others; not to be kept over an await."""
        for row in self._tables[kind.name].get(namespace, {}).values():
            yield cast("M", self._shelf.thing(row))

    def said(
        self, kind: Kind[M], namespace: str, beside: Callable[[str], Hashable], say: Callable[[M], A]
    ) -> Iterator[A]:
        """What one function, the same at each call, says of each of a namespace.

        It is asked anew only where the object changed, or what is looked at beside it: `beside` tells by its uid.
        """
        for row in self._tables[kind.name].get(namespace, {}).values():
            mark = beside(row.uid)
            if row.said is None or row.said[0] != mark:
                row.said = mark, say(cast("M", self._shelf.thing(row)))
            yield row.said[1]

    def version_of(self, kind: Kind[Any], namespace: str, name: str) -> int:
        """The version of an object as last seen; 0 where there is none."""
        row = self._row(kind.name, namespace, name)
        return 0 if row is None else row.version

    def keys(self, kind: Kind[Any], namespace: str) -> list[Key]:
        """The keys of those."""
        return [row.key for row in self._tables[kind.name].get(namespace, {}).values()]

    def alone(self, kind: Kind[M], namespace: str) -> Iterator[M]:
        """Those of one namespace that are not just a part of another object that is there; likewise."""
        for row in self._tables[kind.name].get(namespace, {}).values():
            if row.owner is None or row.owner not in self._by_uid:
                yield cast("M", self._shelf.thing(row))

    def everything(self) -> Iterator[Key]:
        """The keys of everything, but for what wants nothing while its owner is there."""
        for tables in self._tables.values():
            for table in tables.values():
                for row in table.values():
                    if row.owner is None or row.owner not in self._by_uid:
                        yield row.key

    def by_uid(self, uid: str) -> Key | None:
        """The key of the object with this uid."""
        row = self._by_uid.get(uid)
        return None if row is None else row.key

    def is_dead(self, uid: str) -> bool:
        """Whether the object was there, and is gone; False also where that was long ago."""
        return uid in self._dead

    def dependents(self, key: Key) -> frozenset[Key]:
        """Objects that refer to this one by name, whether it exists or not."""
        return frozenset(row.key for row in self._dependents.of(key))

    def naming(self, key: Key, kind: Kind[Any]) -> Iterator[str]:
        """Names of those of a kind; as long as it takes to find those that are asked for."""
        return (row.key.name for row in self._dependents.of(key) if row.key.kind == kind.name)

    def lacking(self, key: Key) -> list[Key]:
        """Those that refer to it and may wait for an address: who has a node, or addresses, does not."""
        return [row.key for row in self._dependents.of(key) & self._lacking]

    def claims_of_network(self, uid: str) -> Claims:
        """Claim name to Claim, of one Network (its segment's too)."""
        return Claims(self._claims.get(uid, ClaimRows()), self._found[By.HOLDER], self._shelf)

    def claims_of_holder(self, uid: str) -> dict[str, Claim]:
        """Claim name to Claim, held by the Network, Port or Instance with this uid."""
        return {claim.metadata.name: claim for claim in self._of(By.HOLDER, uid)}

    def segments(self) -> set[str]:
        """Numbers that a Network has claimed."""
        return set(self._found[By.SEGMENT])

    def claim(self, name: str) -> Claim | None:
        """The Claim of this name."""
        return self.get(CLAIM, CLAIM_NAMESPACE, name)

    def assignments_on(self, node: str) -> list[Assignment]:
        """Assignments that are bound to the node."""
        return self._of(By.NODE, node)

    def count_on(self, node: str) -> int:
        """How many those are."""
        return len(self._found[By.NODE].of(node))

    def assignment_of(self, instance_uid: str) -> Assignment | None:
        """The Instance's Assignment."""
        return self.get(ASSIGNMENT, ASSIGNMENT_NAMESPACE, instance_uid)

    def beginning_as(self, uid: str) -> list[Assignment]:
        """Assignments with a Volume that is to begin as the VolumeSnapshot or Volume with this uid, made or not."""
        return self._of(By.ORIGIN, uid)

    def ports_of(self, instance_uid: str) -> list[OwnedPort]:
        """Ports that Orlop made for the Instance."""
        return self._of(By.OWNER, instance_uid)

    def ports_bound_to(self, instance_uid: str) -> list[OwnedPort]:
        """Ports of users that are bound to the Instance, whether it lists them or not."""
        return self._of(By.USER, instance_uid)

    def volumes_of(self, instance_uid: str) -> list[Volume]:
        """Volumes that are attached to the Instance, whether it lists them or not."""
        return self._of(By.ATTACHED, instance_uid)

    def labeled(self, labels: Mapping[str, str]) -> list[str]:
        """Names of Nodes with all of these labels, one at least; as long as it takes to look at who has the rarest."""
        rarest, *others = sorted(
            (self._found[By.LABEL].of(f"{key}={value}") for key, value in labels.items()), key=len
        )
        return [row.key.name for row in rarest if all(row in each for each in others)]

    def is_known(self, kind: Kind[Any], namespace: str, name: str, uid: str, seen: int) -> bool:
        """Whether this version of the object, or a later one, was seen: most events tell of our own writes.

        They are not worth parsing, which costs more than all else that becomes of an event.
        """
        row = self._row(kind.name, namespace, name)
        return row is not None and row.uid == uid and row.version >= seen

    def observe(self, kind: Kind[M], thing: M) -> bool:
        """Take over a newer version; False for one that is older, the same, or of a dead object."""
        meta, seen = thing.metadata, version(thing)
        row = self._row(kind.name, meta.namespace, meta.name)
        if meta.uid in self._dead or (row is not None and row.version >= seen):
            return False
        if row is not None and row.uid != meta.uid:
            self._bury(row.uid)
        self._replace(kind.name, row, thing)
        return True

    def remove(self, kind: Kind[M], namespace: str, name: str, uid: str) -> bool:
        """The object with this uid is gone; False where that was known, or another has its name."""
        self._bury(uid)
        row = self._row(kind.name, namespace, name)
        if row is None or row.uid != uid:
            return False
        self._replace(kind.name, row, None)
        return True

    def reset(self, kind: Kind[M], things: Iterable[M], since: int) -> None:
        """Take over a whole list: what is not in it is gone, unless it was seen after `since`."""
        listed = {(thing.metadata.namespace, thing.metadata.name): thing for thing in things}
        self.retain(kind, listed.keys(), since)
        for thing in listed.values():
            self.observe(kind, thing)

    def retain(self, kind: Kind[Any], listed: Collection[tuple[str, str]], since: int) -> None:
        """What is not in a whole list is gone, unless it was seen after `since`."""
        rows = [row for table in self._tables[kind.name].values() for row in table.values()]
        for row in rows:
            if row.version <= since and row.key[1:] not in listed:
                self.remove(kind, row.key.namespace, row.key.name, row.uid)

    def _of(self, way: By, at: str) -> list[Any]:
        rows = sorted(self._found[way].of(at), key=lambda row: row.key)
        return [self._shelf.thing(row) for row in rows]

    def _row(self, kind: str, namespace: str, name: str) -> Row | None:
        table = self._tables[kind].get(namespace)
        return None if table is None else table.get(name)

    def _bury(self, uid: str) -> None:
        self._dead[uid] = None
        if len(self._dead) > _REMEMBERED_DEAD:
            self._dead.popitem(last=False)

    def _replace(self, kind: str, row: Row | None, thing: M | None) -> None:
        old = None if row is None else self._shelf.thing(row)
        change = Change(kind, old, thing)
        if row is not None and old is not None:
            self._unindex(row, old)
        if thing is None:
            self._take_out(change.key)
        else:
            row = self._put_in(change.key) if row is None else row
            row.uid, row.version = intern(thing.metadata.uid), version(thing)
            self._shelf.put(row, thing)
            self._index(row, thing)
        self._listener(change)

    def _put_in(self, key: Key) -> Row:
        row = Row(Key(key.kind, intern(key.namespace), key.name))
        self._tables[key.kind].setdefault(row.key.namespace, {})[row.key.name] = row
        return row

    def _take_out(self, key: Key) -> None:
        table = self._tables[key.kind][key.namespace]
        self._shelf.drop(table.pop(key.name))
        if not table:
            del self._tables[key.kind][key.namespace]

    def _index(self, row: Row, thing: Object) -> None:
        self._by_uid[row.uid] = row
        found = owner(thing)
        row.owner = None if found is None else intern(found)
        for reference in references(thing):
            there = self._row(*reference)
            self._dependents.add(Key(*reference) if there is None else there.key, row)
        if lacks_address(thing) and not (isinstance(thing, Instance) and self._is_bound(row.uid)):
            self._lacking.add(row)
        if isinstance(thing, Claim):
            self._claims.setdefault(intern(thing.spec.network_uid), ClaimRows())[row.key.name] = row
        if isinstance(thing, Assignment):
            row.node = None if thing.spec.node_name is None else intern(thing.spec.node_name)
            self._settle(row)
        for way, at in places(thing):
            self._found[way].add(intern(at), row)

    def _unindex(self, row: Row, thing: Object) -> None:
        self._by_uid.pop(row.uid, None)
        self._lacking.discard(row)
        for reference in references(thing):
            self._dependents.discard(Key(*reference), row)
        if isinstance(thing, Claim):
            claims = self._claims[thing.spec.network_uid]
            claims.forget(thing)
            if not claims:
                del self._claims[thing.spec.network_uid]
        if isinstance(thing, Assignment):
            row.node = None
            self._settle(row)
        for way, at in places(thing):
            self._found[way].discard(at, row)

    def _settle(self, order: Row) -> None:
        """Whether its Instance lacks an address goes by whether it has a node."""
        instance = self._by_uid.get(order.key.name)
        if instance is not None and instance.key.kind == INSTANCE.name:
            (self._lacking.add if order.node is None else self._lacking.discard)(instance)

    def _is_bound(self, instance_uid: str) -> bool:
        order = self._row(ASSIGNMENT.name, ASSIGNMENT_NAMESPACE, instance_uid)
        return order is not None and order.node is not None
