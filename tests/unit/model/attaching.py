"""Every interleaving of attach and detach: two Instances on two nodes, one Volume, operators as late as can be.

The decisions are the production functions'; a compare-and-swap of something read before another write fails and
changes nothing, so only those that succeed are steps. What an operator knows of what it does not write may be as it
was: of Instances it may know any that ever was, and of orders and the Volume one that was is remembered, whichever. An
agent is late by itself: it acts by the order that it saw last, and answers only for the order as it is.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import NamedTuple

from orlop_operator.reconcile.existence import is_unsettled
from orlop_operator.reconcile.instance import assign, attachments
from orlop_operator.reconcile.instance.facts import DiskFacts, Facts
from unit.model.attaching_world import (
    LOCATION,
    Claim,
    Disk,
    Order,
    World,
    assignment,
    host,
    instance,
    kept_by,
    volume,
)

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Decided(NamedTuple):
    """What an operator with these facts would write."""

    disks: tuple[Disk, ...] = ()
    order: Order | None = None


@cache
def decide(who: int, generation: int, order: Order, disk: Disk, several: bool) -> Decided:
    """One look at the Instance."""
    known, wish = volume(disk, several), instance(who, generation)
    mounts = tuple(DiskFacts(mount, known, kept_by(several)) for mount in wish.spec.volumes)
    used = (known,) if any(claim.who == who for claim in disk.claims) else ()
    facts = Facts(
        wish,
        NOW,
        assignment(who, order),
        disks=mounts,
        used_volumes=used,
        hypervisor=lambda name: host(int(name[1:])),
    )
    if facts.assignment is None or assign.is_newer(facts):
        return Decided()
    coming = attachments.follow(facts, facts.assignment, allowed=True)
    change = assign.changes(facts, None, coming.listed, tuple(facts.assignment.spec.nics))
    written = None
    if change is not None:
        spec = change.change["spec"]
        listing = bool(spec.get("volumes", facts.assignment.spec.volumes))
        follows = spec.get("instanceGeneration", order.follows)
        if (listing, follows) != (order.lists, order.follows):  # other news of a Volume is none here
            written = order._replace(version=order.version + 1, follows=follows, lists=listing)
    patches = (*coming.claims, *attachments.released(facts, facts.assignment))
    return Decided(tuple(_patched(disk, patch.change["status"]) for patch in patches), written)


def _patched(disk: Disk, status: dict) -> Disk:
    claims = [
        Claim(int(held["instanceUID"][1:]), held["instanceGeneration"]) for held in status["attachments"]
    ]
    came = "attachmentGeneration" in status
    # A question to the node is about the attachments until then.
    found = None if came else disk.found
    location = status.get("location", LOCATION if disk.located else None)
    ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", []))
    return Disk(tuple(claims), location is not None, disk.created or ready, found)


def _with_disk(world: World, disk: Disk) -> World:
    return world._replace(disk=disk)


def _with(pair: tuple, who: int, item: object) -> tuple:
    return (item, pair[1]) if who == 0 else (pair[0], item)


def _with_order(world: World, who: int, order: Order) -> World:
    return world._replace(orders=_with(world.orders, who, order))


def _with_agent(world: World, who: int, **news: object) -> World:
    return world._replace(agents=_with(world.agents, who, world.agents[who]._replace(**news)))


def moves(world: World, most: tuple[int, int], several: bool) -> Iterator[tuple[str, World]]:
    """Everything that may happen next; whenever something changes, somebody may not hear of it."""
    for said, after in _moves(world, most, several):
        yield said, after
        if after.disk != world.disk:
            yield f"{said} (unheard)", after._replace(late=world.disk)
        for who in (0, 1):
            if after.orders[who] != world.orders[who]:
                yield f"{said} (unheard)", after._replace(late=(who, world.orders[who]))


def _moves(world: World, most: tuple[int, int], several: bool) -> Iterator[tuple[str, World]]:
    for who in (0, 1):
        if world.wishes[who] < most[who]:
            wishes = _with(world.wishes, who, world.wishes[who] + 1)
            yield f"the user changes i{who}", world._replace(wishes=wishes)
        yield from _operator(world, who, several)
        yield from _agent(world, who)
    yield from _about_data(world, several)


def _operator(world: World, who: int, several: bool) -> Iterator[tuple[str, World]]:
    order, disk, late = world.orders[who], world.disk, world.late
    orders, disks = {order}, {disk}
    if isinstance(late, Disk):
        disks.add(late)
    elif late is not None and late[0] == who:
        orders.add(late[1])
    for generation in range(1, world.wishes[who] + 1):
        for known in orders:
            for new in decide(who, generation, known, disk, several).disks:
                if new != disk:
                    yield f"i{who} of {generation}, {known}: Volume {new}", _with_disk(world, new)
        for seen in disks:
            written = decide(who, generation, order, seen, several).order
            if written is not None:
                yield f"i{who} of {generation}, {seen}: order {written}", _with_order(world, who, written)


def _agent(world: World, who: int) -> Iterator[tuple[str, World]]:
    order, agent = world.orders[who], world.agents[who]
    if (agent.version, agent.lists) != (order.version, order.lists):
        yield f"n{who} reads", _with_agent(world, who, version=order.version, lists=order.lists)
    if agent.lists and not world.file:
        yield f"n{who} makes the data", world._replace(file=True)
    if agent.lists and world.file and not agent.has:
        yield f"n{who} plugs in", _with_agent(world, who, has=True)
    if agent.has and agent.version == order.version and not order.lists:
        yield f"n{who} takes out", _with_agent(world, who, has=False)
    if agent.version == order.version:
        said = order._replace(
            answered=order.version, attached=agent.has, said_created=order.lists and world.file
        )
        if said != order:
            yield f"n{who} answers", _with_order(world, who, said)


def _about_data(world: World, several: bool) -> Iterator[tuple[str, World]]:
    disk = world.disk
    if not disk.created and any(world.orders[claim.who].said_created for claim in disk.claims):
        yield "the operator notes that there is data", _with_disk(world, disk._replace(created=True))
    if not is_unsettled(volume(disk, several)):
        return
    busy = any(agent.lists or order.lists for agent, order in zip(world.agents, world.orders, strict=True))
    if disk.found is None and not busy:
        yield "a node says whether there is data", _with_disk(world, disk._replace(found=world.file))
    if disk.found is True:
        yield "the operator hears of data", _with_disk(world, disk._replace(created=True))
    if disk.found is False:
        yield "the operator hears of none", _with_disk(world, Disk())


def broken(world: World, several: bool) -> str | None:
    """What must never be."""
    attached = {claim.who for claim in world.disk.claims}
    guests = {who for who in (0, 1) if world.agents[who].has}
    if not guests <= attached:
        return "a guest has a disk that is not attached to its Instance"
    if len(attached) > 1 and not several:
        return "two have a Volume that is for one"
    if world.file and not world.disk.located:
        return "data that was made is forgotten"
    if world.disk.found is False and world.file:
        return "data that is there was said not to be"
    return None


def search(most: tuple[int, int], several: bool) -> tuple[int, list[str] | None, set[World]]:
    """How many states there are, the steps to the first that must not be, and those where nothing is left to do."""
    start = World()
    came_from: dict[World, tuple[World, str] | None] = {start: None}
    todo, ends = [start], set()
    while todo:
        world = todo.pop()
        wrong = broken(world, several)
        if wrong is not None:
            return len(came_from), [*_story(came_from, world), wrong], ends
        quiet = True
        for said, after in moves(world, most, several):
            quiet = False
            if after not in came_from:
                came_from[after] = (world, said)
                todo.append(after)
        if quiet:
            ends.add(world)
    return len(came_from), None, ends


def _story(came_from: dict, world: World) -> list[str]:
    told: list[str] = []
    step = came_from[world]
    while step is not None:
        world, said = step
        told.append(said)
        step = came_from[world]
    return told[::-1]
