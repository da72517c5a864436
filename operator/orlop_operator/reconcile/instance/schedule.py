"""What the scheduler is asked, and how its answer is said. Pure."""

from __future__ import annotations

from orlop_api.assigned_image import AssignedImage
from orlop_api.condition import Condition, Truth, find
from orlop_api.quantity import to_bytes
from orlop_operator.ipam6 import subnet4
from orlop_operator.protocol import AskScheduler, Candidate
from orlop_operator.reconcile import publish
from orlop_operator.reconcile.conditions import false
from orlop_operator.reconcile.instance import affinity, boot, group, hardware
from orlop_operator.reconcile.instance.facts import Facts
from orlop_operator.reconcile.instance.volumes import Disks
from orlop_operator.reconcile.lan import need
from orlop_operator.scheduling import AggregateNeed, PhysicalNeed, Pin, Placement, Request, Unplaceable

TYPE = "Scheduled"


def request(facts: Facts, asked: AskScheduler, image: AssignedImage | None, disks: Disks) -> Request:
    """What the Instance needs of a node."""
    if facts.flavor is None:
        raise AssertionError
    flavor, placement = facts.flavor.spec, facts.instance.spec.placement
    pins, from_volume = disks.pins, facts.boot_disk is not None
    if asked.only is not None:
        pool = facts.assignment.spec.pool_id if facts.assignment else None
        pins = (Pin("the data" if from_volume else "the root disk", asked.only, pool), *pins)
    requirements = boot.requirements(facts)
    excluded = dict.fromkeys(asked.exclude, "it is proved dead") | dict(facts.excluded)
    return Request(
        vcpus=flavor.vcpus,
        memory=to_bytes(flavor.memory),
        disk=disks.fresh_bytes + (0 if from_volume else to_bytes(flavor.root_disk)),
        held=disks.held,
        node_selector=placement.node_selector,
        affinity=affinity.required(placement),
        preferred=affinity.preferred(placement),
        zone=placement.zone,
        aggregates=_aggregates(facts, (*flavor.aggregates, *placement.aggregates)),
        tolerations=tuple(placement.tolerations),
        architecture=requirements.architecture if requirements else None,
        hardware=hardware.need(boot.hardware(facts)),
        ipv6_alone=any(nic.network is not None and subnet4(nic.network) is None for nic in facts.nics),
        image=image.digest if image is not None else None,
        not_given=_not_given(facts, image) if asked.only is None else "",
        pins=pins,
        pools=disks.pools,
        physical=_physical(facts),
        excluded=excluded,
        failed=facts.failed,
        profile=placement.profile,
        group=group.need(facts),
    )


def _aggregates(facts: Facts, names: tuple[str, ...]) -> tuple[AggregateNeed, ...]:
    found = {name: facts.aggregate(name) for name in dict.fromkeys(names)}
    return tuple(
        AggregateNeed(name, tuple(sorted(each.spec.node_selector.items())) if each is not None else None)
        for name, each in found.items()
    )


def _physical(facts: Facts) -> tuple[PhysicalNeed, ...]:
    found = (need(nic.network) for nic in facts.nics if nic.network is not None)
    return tuple(dict.fromkeys(each for each in found if each is not None))


def _not_given(facts: Facts, image: AssignedImage | None) -> str:
    """Why nodes without the image cannot have it: a published one is nowhere but on nodes."""
    if image is None or image.source.published is None or facts.image is None or facts.image.status is None:
        return ""
    kept = find(facts.image.status.conditions, publish.TYPE)
    if facts.peers(image.digest, "") or (kept is not None and kept.status is Truth.TRUE):
        return ""
    # An Image is Ready a moment before it says whether it is kept.
    return kept.reason if kept is not None else "Pending"


def choose(facts: Facts, wanted: Request, asked: AskScheduler) -> Candidate | Condition:
    """The node of an earlier pass, or the scheduler's; or why there is none."""
    # It may have refused since.
    chosen = facts.chosen if facts.chosen not in wanted.excluded and _fits(facts, wanted) else None
    if chosen is None:
        found = facts.place(wanted)
        if isinstance(found, Unplaceable):
            pinned = asked.only is not None and found.reason == "Unschedulable"
            reason = "PinnedToNode" if pinned else found.reason
            return false(TYPE, reason, found.message)
        chosen = _node(found)
    host = facts.hypervisor(chosen)
    if host is None or host.status is None or host.status.pool_id is None:
        return false(TYPE, "Unschedulable", f"{chosen} has not reported its data pool yet")
    return Candidate(chosen, host.status.pool_id)


def _fits(facts: Facts, wanted: Request) -> bool:
    """Whether the node of an earlier pass still has all data, and is where its group lets it be.

    Another Instance may have said meanwhile where the data is, or have taken the place.
    """
    if facts.chosen is not None and wanted.group is not None:
        domain = facts.domain(facts.chosen, wanted.group.key)
        if not wanted.group.allows(domain):
            return False
    host = facts.hypervisor(facts.chosen) if facts.chosen is not None else None
    pool = host.status.pool_id if host is not None and host.status is not None else None
    return all(pin.node == facts.chosen and pin.pool_id in {None, pool} for pin in wanted.pins)


def _node(found: Placement) -> str:
    return found.node
