"""What an Instance counts for in its namespace's Quota, and whether that is reserved. Pure.

It is reserved before an Instance gets a node, or starts again, and goes back once nothing can run any more: at its end
with its Assignment, and with stoppedInstances Free once its node says that it is stopped. The Ports of its NICs are
reserved with it, and go back when a NIC is gone. What goes back before the end takes a mark on the Assignment first,
whose compare-and-swap keeps whoever knows only the old reservation from starting, or from giving it a NIC, by it.
"""

from __future__ import annotations

from orlop_api.assignment import Assignment, Desired, State
from orlop_api.condition import Condition
from orlop_api.flavor import Flavor
from orlop_api.instance import Instance, PowerState
from orlop_api.quantity import to_bytes
from orlop_api.quota import Hold, Quota, StoppedInstances, amount
from orlop_operator import protocol
from orlop_operator.kinds import ASSIGNMENT
from orlop_operator.reconcile.conditions import false, true, unknown
from orlop_operator.reconcile.counting import EXCEEDED, TYPE
from orlop_operator.reconcile.effects import Create, Patch
from orlop_operator.reconcile.instance import assign, nics
from orlop_operator.reconcile.instance.facts import Facts
from orlop_operator.references import made_port
from orlop_operator.reserving import NOTHING, Amounts, Asker, covers


def asker(
    instance: Instance, flavor: Flavor | None, assignment: Assignment | None, policy: StoppedInstances
) -> Asker | None:
    """What the Instance asks of its namespace's Quota; None while nobody knows its size."""
    meta = instance.metadata
    size = _size(flavor, assignment)
    if size is None:
        return None
    stopped, frees = instance.spec.power_state is PowerState.STOPPED, policy is StoppedInstances.FREE
    off = assignment is None or is_off(assignment)
    has: Amounts = {}
    if assignment is not None and assignment.spec.node_name is not None:
        has = _amounts({} if off and frees else size, _wired(instance, assignment))
    made = sum(nic.port_ref is None for nic in instance.spec.networks)
    wants = {} if meta.deleting else _amounts({} if stopped and frees else size, made)
    return Asker(
        uid=meta.uid,
        name=f"Instance {meta.name}",
        created=meta.creation_timestamp,
        wants=wants,
        has=has,
        token=assignment.spec.reservation if assignment is not None else 0,
        starts=not stopped and not meta.deleting,
        lets_go=not meta.deleting and (off or not stopped) and _is_within(has, wants),
    )


def _amounts(size: Amounts, ports: int) -> Amounts:
    return {"instances": 1, **size, **({"ports": ports} if ports else {})}


def _wired(instance: Instance, assignment: Assignment) -> int:
    """Ports that were made for NICs that it has, or that its node may not have let go of."""
    said = protocol.answer(assignment)
    listed = [(nic.name, nic.port_name) for nic in assignment.spec.nics]
    listed += [(nic.name, nic.port_name) for nic in (said.attached_nics or () if said is not None else ())]
    own = {nic.port_ref.name for nic in instance.spec.networks if nic.port_ref is not None}
    names = {port for nic, port in listed if port == made_port(instance.metadata.name, nic)}
    return len(names - own)


def _is_within(some: Amounts, more: Amounts) -> bool:
    return all(more.get(name, 0) >= number for name, number in some.items())


def is_off(assignment: Assignment) -> bool:
    """Whether nothing runs, nor can before the operator writes the order again."""
    if assignment.spec.node_name is None or protocol.is_final(assignment):
        return True
    said = protocol.answer(assignment)
    # Without an answer nothing was started at this epoch, and an order that says Stopped is one to start nothing.
    return assignment.spec.desired is Desired.STOPPED and (said is None or said.state is State.STOPPED)


def judge(facts: Facts) -> Condition | None:
    """Whether it may run by the Quota; None while that has not been looked at for it."""
    if facts.quota is None:
        return true(TYPE, "NoQuota", "the namespace has no quota")
    asks = _asker(facts, facts.quota)
    if asks is None:
        message = f"Flavor {facts.instance.spec.flavor_name}, by which it is counted, does not exist"
        return unknown(TYPE, "FlavorNotFound", message)
    if covers(_hold(facts, facts.quota), asks):
        said = ", ".join(amount(name, number) for name, number in asks.wants.items())
        return true(TYPE, "Reserved", f"Quota {facts.quota.metadata.name}: {said}")
    if facts.over_quota:
        return false(TYPE, EXCEEDED, f"Quota {facts.quota.metadata.name}: {facts.over_quota}")
    return None


def is_needed(step: protocol.Step) -> bool:
    """Whether the step is one that only goes on once the Quota has said something."""
    match step:
        case protocol.AskScheduler() | protocol.SetDesired(Desired.RUNNING) | protocol.Wait("Stopped"):
            return True
        case _:
            return False


def marked(facts: Facts) -> tuple[Create[Assignment] | Patch[Assignment], ...]:
    """The word that what it reserved before is worth nothing for a start, or a NIC; nothing where that is not due.

    Where there is no Assignment, one without a node is made to bear it.
    """
    if facts.quota is None:
        return ()
    hold, asks = _hold(facts, facts.quota), _asker(facts, facts.quota)
    if asks is None or not asks.lets_go or hold.token < asks.token:
        return ()
    if _is_within(hold.amounts, asks.wants) or nics.leaving(facts, facts.assignment):
        return ()
    if facts.assignment is not None:
        return (Patch(ASSIGNMENT, facts.assignment, {"spec": {"reservation": hold.token + 1}}),)
    return (assign.unbound(facts.instance, facts.flavor),) if facts.flavor is not None else ()


def _asker(facts: Facts, quota: Quota) -> Asker | None:
    return asker(facts.instance, facts.flavor, facts.assignment, quota.spec.stopped_instances)


def _hold(facts: Facts, quota: Quota) -> Hold:
    return quota.holds.get(facts.instance.metadata.uid, NOTHING)


def _size(flavor: Flavor | None, assignment: Assignment | None) -> Amounts | None:
    """What it has, where there is an order; a Flavor of that name may say something else by then."""
    if assignment is not None:
        return {"vcpus": assignment.spec.vcpus, "memory": assignment.spec.memory_bytes}
    if flavor is None:
        return None
    return {"vcpus": flavor.spec.vcpus, "memory": to_bytes(flavor.spec.memory)}
