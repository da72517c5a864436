"""NICs of a bound Instance that come and go: claimed before the order lists them, freed after the node let go. Pure.

As with Volumes (docs/adr/0010-attach-and-detach.md): address, MAC address and Port are claimed, then the Assignment
lists the NIC; not listed, then not at the guest by the node's word for that very order, then Port and Claims go.
"""

from __future__ import annotations

from dataclasses import dataclass

from orlop_api.assignment import AssignedNic, Assignment, Desired, State
from orlop_api.condition import Condition, Truth, find
from orlop_api.nic_addresses import addresses_of
from orlop_operator.kinds import PORT, OwnedPort
from orlop_operator.protocol import answer
from orlop_operator.reconcile.conditions import false
from orlop_operator.reconcile.effects import Effect, Patch
from orlop_operator.reconcile.instance import network
from orlop_operator.reconcile.instance.facts import Blocker, Facts, NicFacts
from orlop_operator.reconcile.instance.ports import ended
from orlop_operator.reconcile.quarantine import given_back
from orlop_operator.references import made_port

_AT_REST = frozenset({State.STOPPED, State.RELEASED, State.REFUSED})


@dataclass(frozen=True)
class Change:
    """What is due for the NICs of a bound Instance."""

    claims: tuple[Effect, ...] = ()
    """What has to be there before they are listed."""
    listed: tuple[AssignedNic, ...] = ()
    """What the order shall list."""
    blocker: Blocker | None = None
    """Why the first of those that are not listed is not."""


def follow(facts: Facts, assignment: Assignment, *, allowed: bool, reserved: bool = True) -> Change:
    """The Instance's list, as far as it can be followed; what the guest has already is never given up for a blocker.

    Ports are made as far as they are `reserved`.
    """
    claims: list[Effect] = []
    listed: list[AssignedNic] = []
    blocker: Blocker | None = None
    picked: set[str] = set(facts.claimed)
    for nic in facts.nics:
        known = _listed(assignment, nic)
        if known is not None and is_same(facts, nic, known):
            listed.append(known)
            continue
        if port_name(facts, nic) in leaving(facts, assignment):
            blocker = blocker or Blocker(
                "Detaching", f"NIC {nic.nic.name} waits until the one before it is detached"
            )
            continue
        if not allowed or (not reserved and nic.nic.port_ref is None):
            continue
        found = network.resolve_one(facts, nic, picked)
        if isinstance(found, Blocker):
            blocker = blocker or found
            continue
        wired, creates = found
        if network.too_old(wired, facts.node):
            blocker = blocker or Blocker("AgentTooOld", network.TOO_OLD)
            continue
        bind = _bound(facts, assignment, nic, wired)
        if creates or bind:
            claims += [*creates, *bind]
        else:
            listed.append(wired)
    return Change(tuple(claims), tuple(listed), blocker)


def _bound(facts: Facts, assignment: Assignment, nic: NicFacts, wired: AssignedNic) -> tuple[Effect, ...]:
    """Claims a user's Port for this Instance, before the order lists it."""
    node = assignment.spec.node_name or ""
    return network.bind_ports(facts, {nic.nic.name: wired}, node, facts.node, made=False)


def _listed(assignment: Assignment, nic: NicFacts) -> AssignedNic | None:
    return next((known for known in assignment.spec.nics if known.name == nic.nic.name), None)


def port_name(facts: Facts, nic: NicFacts) -> str:
    """The Port that an entry has."""
    reference = nic.nic.port_ref
    return reference.name if reference is not None else made_port(facts.instance.metadata.name, nic.nic.name)


def is_same(facts: Facts, nic: NicFacts, known: AssignedNic) -> bool:
    """Whether an entry is the NIC that was ordered, and not another one that took its name since."""
    wish = nic.nic
    if known.port_name != port_name(facts, nic):
        return False
    first = next(iter(addresses_of(known)), None)
    if wish.address not in {None, first} or wish.mac_address not in {None, known.mac_address}:
        return False
    # A Network or a Port that is gone is no reason to take what a guest has.
    if nic.network is not None and nic.network.metadata.uid != known.network_uid:
        return False
    status = nic.port.status if nic.port is not None else None
    return status is None or not status.addresses or status.addresses[0] == first


def wanted_ports(facts: Facts, assignment: Assignment | None) -> set[str]:
    """Names of the Ports that the Instance shall have, but those whose name is another NIC's yet."""
    ordered = {nic.name: nic for nic in assignment.spec.nics} if assignment is not None else {}
    return {
        port_name(facts, nic)
        for nic in facts.nics
        if ((known := ordered.get(nic.nic.name)) is None and not _is_anothers(facts, nic))
        or (known is not None and is_same(facts, nic, known))
    }


def _is_anothers(facts: Facts, nic: NicFacts) -> bool:
    """Whether the Port that Orlop made under this name was made for an entry that said otherwise."""
    port, wish = nic.port, nic.nic
    if wish.port_ref is not None or port is None or port.owner_uid != facts.instance.metadata.uid:
        return False
    spec, reference = port.spec, wish.network_ref
    said = (spec.network_ref.name, spec.address, spec.mac_address)
    return said != (reference.name if reference is not None else "", wish.address, wish.mac_address)


def leaving(facts: Facts, assignment: Assignment | None) -> set[str]:
    """Names of the Ports that the Instance has, or has Claims for, and does not list any more."""
    has = {port.metadata.name for port in (*facts.made_ports, *facts.bound_ports)}
    has |= {claim.spec.holder.name for claim in facts.held.values()}
    if assignment is not None:
        has |= {nic.port_name for nic in assignment.spec.nics}
    return has - wanted_ports(facts, assignment)


def outdated(facts: Facts, assignment: Assignment) -> bool:
    """Whether a NIC is to be let go, and the order does not say yet that it follows this Instance."""
    older = assignment.spec.instance_generation < facts.instance.metadata.generation
    return older and bool(leaving(facts, assignment))


def staying(facts: Facts, assignment: Assignment) -> list[AssignedNic]:
    """The order's NICs, without those that the Instance does not list any more."""
    wanted = wanted_ports(facts, assignment)
    return [nic for nic in assignment.spec.nics if nic.port_name in wanted]


def released(facts: Facts, assignment: Assignment) -> tuple[Effect, ...]:
    """Free what no node has anything of any more."""
    if assignment.spec.instance_generation < facts.instance.metadata.generation:
        return ()
    gone = {name for name in leaving(facts, assignment) if let_go(assignment, name)}
    # The Port goes last: it says which Claims under its name are another NIC's than the one that is listed now.
    held = [claim for claim in facts.held.values() if claim.spec.holder.name in gone]
    if held:
        return given_back(held, facts.networks, facts.now)
    made = (port for port in facts.made_ports if port.metadata.name in gone)
    bound = (port for port in facts.bound_ports if port.metadata.name in gone)
    return (
        *map(ended, made),
        *(Patch(PORT, port, {"status": {"binding": None}}, "status") for port in bound),
    )


def let_go(assignment: Assignment, port: str) -> bool:
    """Whether the node says, for this very order, that nothing of the NIC is there."""
    if any(nic.port_name == port for nic in assignment.spec.nics):
        return False
    if assignment.spec.node_name is None:
        return True
    said = answer(assignment)
    if said is None or said.observed_generation != assignment.metadata.generation:
        return False
    if said.attached_nics is None:  # an agent that does not tell takes all away when it stops the guest
        return said.state in _AT_REST
    return all(nic.port_name != port for nic in said.attached_nics)


def ready(facts: Facts, assignment: Assignment, blocker: Blocker | None) -> Condition | None:
    """NetworkReady while a NIC comes or goes; None where the node's own word is all there is to say."""
    if blocker is not None:
        return false(network.TYPE, blocker.reason, blocker.message)
    node, said = assignment.spec.node_name, answer(assignment)
    reported = find(said.conditions, network.TYPE) if said is not None else None
    detail = reported if reported is not None and reported.status is Truth.FALSE else None
    why = f": {detail.message}" if detail is not None and detail.message else ""
    old = said is not None and said.state is State.RUNNING and said.attached_nics is None
    for name in sorted(leaving(facts, assignment)):
        if old:
            message = (
                f"{node}'s agent cannot take a NIC from a guest that runs: it goes once the guest is stopped"
            )
            return false(network.TYPE, "Detaching", message)
        return false(
            network.TYPE, detail.reason if detail else "Detaching", f"{node} detaches Port {name}{why}"
        )
    if said is None or said.state is not State.RUNNING or assignment.spec.desired is not Desired.RUNNING:
        return None
    has = {nic.port_name for nic in said.attached_nics or ()}
    for nic in assignment.spec.nics:
        if nic.port_name not in has and not old:
            reason = detail.reason if detail else "Attaching"
            return false(network.TYPE, reason, f"{node} attaches NIC {nic.name}{why}")
    return None


def shown(assignment: Assignment) -> list[AssignedNic]:
    """The order's NICs, of a guest that runs those that it has."""
    said = answer(assignment)
    if said is None or said.state is not State.RUNNING or said.attached_nics is None:
        return assignment.spec.nics
    has = {nic.port_name for nic in said.attached_nics}
    return [nic for nic in assignment.spec.nics if nic.port_name in has]


def held_on_to(facts: Facts, assignment: Assignment) -> list[tuple[str, OwnedPort]]:
    """NICs that the guest has and the order does not list any more, with their Ports."""
    said = answer(assignment)
    ordered = {nic.port_name for nic in assignment.spec.nics}
    ports = {port.metadata.name: port for port in (*facts.made_ports, *facts.bound_ports)}
    names = {nic.name for nic in assignment.spec.nics}
    return [
        (nic.name, ports[nic.port_name])
        for nic in (said.attached_nics or () if said is not None else ())
        if nic.port_name not in ordered and nic.port_name in ports and nic.name not in names
    ]
