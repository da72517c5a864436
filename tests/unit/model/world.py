"""The state of the model's world, small enough to be hashed by the million, and what it stands for.

Nothing here counts up, so that the search ends by itself and needs no bounds on moves, crashes,
power cuts or toggles:

- an epoch is an age: 0 is the order's own, 1, 2 … are the older ones that something still remembers,
  and LOST is one of an Assignment that was deleted;
- a boot is the node's present one or a dead one; a start is the smallest number that nothing on its
  node remembers;
- a resourceVersion is not kept: a compare-and-swap of something read before another write fails and
  changes nothing, so only those that succeed are steps;
- an operator's cache is not kept either. It may hold whatever was true at any time, so each step of
  an operator is tried with every Instance that ever was, and with the Assignment there or not. What
  an operator does between two calls (a pending bind, a pending finalizer) is part of the state. So
  the model holds any number of operators that crash anywhere, each as stale as can be.
"""

from functools import cache
from typing import NamedTuple

from orlop_agent.protocol import DomainMark, Entry, Me, MyStart
from orlop_api.assignment import (
    Assignment,
    AssignmentSpec,
    AssignmentStatus,
    Desired,
    State,
)
from orlop_api.identity import InstanceIdentity
from orlop_api.resource import Metadata

RUNNING, STOPPED, DELETING, GONE = range(4)
"""The Instance in the store: by powerState, with a deletionTimestamp, or without its finalizer."""

OLD, LOST = 98, 99
EPOCH, GENERATION = 200, 7
RESUME = "resume"
NODES = ("a", "b")
LIVE, DEAD, OTHER = "boot-live", "boot-dead", "boot-before"

NO_DISK, BLANK, DATA, WIPED = range(4)
"""A root disk: never made, as the image made it, written by a guest, or written and then lost."""


class Answer(NamedTuple):
    """The status; of an older epoch (state None) only the disk is kept, as nothing else is looked at."""

    state: str | None
    live: bool = False
    start: int | None = None
    disk: bool = False
    newest: bool = False
    """It answers the order as it is now: observedGeneration."""


class Order(NamedTuple):
    """The Assignment; node None: unbound."""

    node: int | None = None
    desired: str = "Running"
    answer: Answer | None = None
    same_pool: bool = True
    volume: bool = False
    """Its Instance boots from a Volume."""


class Ref(NamedTuple):
    """An epoch and a start at it, remembered somewhere."""

    age: int
    start: int


class Mine(NamedTuple):
    """A start that this process knows to be its own; forgotten once the domain is to be resumed."""

    ref: Ref
    created: bool = False
    """The create was sent to libvirt, which is done once for each start."""


class Agent(NamedTuple):
    """An agent process's memory."""

    act: tuple = ()
    """Decided on a read, and yet to be done: (what, age, …)."""
    asked: Ref | None = None
    """A Starting that was sent and not answered; read before anything else is done. In vain, once there
    is a newer epoch, so that it ends there."""
    mine: Mine | None = None


class Journal(NamedTuple):
    age: int
    final: str | None = None
    disk: bool = False


class Domain(NamedTuple):
    ref: Ref
    running: bool = False


class Node(NamedTuple):
    """One node. An agent that is dead, or a node without power, is an empty memory that does nothing yet."""

    agent: Agent = Agent()
    journal: Journal | None = None
    disk: int = NO_DISK
    domain: Domain | None = None
    calls: tuple = ()
    """Calls on their way in libvirt, with or without the process that made them: a Ref to create, or
    RESUME, which acts on whatever domain has the Instance's UUID then."""
    sent: Ref | None = None
    """A Starting on its way to the API server, with or without its sender; ages as the epoch does."""
    sent_live: bool = True


EMPTY = Node()


@cache
def me(index):
    return Me(NODES[index], LIVE, "pool")


@cache
def assignment(order):
    """The object that the production functions are asked about."""
    answer, node = order.answer, order.node
    status = None
    if answer is not None:
        status = AssignmentStatus(
            epoch=EPOCH if answer.state else EPOCH - 1,
            state=State(answer.state or "Stopped"),
            boot_id=(LIVE if answer.live else DEAD) if answer.start is not None else None,
            start_id=None if answer.start is None else str(answer.start),
            root_disk="Created" if answer.disk else "Absent",
            observed_generation=GENERATION if answer.newest else GENERATION - 1,
        )
    return Assignment(
        metadata=Metadata(uid="now", resource_version="1", generation=GENERATION),
        spec=AssignmentSpec(
            instance=InstanceIdentity(namespace="demo", name="vm", uid="vm"),
            node_name=None if node is None else NODES[node],
            pool_id=None if node is None else ("pool" if order.same_pool else "pool-before"),
            epoch=0 if node is None else EPOCH,
            desired=Desired(order.desired),
            vcpus=1,
            memory_bytes=1,
            root_disk_bytes=0 if order.volume else 1,
            boot_volume_uid="volume" if order.volume else None,
        ),
        status=status,
    )


def identity(age):
    """Uid and epoch."""
    return ("gone", EPOCH) if age == LOST else ("now", EPOCH - age)


@cache
def entry(journal):
    if journal is None:
        return None
    uid, epoch = identity(journal.age)
    return Entry(uid, epoch, None, None if journal.final is None else State(journal.final), journal.disk)


@cache
def my_start(ref):
    return None if ref is None else MyStart(*identity(ref.age), str(ref.start))


@cache
def mark(domain):
    return DomainMark(*identity(domain.ref.age), str(domain.ref.start), held=not domain.running)


def aged(ref, new_age):
    return None if ref is None else ref._replace(age=new_age[ref.age])


def with_ages(node, new_age):
    """The same node, with its epochs named anew."""
    agent = node.agent
    agent = Agent(
        (agent.act[0], new_age[agent.act[1]], *agent.act[2:]) if agent.act else (),
        None,
        agent.mine and agent.mine._replace(ref=aged(agent.mine.ref, new_age)),
    )
    return Node(
        agent,
        aged(node.journal, new_age),
        node.disk,
        node.domain and Domain(aged(node.domain.ref, new_age), node.domain.running),
        tuple(call if call == RESUME else aged(call, new_age) for call in node.calls),
        None,
        True,
    )


def ages(node):
    """The epochs that a node remembers."""
    found = {ref.age for ref in node.calls if ref != RESUME}
    if node.journal:
        found.add(node.journal.age)
    if node.domain:
        found.add(node.domain.ref.age)
    if node.agent.mine:
        found.add(node.agent.mine.ref.age)
    if node.agent.act:
        found.add(node.agent.act[1])
    return found


def new_epoch(nodes):
    """Every remembered epoch is one older, and those that nothing remembers do not count."""
    nodes = tuple(_without_history(node) for node in nodes)
    known = sorted({age for node in nodes for age in ages(node)} - {OLD, LOST})
    new_age = {age: rank for rank, age in enumerate(known, 1)} | {OLD: OLD, LOST: LOST}
    return tuple(with_ages(node, new_age) for node in nodes)


def _without_history(node):
    """An older epoch's journal says only that there is a disk, unless a start of that epoch is remembered.

    Any final state will do for the rest of what it says: nothing resumes by it either way.
    """
    journal, agent = node.journal, node.agent
    if journal is None or journal.age == LOST:
        return node
    if agent.mine and journal.age == agent.mine.ref.age:
        return node
    if agent.act and agent.act[1] == journal.age:
        return node
    return node._replace(journal=Journal(OLD, "Released", journal.disk))


def no_order(nodes):
    """The Assignment was deleted: whatever remembers it remembers what is not there."""
    nodes = tuple(_without_history(node) for node in nodes)
    return tuple(with_ages(node, dict.fromkeys(ages(node), LOST)) for node in nodes)


def _starts(order, index, node):
    """Every start that something remembers about the node."""
    if order is not None and order.node == index and order.answer and order.answer.start is not None:
        yield order.answer.start
    agent = node.agent
    refs = (node.domain and node.domain.ref, agent.asked, agent.mine and agent.mine.ref, node.sent)
    yield from (ref.start for ref in refs if ref)
    yield from (call.start for call in node.calls if call != RESUME)


def fresh_start(order, index, node):
    """A start that nothing on the node remembers."""
    used = set(_starts(order, index, node))
    return next(number for number in range(9) if number not in used)


def renamed(order, index, node):
    """The same order and node, with the starts numbered by where they are remembered first."""
    names = {}
    for start in _starts(order, index, node):
        names.setdefault(start, len(names))
    if all(old == new for old, new in names.items()):
        return order, node

    def name(ref):
        return ref if ref is None or ref == RESUME else ref._replace(start=names[ref.start])

    if order is not None and order.node == index and order.answer and order.answer.start is not None:
        order = order._replace(answer=order.answer._replace(start=names[order.answer.start]))
    agent = node.agent
    return order, node._replace(
        agent=agent._replace(
            asked=name(agent.asked), mine=agent.mine and agent.mine._replace(ref=name(agent.mine.ref))
        ),
        domain=node.domain and node.domain._replace(ref=name(node.domain.ref)),
        calls=tuple(name(call) for call in node.calls),
        sent=name(node.sent),
    )
