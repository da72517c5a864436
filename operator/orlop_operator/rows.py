"""What the store holds of each object: a few words to find it by, and the object itself, warm or cold.

Warm, an object is its model, as plans read it: 15 KiB of Python for an Assignment. Most of a large cloud is looked at
by nobody for hours. Beyond a number of objects those that were not asked for lately are kept as bytes, from which the
same model is made when somebody asks.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from orlop_operator.kinds import ASSIGNMENT, BY_NAME, CLAIM, INSTANCE, PORT, Object

WARM = 8192
"""Objects that are kept as models, of the kinds that there are many of: some 100 MiB."""
MANY = frozenset({INSTANCE.name, ASSIGNMENT.name, PORT.name, CLAIM.name})
"""Kinds of which there is one for each Instance, or more."""
_LEVEL = 1
_RAW = -15
"""Deflate without a header, and the largest window (zlib's manual)."""
_FOR_REFERENCE = 4096
"""Bytes of the first object of a kind that the others are told by."""

COLD, IDLE, USED = range(3)
"""Not among the warm; among them, and not asked for since its last turn; asked for."""

A = TypeVar("A")


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


class Row:
    """One object, and what is asked of it most, so that it need not be warm for that."""

    __slots__ = ("key", "node", "owner", "packed", "said", "state", "thing", "uid", "version")

    def __init__(self, key: Key) -> None:
        self.key = key
        self.uid = ""
        self.version = 0
        self.owner: str | None = None
        """Uid of the object without which this one would be garbage, and with which it wants nothing of its own."""
        self.node: str | None = None
        """The node that an Assignment is bound to."""
        self.thing: Object | None = None
        self.packed: bytes | None = None
        self.said: tuple[Hashable, Any] | None = None
        """What was made out of this version of it, and of what beside."""
        self.state = COLD


class Shelf:
    """Which rows are warm: a clock, so that what is asked for stays and asking costs next to nothing."""

    def __init__(self, warm: int = WARM) -> None:
        self._most = warm
        self._warm: deque[Row] = deque()
        self._references: dict[str, bytes] = {}

    def put(self, row: Row, thing: Object) -> None:
        """The row is about this version from now on."""
        row.thing, row.packed, row.said = thing, None, None
        if row.key.kind in MANY:
            self._enter(row, IDLE)

    def drop(self, row: Row) -> None:
        """The object is gone."""
        row.thing = row.packed = None

    def thing(self, row: Row) -> Object:
        """The object, which is warm then."""
        thing = row.thing
        if thing is None:
            thing = row.thing = self._unpacked(row)
            self._enter(row, USED)
        elif row.state == IDLE:
            row.state = USED
        return thing

    def peek(self, row: Row) -> Object:
        """The object, for who reads many once: what was warm stays so."""
        return self._unpacked(row) if row.thing is None else row.thing

    def _enter(self, row: Row, state: int) -> None:
        if row.state == COLD:
            self._warm.append(row)
        row.state = state
        while len(self._warm) > self._most:
            self._turn(self._warm.popleft())

    def _turn(self, row: Row) -> None:
        if row.state == USED:
            row.state = IDLE
            self._warm.append(row)
            return
        row.state = COLD
        if row.thing is not None and row.packed is None:
            row.packed = self._packed(row.key.kind, row.thing)
        row.thing = None

    def _packed(self, kind: str, thing: Object) -> bytes:
        body = thing.model_dump_json(by_alias=True, exclude_unset=True).encode()
        # Any will do: objects of one kind are alike in most of their words.
        reference = self._references.setdefault(kind, body[:_FOR_REFERENCE])
        packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW, zdict=reference)
        return packer.compress(body) + packer.flush()

    def _unpacked(self, row: Row) -> Object:
        kind = row.key.kind
        if row.packed is None:
            raise AssertionError(row.key)
        body = zlib.decompressobj(_RAW, self._references[kind]).decompress(row.packed)
        made: Object = BY_NAME[kind].model.model_validate_json(body)
        return made


class Index(Generic[A]):
    """Rows by something; a set only where there are several, for most have one."""

    def __init__(self) -> None:
        self._at: dict[A, Row | set[Row]] = {}

    def add(self, at: A, row: Row) -> None:
        """Note it, once."""
        found = self._at.get(at)
        if found is None:
            self._at[at] = row
        elif isinstance(found, set):
            found.add(row)
        elif found is not row:
            self._at[at] = {found, row}

    def discard(self, at: A, row: Row) -> None:
        """Forget it, where it is noted."""
        found = self._at.get(at)
        if isinstance(found, set):
            found.discard(row)
            if not found:
                del self._at[at]
        elif found is row:
            del self._at[at]

    def of(self, at: A) -> set[Row]:
        """All that are noted; not to be changed."""
        found = self._at.get(at)
        return found if isinstance(found, set) else set() if found is None else {found}

    def __iter__(self) -> Iterator[A]:
        return iter(self._at)
