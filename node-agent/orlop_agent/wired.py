"""Which NIC is which: the order's, those that were wired here by the journal, and those that the domain has. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from orlop_agent.hypervisor import DomainNic
from orlop_agent.network import names
from orlop_agent.observed import Observed
from orlop_api.assignment import AssignedNic, Assignment
from orlop_api.nic import AttachedNic
from orlop_api.nic_addresses import addresses_of


def ordered(assignment: Assignment) -> dict[str, AssignedNic]:
    """The order's NICs by their taps."""
    return by_tap(assignment.spec.instance.uid, assignment.spec.nics)


def by_tap(instance_uid: str, nics: Iterable[AssignedNic]) -> dict[str, AssignedNic]:
    """NICs by their taps."""
    return {names.tap(instance_uid, nic.name): nic for nic in nics}


def wired(observed: Observed, assignment: Assignment) -> dict[str, AssignedNic]:
    """By their taps what may be here of NICs: each is journaled before anything of it is made."""
    nics = observed.record.nics if observed.record is not None else ()
    return by_tap(assignment.spec.instance.uid, nics)


def in_domain(observed: Observed) -> dict[str, DomainNic]:
    """The domain's NICs by their taps; others' are let alone."""
    nics = observed.domain.nics if observed.domain is not None else ()
    return {nic.tap: nic for nic in nics if names.is_tap(nic.tap)}


def same(one: AssignedNic, other: AssignedNic | None) -> bool:
    """Whether it is the same NIC, and not another one under its name."""
    return other is not None and _identity(one) == _identity(other)


def _identity(nic: AssignedNic) -> tuple[str, str, str, int, str, tuple[str, ...]]:
    return nic.name, nic.port_name, nic.network_uid, nic.segment_id, nic.mac_address, tuple(addresses_of(nic))


def unwanted(observed: Observed, assignment: Assignment) -> Iterator[str]:
    """Taps of NICs that the domain has and the order does not list, or lists as another one."""
    wanted, known = ordered(assignment), wired(observed, assignment)
    for tap, has in in_domain(observed).items():
        nic = wanted.get(tap)
        if nic is None or nic.mac_address != has.mac or (tap in known and not same(nic, known[tap])):
            yield tap


def left(observed: Observed, assignment: Assignment) -> dict[str, AssignedNic]:
    """What may be here of NICs that neither the order lists nor the domain has."""
    wanted, has = ordered(assignment), in_domain(observed)
    if observed.memory.unwired:
        return {}
    return {
        tap: nic
        for tap, nic in wired(observed, assignment).items()
        if tap not in has and not same(nic, wanted.get(tap))
    }


def attached(observed: Observed, assignment: Assignment) -> list[AttachedNic]:
    """For the answer: the NICs that the domain has, and those of which something else is still here, by name."""
    known: Mapping[str, AssignedNic] = ordered(assignment) | wired(observed, assignment)
    taps = {*in_domain(observed), *left(observed, assignment)}
    found = map(known.get, sorted(taps))
    told = (AttachedNic(name=nic.name, port_name=nic.port_name) for nic in found if nic is not None)
    return sorted(told, key=lambda nic: nic.name)
