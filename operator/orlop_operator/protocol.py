"""The operator's half of the Assignment protocol: what is known about one Instance in, one step out.

Pure. docs/explanation/assignment.md has the rules that the numbers name. Whoever carries a step out
makes no choice: on a conflict, a refusal or a lost reply it reads, and asks `decide` again. Every
write that a step asks for is a compare-and-swap on uid and resourceVersion, so facts from an old
cache cost a round and never do harm. tests/unit/model searches every interleaving of these functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from orlop_api.assignment import FINAL, Assignment, AssignmentStatus, Desired, State
from orlop_api.instance import PowerState

T = TypeVar("T")

FENCED_BOOT = "orlop.dev/fenced-boot"
"""Annotation by which the operator claims a move by rule 3; policy compares it with the last Starting."""


@dataclass(frozen=True, slots=True)
class Seen(Generic[T]):
    """What a read showed; None: not there."""

    it: T | None
    uncached: bool = False
    """Read from the API server in this round, after whatever made `decide` ask for it. A DELETE that
    was answered with success counts as such a read of None, a POST's answer as one of the object."""


@dataclass(frozen=True, slots=True)
class InstanceFact:
    """What the protocol has to know of an Instance."""

    uid: str
    deleting: bool
    """It has a deletionTimestamp."""
    power: PowerState
    """spec.powerState."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node that the scheduler chose."""

    node: str
    pool_id: str
    """Its data pool, from Hypervisor.status."""


@dataclass(frozen=True, slots=True)
class ProofOfDeath:
    """A boot of a node that is known to have ended; it says nothing about the node's next boot."""

    node: str
    boot_id: str


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a decision needs."""

    instance: Seen[InstanceFact]
    assignment: Seen[Assignment]
    candidate: Candidate | None = None
    """The scheduler's answer to the last `AskScheduler`, in the same round."""
    proof: ProofOfDeath | None = None
    leave: bool = False
    """Whether the Instance shall give up its node, where its data lets it."""
    data_follows: bool = False
    """Whether every disk is on storage that all nodes reach, so that nothing pins it to a node."""


@dataclass(frozen=True, slots=True)
class CreateUnbound:
    """POST the Assignment without a node, epoch 0. AlreadyExists: read it uncached, and decide again."""


@dataclass(frozen=True, slots=True)
class AskScheduler:
    """Find a candidate and decide again with it; none: Scheduled=False with the scheduler's message."""

    exclude: frozenset[str] = frozenset()
    """The node that is proved dead, where it was chosen; whoever remembers refusals adds them."""
    only: str | None = None
    """The one node that has the data. A refusal there is asked again when there is room, with back-off."""


@dataclass(frozen=True, slots=True)
class ReadInstanceThenBind:
    """GET the Instance uncached; if `may_bind` allows it, PATCH the Assignment at this uid and version.

    One merge patch: nodeName, poolID, epoch, desired Running, everything that is resolved, and the
    annotation FENCED_BOOT.
    """

    node: str
    pool_id: str
    epoch: int
    """The new epoch."""
    uid: str
    resource_version: str
    fenced_boot: str | None = None
    """What FENCED_BOOT shall say; None removes it: a proof is for one move."""


@dataclass(frozen=True, slots=True)
class SetDesired:
    """PATCH spec.desired at this uid and version. Other changes of the order ride along."""

    desired: Desired
    uid: str
    resource_version: str


@dataclass(frozen=True, slots=True)
class DeleteAssignment:
    """DELETE with both preconditions."""

    uid: str
    resource_version: str


@dataclass(frozen=True, slots=True)
class ReadInstance:
    """GET the Instance uncached (another uid counts as None), and decide again."""


@dataclass(frozen=True, slots=True)
class ReadAssignment:
    """GET the Assignment uncached, and decide again."""


@dataclass(frozen=True, slots=True)
class DropFinalizer:
    """Nothing can run any more and nothing is left on any node: free Ports and Claims, then the finalizer."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do until something changes; the reason and the sentence are for condition Scheduled."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Settled:
    """The order says what is wanted; the rest is the agent's."""


Step = (
    CreateUnbound
    | AskScheduler
    | ReadInstanceThenBind
    | SetDesired
    | DeleteAssignment
    | ReadInstance
    | ReadAssignment
    | DropFinalizer
    | Wait
    | Settled
)


def decide(facts: Facts) -> Step:
    """The one next step for an Instance and its Assignment."""
    instance, assignment = facts.instance.it, facts.assignment.it
    if instance is None:
        if not facts.instance.uncached:
            return ReadInstance()
        return Settled() if assignment is None else _end(assignment)
    if instance.deleting:
        if assignment is not None:
            return _end(assignment)
        return DropFinalizer() if facts.assignment.uncached else ReadAssignment()
    if assignment is None:
        return _place(facts, instance)
    return _keep(facts, instance, assignment)


def may_bind(instance: InstanceFact | None, assignment: Assignment) -> bool:
    """Rule 1, between the uncached GET of the Instance and the write that binds.

    The GET must follow the read of the Assignment: a deletion has its timestamp before it looks for
    an Assignment, so either it finds this one, or this GET finds the timestamp.
    """
    return (
        instance is not None
        and instance.uid == assignment.spec.instance.uid
        and not instance.deleting
        and instance.power is PowerState.RUNNING
        and assignment.spec.desired is not Desired.PURGED
        and not assignment.metadata.deleting
    )


def answer(assignment: Assignment) -> AssignmentStatus | None:
    """The status, if it answers the current epoch; an answer to an older one says nothing."""
    status = assignment.status
    return status if status is not None and status.epoch == assignment.spec.epoch else None


def is_final(assignment: Assignment) -> bool:
    """Whether the node gave up the right to run at the current epoch, for good."""
    status = answer(assignment)
    return status is not None and status.state in FINAL


def has_data(assignment: Assignment) -> bool:
    """Whether the node was ever heard to hold a disk of the Instance.

    Looks at an older epoch's answer too: a new binding to the same node does not unmake the disk.
    """
    status = assignment.status
    return status is not None and (status.root_disk == "Created" or bool(status.created_volumes))


def is_purged(assignment: Assignment) -> bool:
    """Rule 5: the node answered the order to purge itself, not an order before it.

    `Released` may have been said for `desired: Released`, which leaves the disks; observedGeneration
    tells the two apart. A node that had refused says Released here, the one change of a final state.
    """
    status = answer(assignment)
    return (
        assignment.spec.desired is Desired.PURGED
        and status is not None
        and status.state is State.RELEASED
        and status.observed_generation == assignment.metadata.generation
        and status.root_disk == "Absent"
    )


def is_proved_dead(assignment: Assignment, proof: ProofOfDeath | None) -> bool:
    """Rule 3: the proof is about the boot that last started this epoch, or nothing was started at it."""
    if proof is None or proof.node != assignment.spec.node_name:
        return False
    status = answer(assignment)
    return status is None or status.boot_id in {None, proof.boot_id}


def _place(facts: Facts, instance: InstanceFact) -> Step:
    if instance.power is PowerState.STOPPED:
        return _stopped()
    return AskScheduler() if facts.candidate is None else CreateUnbound()


def _keep(facts: Facts, instance: InstanceFact, assignment: Assignment) -> Step:
    """The Instance shall exist."""
    spec, running = assignment.spec, instance.power is PowerState.RUNNING
    if spec.desired is Desired.PURGED:
        # Some operator saw the deletion, which cannot be taken back; this cache has yet to see it.
        return _end(assignment)
    if spec.node_name is None:
        return _bind(facts, assignment) if running else _stopped()
    movable = facts.data_follows or not has_data(assignment)
    dead = is_proved_dead(assignment, facts.proof)
    if is_final(assignment) or (dead and movable and running):
        return _again(facts, assignment, movable=movable) if running else _stopped()
    if spec.desired is Desired.RELEASED:
        return Wait("Releasing", f"{spec.node_name} is giving the Instance up")
    if facts.leave and movable:
        return _set(assignment, Desired.RELEASED)
    wanted = Desired.RUNNING if running else Desired.STOPPED
    if spec.desired is not wanted:
        return _set(assignment, wanted)
    if dead and running:
        return Wait("PinnedToNode", f"the disks are on {spec.node_name}, which is proved dead")
    return Settled()


def _again(facts: Facts, assignment: Assignment, *, movable: bool) -> Step:
    """Rules 3 and 4: the old epoch is over; the next one is where the data is, or anywhere.

    Also on the node that refused: it answered one epoch, and may be the only one that suits. How long it is left
    alone is up to whoever remembers refusals.
    """
    return _bind(facts, assignment, only=None if movable else assignment.spec.node_name)


def _bind(facts: Facts, assignment: Assignment, *, only: str | None = None) -> Step:
    chosen = facts.candidate
    if chosen is None or only not in {None, chosen.node}:
        return AskScheduler(only=only)
    if facts.proof is not None and not is_final(assignment) and chosen.node == facts.proof.node:
        return AskScheduler(frozenset({chosen.node}), only)
    meta, spec = assignment.metadata, assignment.spec
    proof = None if is_final(assignment) else facts.proof
    fenced = proof.boot_id if proof is not None and is_proved_dead(assignment, proof) else None
    return ReadInstanceThenBind(
        chosen.node, chosen.pool_id, spec.epoch + 1, meta.uid, meta.resource_version, fenced
    )


def _end(assignment: Assignment) -> Step:
    """Rule 5: the Instance is going or gone."""
    spec, meta = assignment.spec, assignment.metadata
    if spec.node_name is None or is_purged(assignment):
        return DeleteAssignment(meta.uid, meta.resource_version)
    if spec.desired is not Desired.PURGED:
        return _set(assignment, Desired.PURGED)
    return Wait("Deleting", f"{spec.node_name} is deleting the disks")


def _set(assignment: Assignment, desired: Desired) -> SetDesired:
    return SetDesired(desired, assignment.metadata.uid, assignment.metadata.resource_version)


def _stopped() -> Wait:
    return Wait("Stopped", "powerState is Stopped; a node is chosen when it is Running")
