"""All that a plan may ask for. Plain frozen values: tests compare them, `execute` carries them out.

Writes to objects that the store holds are either a create by unique name or bound to what was read (uid, and
mostly resourceVersion); nothing here can harm when the plan was made from stale facts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from orlop_api.requester import Requester
from orlop_operator.kinds import Kind, M, Object

Body = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """One right of one requester, as a SubjectAccessReview asks for it."""

    requester: Requester
    verb: str
    group: str
    resource: str
    namespace: str
    name: str


@dataclass(frozen=True)
class Ask:
    """Have the authorizer answer; the answer is a fact of the next look."""

    question: Question


@dataclass(frozen=True)
class Create(Generic[M]):
    """POST; where the name is taken, what is there becomes a fact of the next look."""

    kind: Kind[M]
    body: Body
    namespace: str = ""


@dataclass(frozen=True)
class Ensure:
    """POST of something that is not watched; it is fine when it is there already."""

    path: str
    body: Body


@dataclass(frozen=True)
class Patch(Generic[M]):
    """Compare-and-swap of the object as it was seen."""

    kind: Kind[M]
    seen: M
    change: Body
    subresource: Literal["", "status"] = ""


@dataclass(frozen=True)
class Report(Generic[M]):
    """Server-side apply of a status that has no other writer."""

    kind: Kind[M]
    seen: M
    status: Body


@dataclass(frozen=True)
class Delete(Generic[M]):
    """DELETE of that very object."""

    kind: Kind[M]
    seen: M
    unchanged: bool = False
    """Only if it is still at the resourceVersion that was seen."""


@dataclass(frozen=True)
class Remove:
    """DELETE of something that is not watched, or of all that is there; it is fine when it is gone already."""

    path: str


@dataclass(frozen=True)
class Apply:
    """Server-side apply of all of something that is not watched and has no other writer."""

    path: str
    body: Body


@dataclass(frozen=True)
class DropFinalizer(Generic[M]):
    """Let go of an object: every other trace of it is gone."""

    kind: Kind[M]
    seen: M


@dataclass(frozen=True)
class Copied:
    """One key of a node's Secret, and where its text comes from."""

    key: str
    inline: str | None = None
    secret: tuple[str, str, str] | None = None
    """Namespace, name and key of the Secret that holds it."""
    optional: bool = False
    """Whether the key may be missing there; then it is left out."""


@dataclass(frozen=True)
class CopySecret:
    """Gather texts in one Secret where the node may read them; the outcome is a fact of the next look."""

    namespace: str
    """The node's own namespace."""
    name: str
    """Whom it is for: the uid of an Instance, or import- and that of an Image."""
    parts: tuple[Copied, ...]


@dataclass(frozen=True)
class Bind:
    """Read the Instance uncached, and only if it is still to be placed, swap its Assignment's spec."""

    instance_namespace: str
    instance_name: str
    assignment: Any
    """The Assignment as it was seen (orlop_api.assignment.Assignment)."""
    change: Body


@dataclass(frozen=True)
class Announce:
    """A Kubernetes Event about the object; best effort."""

    about: Object
    kind: str
    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True)
class Inform(Generic[M]):
    """Read the object uncached; what is found is a fact of the next look."""

    kind: Kind[M]
    namespace: str
    name: str


@dataclass(frozen=True)
class InOrder:
    """One after the other; the first failure ends it."""

    effects: tuple[Effect, ...]


Effect = (
    Ask
    | Create[Any]
    | Ensure
    | Patch[Any]
    | Report[Any]
    | Delete[Any]
    | Remove
    | Apply
    | DropFinalizer[Any]
    | CopySecret
    | Bind
    | Announce
    | Inform[Any]
    | InOrder
)


def created(effects: Iterable[Effect], kind: Kind[Any]) -> Iterator[Body]:
    """The objects of a kind that these would create."""
    for effect in effects:
        if isinstance(effect, InOrder):
            yield from created(effect.effects, kind)
        elif isinstance(effect, Create) and effect.kind.name == kind.name:
            yield effect.body


@dataclass(frozen=True)
class Plan:
    """What to do now, and when to look again if nothing changes before."""

    effects: tuple[Effect, ...] = ()
    """Done at the same time; the object is looked at again after them."""
    again_after: float | None = None
    """Seconds."""
    final: bool = False
    """Nothing is to be decided after these effects; their own events will wake whoever cares."""


F = TypeVar("F")


def planned(facts: F | None, plan: Callable[[F], Plan]) -> Plan | None:
    """What is planned for something that may not exist any more."""
    return plan(facts) if facts is not None else None
