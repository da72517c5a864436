"""One look at an Instance: facts in, effects out. Pure.

Each look does what can be done at once, and is followed by another one until nothing is left. The status
is written only then (and right after binding), which keeps it at two writes for a plain create.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from orlop_api.assigned_image import AssignedImage
from orlop_api.assignment import Desired
from orlop_api.condition import Condition, Truth
from orlop_api.hypervisor import node_namespace
from orlop_api.keypair import AssignedKey
from orlop_operator import protocol
from orlop_operator.kinds import INSTANCE
from orlop_operator.reconcile.addresses import again_after
from orlop_operator.reconcile.conditions import false
from orlop_operator.reconcile.counting import TYPE as QUOTA_RESERVED
from orlop_operator.reconcile.effects import Announce, Ask, Bind, Effect, Inform, Plan, Remove
from orlop_operator.reconcile.existence import created
from orlop_operator.reconcile.instance import (
    assign,
    attachments,
    boot,
    group,
    image,
    keys,
    network,
    nics,
    quota,
    schedule,
    volumes,
)
from orlop_operator.reconcile.instance.assign import binding, changes, decide, node_secret, unbound
from orlop_operator.reconcile.instance.authorize import TYPE as AUTHORIZED
from orlop_operator.reconcile.instance.authorize import authorize
from orlop_operator.reconcile.instance.end import plan_end
from orlop_operator.reconcile.instance.facts import Blocker, Facts
from orlop_operator.reconcile.instance.summarize import STARTING_PATIENCE, starting_for, summarize
from orlop_operator.reconcile.node_secret import secret_path
from orlop_operator.reconcile.rights import FORBIDDEN, may_begin, may_log_in
from orlop_operator.scheduling import Request

FORBIDDEN_AGAIN = 10.0
"""Seconds after which a refused requester is asked about again: roles are not watched."""
UNPLACED_AGAIN = 60.0
"""Seconds after which an Instance without a place is looked at again, if nothing wakes it before."""
SECRET_AGAIN = 5.0
"""Seconds after which a Secret is looked for again: Secrets are not watched."""


@dataclass(frozen=True)
class InstancePlan(Plan):
    """A plan, with the node that it counts on."""

    chosen: str | None = None
    wanted: Request | None = None
    """What the chosen node will hold, until the Assignment says it."""
    unplaced: bool = False
    """Waits for room: any change of a Hypervisor or of what is held may help."""


def plan_instance(facts: Facts) -> InstancePlan:
    """What this Instance wants now."""
    if assign.is_newer(facts):
        meta = facts.instance.metadata
        return InstancePlan((Inform(INSTANCE, meta.namespace, meta.name),))
    if facts.instance.metadata.deleting:
        ended = plan_end(facts)
        return InstancePlan(ended.effects, ended.again_after, ended.final)
    authorized, asks = authorize(facts)
    if authorized is None:
        return InstancePlan(asks)
    reserved = quota.judge(facts)
    said = {AUTHORIZED: authorized} | ({QUOTA_RESERVED: reserved} if reserved is not None else {})
    allowed = authorized.status is Truth.TRUE
    refused = reserved is not None and reserved.status is Truth.FALSE
    step = decide(facts)
    if reserved is None and quota.is_needed(step):
        # The Quota has a look coming that will say it, and wakes the Instance then.
        return InstancePlan(final=True)
    match step:
        case protocol.AskScheduler() if not allowed:
            return _told(facts, said, before=_news(facts, authorized), again_after=FORBIDDEN_AGAIN)
        case protocol.AskScheduler() if refused:
            freed = _freed(facts)
            return InstancePlan(freed) if freed else _told(facts, said)
        case protocol.AskScheduler():
            return _place(facts, said, step)
        case protocol.SetDesired(Desired.RUNNING) if refused:
            return _keep(facts, said, protocol.Settled(), allowed=allowed)
        case protocol.SetDesired() | protocol.Settled():
            return _keep(facts, said, step, allowed=allowed)
        case protocol.Wait(reason, message):
            freed = _freed(facts) or quota.marked(facts)
            if freed:
                return InstancePlan(freed)
            return _told(facts, said | {schedule.TYPE: false(schedule.TYPE, reason, message)})
        case protocol.DeleteAssignment():
            # The node was told to purge it: whoever did that saw a deletion that is not known here yet.
            meta = facts.instance.metadata
            return InstancePlan((Inform(INSTANCE, meta.namespace, meta.name),))
        case _:
            # The other steps belong to placing (with a candidate) and to the end.
            raise AssertionError(step)


def _lent(facts: Facts, *, placing: bool) -> tuple[Ask, ...]:
    """What is to be asked about those who made the Image and the Volumes that are used now, and was not lately."""
    listed = {volume.volume_uid for volume in facts.assignment.spec.volumes} if facts.assignment else set()
    found = [may_log_in(facts.image, facts.answers)] if placing and facts.image is not None else []
    for disk in facts.disks:
        volume = disk.volume
        if volume is not None and not created(volume) and (placing or volume.metadata.uid not in listed):
            found.append(may_begin(volume, facts.answers))
    return tuple(ask for ask in found if isinstance(ask, Ask))


def _told(
    facts: Facts,
    said: dict[str, Condition],
    *,
    before: tuple[Effect, ...] = (),
    again_after: float | None = None,
    unplaced: bool = False,
) -> InstancePlan:
    """Nothing is left but to say so; the status goes out together with `before`."""
    report = summarize(facts, said)
    effects = (*before, *((report,) if report is not None else ()))
    return InstancePlan(effects, again_after, final=True, unplaced=unplaced)


def _keep(
    facts: Facts, said: dict[str, Condition], step: protocol.SetDesired | protocol.Settled, *, allowed: bool
) -> InstancePlan:
    """Bound: hand changes of the spec on, say who uses the Ports, sum up."""
    desired = step.desired if isinstance(step, protocol.SetDesired) else None
    assignment, host = facts.assignment, facts.node
    if assignment is None or assignment.spec.node_name is None:
        raise AssertionError
    asks = _lent(facts, placing=False)
    if asks:
        return InstancePlan(asks)
    coming = attachments.follow(facts, assignment, allowed=allowed)
    reserved = QUOTA_RESERVED in said and said[QUOTA_RESERVED].status is Truth.TRUE
    wiring = nics.follow(facts, assignment, allowed=allowed, reserved=reserved)
    brings = assign.added_secret(facts, assignment) if allowed else None
    if isinstance(brings, Blocker):
        said = said | {volumes.TYPE: false(volumes.TYPE, brings.reason, brings.message)}
    elif brings is not None:
        return InstancePlan((brings,))
    due: list[Effect] = [*coming.claims, *attachments.released(facts, assignment)]
    due += (*wiring.claims, *nics.released(facts, assignment))
    # Whoever lost a right may still stop what runs, and take a Volume back.
    may_change = allowed or desired in {Desired.STOPPED, Desired.RELEASED}
    change = (
        changes(facts, desired, coming.listed, wiring.listed) if may_change else assign.without_leaving(facts)
    )
    if due or change is not None:
        return InstancePlan((*due, *((change,) if change is not None else ())))
    if marked := quota.marked(facts):
        return InstancePlan(marked)
    moving = attachments.ready(facts, assignment, coming.blocker)
    if moving is not None and not isinstance(brings, Blocker):
        said = said | {volumes.TYPE: moving}
    wired = network.unguarded(facts) or nics.ready(facts, assignment, wiring.blocker)
    if wired is not None:
        said = said | {network.TYPE: wired}
    ordered = {nic.name: nic for nic in nics.staying(facts, assignment)}
    node = assignment.spec.node_name
    ports = (
        *network.bind_ports(facts, ordered, node, host, made=True, allowed=allowed),
        *network.bind_ports(facts, ordered, node, host, made=False),
    )
    if isinstance(brings, Blocker) or assign.unlocks_nothing(assignment):
        return _told(facts, said, before=ports, again_after=SECRET_AGAIN)
    if starting_for(facts) < STARTING_PATIENCE:
        return _told(facts, said, before=ports, again_after=STARTING_PATIENCE)
    if not allowed:
        news = _news(facts, said[AUTHORIZED])
        return _told(facts, said, before=(*ports, *news), again_after=FORBIDDEN_AGAIN)
    return _told(facts, said, before=ports, again_after=_asked_again(coming.blocker))


def _asked_again(found: object) -> float | None:
    """Seconds until a right is asked for again that another's object was refused for: roles are not watched."""
    return FORBIDDEN_AGAIN if isinstance(found, Blocker) and found.reason == FORBIDDEN else None


def _place(facts: Facts, said: dict[str, Condition], asked: protocol.AskScheduler) -> InstancePlan:
    """Unplaced, or to be placed again: resolve, choose, claim, bind."""
    asks = _lent(facts, placing=True)
    if asks:
        return InstancePlan(asks)
    found_image, wiring, disks = boot.resolve(facts), network.resolve(facts), volumes.resolve(facts)
    for kind, found in ((image.TYPE, found_image), (network.TYPE, wiring), (volumes.TYPE, disks)):
        if isinstance(found, Blocker):
            said[kind] = false(kind, found.reason, found.message)
    freed = _freed(facts)
    if freed:
        return InstancePlan(freed)
    flavor = facts.flavor
    if flavor is None:
        message = f"Flavor {facts.instance.spec.flavor_name} does not exist"
        said[schedule.TYPE] = false(schedule.TYPE, "FlavorNotFound", message)
        return _told(facts, said)
    found_keys = keys.resolve(facts)
    if isinstance(found_keys, Blocker):
        said[schedule.TYPE] = false(schedule.TYPE, found_keys.reason, found_keys.message)
        return _told(facts, said)
    ungrouped = group.blocker(facts)
    if ungrouped is not None:
        said[schedule.TYPE] = false(schedule.TYPE, ungrouped.reason, ungrouped.message)
        return _told(facts, said)
    if isinstance(found_image, Blocker) or isinstance(wiring, Blocker) or isinstance(disks, Blocker):
        again = again_after(wiring) if isinstance(wiring, Blocker) else None
        return _told(facts, said, again_after=_asked_again(found_image) or _asked_again(disks) or again)
    wanted = schedule.request(facts, asked, found_image, disks)
    candidate = schedule.choose(facts, wanted, asked)
    if isinstance(candidate, Condition):
        said[schedule.TYPE] = candidate
        news = _news(facts, candidate)
        return _told(facts, said, before=news, again_after=UNPLACED_AGAIN, unplaced=True)
    blocked = facts.secrets.get((node_namespace(candidate.node), facts.instance.metadata.uid))
    if blocked is not None:
        said[schedule.TYPE] = false(schedule.TYPE, blocked.reason, blocked.message)
        return _told(facts, said, again_after=SECRET_AGAIN)
    plan = InstancePlan(chosen=candidate.node, wanted=wanted)
    effects: tuple[Effect, ...] = _prepare(facts, candidate, wiring)
    step = decide(facts, candidate)
    if isinstance(step, protocol.CreateUnbound):
        return replace(plan, effects=(*effects, unbound(facts.instance, flavor)))
    effects = effects or group.join(facts, candidate.node)
    if effects:
        return replace(plan, effects=effects)
    if not isinstance(step, protocol.ReadInstanceThenBind):
        raise AssertionError(step)  # noqa: TRY004 - the protocol answers a candidate with these two only
    return replace(
        plan, effects=(_bind(facts, step, found_image, wiring, disks, found_keys), *_forget(facts, step))
    )


def _freed(facts: Facts) -> tuple[Effect, ...]:
    """Let go of what an Instance without a running order holds and does not list any more."""
    assignment = facts.assignment
    if assignment is None:
        if (attachments.leaving(facts) or nics.leaving(facts, None)) and facts.flavor is not None:
            return (assign.unbound(facts.instance, facts.flavor),)
        return ()
    change = assign.without_leaving(facts)
    if change is not None:
        return (change,)
    return (*attachments.released(facts, assignment), *nics.released(facts, assignment))


def _prepare(facts: Facts, candidate: protocol.Candidate, wiring: network.Wiring) -> tuple[Effect, ...]:
    """All that must be there before the node is told."""
    copy = node_secret(facts, candidate.node)
    host = facts.hypervisor(candidate.node)
    return (
        *wiring.creates,
        *volumes.attach(facts, candidate.node, candidate.pool_id),
        *network.bind_ports(facts, {nic.name: nic for nic in wiring.nics}, candidate.node, host, made=False),
        *((copy,) if copy is not None else ()),
    )


def _forget(facts: Facts, step: protocol.ReadInstanceThenBind) -> tuple[Remove, ...]:
    """The Secret of a node that gave the Instance up: nobody may read it there any more."""
    assignment = facts.assignment
    if assignment is None or assignment.spec.secret is None:
        return ()
    old = assignment.spec.secret
    return (
        () if old.namespace == node_namespace(step.node) else (Remove(secret_path(old.namespace, old.name)),)
    )


def _bind(
    facts: Facts,
    step: protocol.ReadInstanceThenBind,
    found_image: AssignedImage | None,
    wiring: network.Wiring,
    disks: volumes.Disks,
    found_keys: tuple[AssignedKey, ...],
) -> Bind:
    meta = facts.instance.metadata
    change = binding(facts, step, found_image, wiring.nics, disks.assigned, found_keys)
    return Bind(meta.namespace, meta.name, facts.assignment, change)


def _news(facts: Facts, condition: Condition) -> tuple[Announce, ...]:
    """An Event where the reason is new."""
    known = facts.say(condition.type)
    if known is not None and (known.reason, known.message) == (condition.reason, condition.message):
        return ()
    return (Announce(facts.instance, "Instance", "Warning", condition.reason, condition.message),)
