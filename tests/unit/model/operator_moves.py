"""Everything that operators and the user can do, as steps from one state to the next.

The adapter of the operator's half: what to do is asked of `decide`, with every fact that a stale cache
could give; a step is done as one call to the store.
"""

from itertools import product
from typing import NamedTuple

from orlop_api.instance import PowerState
from orlop_operator import protocol
from orlop_operator.protocol import (
    AskScheduler,
    Candidate,
    CreateUnbound,
    DeleteAssignment,
    DropFinalizer,
    Facts,
    InstanceFact,
    ProofOfDeath,
    ReadAssignment,
    ReadInstanceThenBind,
    Seen,
    SetDesired,
)
from unit.model.policy import refuses_delete, refuses_order
from unit.model.world import (
    DEAD,
    DELETING,
    GONE,
    NODES,
    OTHER,
    RUNNING,
    STOPPED,
    Answer,
    Order,
    assignment,
)

KEPT = "the order is as it was"
REFUSED = "policy refuses what the protocol allows"


class Change(NamedTuple):
    """What a step does to the store and to the operators."""

    said: str
    instance: int
    order: object = KEPT
    pending: int | None = None
    """The node that some operator is about to bind to, having read the Instance. One is enough: of more,
    only the first to be written counts."""
    drop: bool | None = None
    """Whether some operator is about to drop the finalizer."""
    bound: bool = False
    broke: str | None = None


def believed(instance):
    """What a cache may say of the Instance: whatever was true once. Gone is only said by a read."""
    yield RUNNING
    yield STOPPED
    if instance in {DELETING, GONE}:
        yield DELETING
    if instance == GONE:
        yield GONE


def seen_instance(instance):
    if instance == GONE:
        return Seen(None, uncached=True)
    power = PowerState.STOPPED if instance == STOPPED else PowerState.RUNNING
    return Seen(InstanceFact("vm", instance == DELETING, power))


def steps(variant, instance, order, *, uncached=False):
    """Every step that an operator with such a cache may take."""
    seen = Seen(None if order is None else assignment(order), uncached)
    proofs = [None]
    if order is not None and order.node is not None:
        proofs += [ProofOfDeath(NODES[order.node], boot) for boot in (DEAD, OTHER)]
    found = set()
    for proof, leave in product(proofs, (False, True)):
        facts = Facts(seen_instance(instance), seen, None, proof, leave, variant.shared)
        step = protocol.decide(facts)
        if isinstance(step, AskScheduler):
            for node in NODES:
                chosen = Facts(facts.instance, seen, Candidate(node, "pool"), proof, leave, variant.shared)
                found.add(protocol.decide(chosen))
        else:
            found.add(step)
    return found


def user_moves(instance):
    if instance in {RUNNING, STOPPED}:
        other = STOPPED if instance == RUNNING else RUNNING
        yield Change("the user toggles powerState", other)
        yield Change("the user deletes the Instance", DELETING)


def operator_moves(variant, instance, order, pending, drop):
    """`order` None: there is none; caches that have an older one can only fail."""
    if variant.forgets and order is not None:
        yield Change("etcd is restored from before the Assignment", instance, None)
    if pending is not None:
        bound = Order(pending, answer=_old(order.answer), volume=order.volume)
        yield Change(f"an operator binds to {NODES[pending]}", instance, bound, bound=True)
    if drop and instance == DELETING:
        yield Change("an operator drops the finalizer", GONE, drop=False)
    found = {}
    for belief in believed(instance):
        for cached in {None, order}:
            for step in steps(variant, belief, cached):
                for change in _carried_out(variant, instance, order, cached, step):
                    found[change] = None
    yield from found


def _carried_out(variant, instance, order, cached, step):
    match step:
        case CreateUnbound():
            if order is None:
                yield Change("an operator creates the Assignment", instance, Order(volume=variant.volume))
        case ReadInstanceThenBind(node, _, _, _, _, fenced):
            fresh = seen_instance(instance).it
            if protocol.may_bind(fresh, assignment(cached)):
                spec = assignment(order).spec
                bound = {"node_name": node, "epoch": spec.epoch + 1, "pool_id": "pool", "desired": "Running"}
                refused = variant.policy and refuses_order(
                    assignment(order), spec.model_copy(update=bound), fenced
                )
                yield Change(
                    f"an operator reads the Instance, to bind to {node}",
                    instance,
                    pending=NODES.index(node),
                    broke=REFUSED if refused else None,
                )
        case SetDesired(desired, _, _):
            answer = order.answer and order.answer._replace(newest=False)
            spec = assignment(order).spec.model_copy(update={"desired": desired})
            refused = variant.policy and refuses_order(assignment(order), spec, None)
            yield Change(
                f"an operator orders {desired.value}",
                instance,
                order._replace(desired=desired.value, answer=answer),
                broke=REFUSED if refused else None,
            )
        case DeleteAssignment():
            refused = variant.policy and refuses_delete(assignment(order))
            yield Change(
                "an operator deletes the Assignment",
                instance,
                None,
                broke=REFUSED if refused else None,
            )
        case ReadAssignment():
            now = steps(variant, DELETING, order, uncached=True)
            if DropFinalizer() in now:
                yield Change("an operator reads that there is no Assignment", instance, drop=True)


def _old(answer):
    """Of an answer to an older epoch, only the disk counts."""
    return Answer(None, disk=True) if answer and answer.disk else None
