"""Everything that can happen on one node, as steps from one state to the next.

The adapter of the agent's half: each step reads or writes one thing, and what may be done is asked of
the production functions. A step gives a sentence, the order, the node, and what it broke, if anything.
"""

from functools import partial
from typing import NamedTuple

from orlop_agent import protocol
from orlop_api.assignment import Desired, State
from unit.model.policy import refuses_answer
from unit.model.world import (
    BLANK,
    DATA,
    EPOCH,
    GENERATION,
    LIVE,
    NO_DISK,
    NODES,
    RESUME,
    WIPED,
    Agent,
    Answer,
    Domain,
    Journal,
    Mine,
    Node,
    Ref,
    assignment,
    entry,
    fresh_start,
    mark,
    me,
    my_start,
)


class Variant(NamedTuple):
    """What the world is like, and which rule is left out of the adapters."""

    shared: bool = False
    """Root disks are on storage that both nodes reach."""
    volume: bool = False
    """The Instance boots from a Volume that both nodes reach (shared too): it has no root disk of its own."""
    wipes: bool = False
    """A node may come back with an empty data pool."""
    policy: bool = True
    """The API server's policies are in force."""
    calls: int = 1
    """How many calls may be on their way in one libvirt; they are carried out in order."""
    late: bool = True
    """A Starting may arrive after its sender stopped waiting, or is dead."""
    start_by_read: bool = False
    """The right to start is looked up, not taken."""
    forgets: bool = False
    """The API server may forget the Assignment, as an etcd does that was restored from a backup."""


class Move(NamedTuple):
    said: str
    order: object
    node: Node
    broke: str | None = None
    wrote: bool = False
    """The order was written, so that nothing read before may be swapped against."""


def node_moves(variant, deleting, order, index, node):
    """Every step of one node, its agent, its libvirt, and its power."""
    done = partial(Move, order=order, node=node)
    yield from _libvirt(variant, done, node)
    yield from _power(variant, order, index, node)
    if node.sent is not None:
        yield from _arrival(variant, order, index, node)
    yield done("its agent is killed, and comes up", node=node._replace(agent=Agent()))
    if node.agent.act:
        yield _act(variant, deleting, done, node)
        return
    if node.agent.asked is not None:
        yield _asked(order, node, done)
        return
    yield from _domain(variant, order, index, node, done)
    yield from _start(variant, order, index, node, done)
    if node.domain is None and order is not None and order.node == index:
        yield from _end(variant, order, index, node, done)
    if order is None and node.journal and protocol.may_forget(None, entry(node.journal)):
        yield done("the agent forgets", node=node._replace(journal=None))


def _libvirt(variant, done, node):
    if node.domain and node.domain.running:
        yield done("the guest ends by itself", node=node._replace(domain=None))
    if not node.calls:
        return
    call, rest = node.calls[0], node._replace(calls=node.calls[1:])
    yield done(f"libvirt fails to {'resume' if call == RESUME else 'create'}", node=rest)
    if call == RESUME:
        if node.domain and not node.domain.running:
            disk = DATA if node.disk == BLANK and not variant.shared else node.disk
            running = rest._replace(domain=node.domain._replace(running=True), disk=disk)
            yield done("libvirt resumes the domain", node=running)
    elif node.domain is None and (variant.shared or node.disk in {BLANK, DATA}):
        yield done("libvirt has created the domain, paused", node=rest._replace(domain=Domain(call)))


def _power(variant, order, index, node):
    off = node._replace(agent=Agent(), domain=None, calls=(), sent_live=node.sent is None)
    if order is not None and order.node == index and order.answer and order.answer.live:
        order = order._replace(answer=order.answer._replace(live=False))
    yield Move("power is cut, and comes back", order, off)
    if variant.wipes and node.disk != WIPED:
        if order is not None and order.node == index:
            order = order._replace(same_pool=False)
        lost = {NO_DISK: NO_DISK, BLANK: NO_DISK, DATA: WIPED}[node.disk]
        yield Move(
            "power is cut, and comes back with a new pool", order, off._replace(journal=None, disk=lost)
        )


def _arrival(variant, order, index, node):
    """A Starting whose sender does not wait any more, or does not live."""
    here = node._replace(sent=None, sent_live=True)
    yield Move("a Starting is lost on its way", order, here)
    status = protocol.starting_write(assignment(order), me(index), str(node.sent.start))
    answered = _answered(variant, order, index, status)
    if answered is not None:
        live = answered._replace(answer=answered.answer._replace(live=node.sent_live))
        yield Move("a Starting arrives late", live, here, wrote=True)


def _answered(variant, order, index, status):
    """The order with this status, if policy lets it through."""
    if variant.policy and refuses_answer(assignment(order), status, NODES[index]):
        return None
    start = None if status.start_id is None else int(status.start_id)
    return order._replace(
        answer=Answer(
            status.state.value,
            status.boot_id == LIVE,
            start,
            status.root_disk == "Created",
            status.observed_generation == GENERATION,
        )
    )


def _journaled(record, age):
    """An Entry as the model keeps it; `age` is that of its epoch by now."""
    return Journal(age, record.final and record.final.value, record.has_root_disk)


def _act(variant, deleting, done, node):
    """What was decided on a read that may be old by now."""
    what, age, *rest = node.agent.act
    idle = node.agent._replace(act=())
    if what == "go":
        mine = Mine(Ref(age, rest[0]))
        return done("the agent goes on to start", node=node._replace(agent=idle._replace(mine=mine)))
    if what == "begin":
        here = node._replace(journal=Journal(age, None, rest[0] or (variant.shared and not variant.volume)))
        made = variant.shared or node.disk in {BLANK, DATA}
        if made and not variant.volume:
            here = here._replace(journal=here.journal._replace(disk=True))
        return done(
            "the agent journals that it begins",
            node=here._replace(agent=idle if made else idle._replace(act=("disk", age))),
        )
    if what == "disk":
        flagged = _journaled(protocol.with_root_disk(entry(node.journal)), node.journal.age)
        broke = "a lost disk is made anew, empty" if node.disk == WIPED else None
        made = node._replace(agent=idle, disk=BLANK, journal=flagged)
        return done("the agent makes the root disk", node=made, broke=broke)
    final, keep, record = rest
    disk, broke = node.disk, None
    if not keep and not variant.shared:
        if disk == DATA and not deleting:
            broke = "data is deleted, and the Instance is not"
        disk = WIPED if disk == WIPED else NO_DISK
    if idle.mine and not idle.mine.created:
        idle = idle._replace(mine=None)
    sealed = node._replace(agent=idle, disk=disk, journal=Journal(age, final, record))
    return done(f"the agent journals {final}{'' if keep else ', its disk deleted'}", node=sealed, broke=broke)


def _domain(variant, order, index, node, done):
    """Resume it, destroy it, or leave it."""
    domain, agent = node.domain, node.agent
    mine = agent.mine
    if mine and (domain is None or domain.ref.start != mine.ref.start):
        yield done("the agent gives its start up", node=node._replace(agent=agent._replace(mine=None)))
    if domain is None:
        if mine and not mine.created and len(node.calls) < variant.calls:
            sent = node._replace(
                calls=(*node.calls, mine.ref), agent=agent._replace(mine=mine._replace(created=True))
            )
            yield done("the agent asks libvirt for a paused domain", node=sent)
        return
    known, journal = my_start(mine and mine.ref), entry(node.journal)
    if (
        RESUME not in node.calls
        and len(node.calls) < variant.calls
        and protocol.may_resume(mark(domain), known, journal)
    ):
        sent = node._replace(calls=(*node.calls, RESUME), agent=agent._replace(mine=None))
        yield done("the agent asks libvirt to resume", node=sent)
    fresh = None if order is None else assignment(order)
    verdict = protocol.verdict_on_domain(mark(domain), fresh, me(index), known, journal)
    if isinstance(verdict, protocol.Destroy):
        healthy = (
            domain.running
            and (order is None or (order.node == index and domain.ref.age == 0))
            and (
                order is None
                or (
                    order.desired == "Running"
                    and order.answer is not None
                    and order.answer.state == "Starting"
                )
            )
        )
        yield done(
            "the agent reads, and destroys the domain",
            node=node._replace(domain=None),
            broke="a guest is destroyed that nothing said shall go" if healthy else None,
        )


def _asked(order, node, done):
    """The reply to a Starting was lost: an uncached read tells."""
    agent = node.agent
    fresh = None if order is None else assignment(order)
    mine = Mine(agent.asked) if protocol.is_my_start(fresh, my_start(agent.asked)) else agent.mine
    settled = node._replace(agent=agent._replace(asked=None, mine=mine))
    return done("the agent reads whether its Starting arrived", node=settled)


def _start(variant, order, index, node, done):
    """From an order to the right to start."""
    agent, journal = node.agent, entry(node.journal)
    fresh = None if order is None else assignment(order)
    if fresh is None or node.domain is not None or agent.mine is not None:
        return
    if not isinstance(protocol.may_start(fresh, me(index), journal), protocol.Start):
        return
    there = variant.shared or node.disk in {BLANK, DATA}
    if node.journal != Journal(0, None, protocol.has_own_root_disk(fresh)) or not there:
        if there or not protocol.has_data(fresh, journal):
            begun = protocol.begin(fresh, journal, None)
            act = ("begin", EPOCH - begun.epoch, begun.has_root_disk)
            yield done("the agent reads the order", node=node._replace(agent=agent._replace(act=act)))
        return
    start = fresh_start(order, index, node)
    if variant.start_by_read:
        yield done(
            "the agent looks whether it may start",
            node=node._replace(agent=agent._replace(act=("go", 0, start))),
        )
        return
    status = protocol.starting_write(fresh, me(index), str(start))
    answered = _answered(variant, order, index, status)
    if answered is None:
        yield done("policy refuses Starting", broke="policy refuses what the protocol allows")
        return
    taken = agent._replace(mine=Mine(Ref(0, start)))
    yield Move("the agent takes the right to start", answered, node._replace(agent=taken), wrote=True)
    if not variant.late:
        return
    waits = node._replace(agent=agent._replace(asked=Ref(0, start)), sent=Ref(0, start), sent_live=True)
    yield done("the agent sends Starting, and hears nothing", node=waits)


def _end(variant, order, index, node, done):
    """Refuse, release, purge: no domain is here."""
    fresh, journal = assignment(order), entry(node.journal)
    purge = fresh.spec.desired is Desired.PURGED
    there = node.disk in {BLANK, DATA} and not variant.shared
    final = protocol.final_answer(fresh, me(index), journal)
    if final is None:
        if protocol.final_answer(fresh, me(index), journal, refused=True) is State.REFUSED:
            keep = protocol.may_hold_data(fresh)
            yield _decide(fresh, node, State.REFUSED, keep, there, done)
        return
    if protocol.journaled_final(fresh, journal) is not final or (purge and there):
        keep = protocol.may_hold_data(fresh) if final is State.REFUSED else not purge
        yield _decide(fresh, node, final, keep, there, done)
        return
    status = protocol.final_write(fresh, journal)
    answered = _answered(variant, order, index, status)
    if answered is None:
        yield done("policy refuses it", broke="policy refuses what the protocol allows")
    elif answered != order:
        yield Move(f"the agent answers {final.value}", answered, node, wrote=True)


def _decide(fresh, node, final, keep, there, done):
    sealed = protocol.seal(fresh, entry(node.journal), final, has_root_disk=keep and there)
    act = ("seal", EPOCH - sealed.epoch, final.value, keep, sealed.has_root_disk)
    said = f"the agent sees that it has to answer {final.value}"
    return done(said, node=node._replace(agent=node.agent._replace(act=act)))
