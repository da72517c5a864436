"""The node is in a domain where the Instance's group lets it be: with the others, or apart from them."""

from __future__ import annotations

from collections.abc import Iterable

from orlop_operator.scheduling.facts import GroupNeed, Host, Rejection, Request
from orlop_operator.scheduling.filters.grouping import grouped
from orlop_operator.scheduling.topology import anywhere, domain_of, within
from orlop_operator.scheduling.world import Mask, World


def keep(world: World, request: Request) -> Mask:
    need = request.group
    if need is None or not need.hard:
        return world.every
    if need.together:
        return within(world, need.key, need.taken) if need.taken else anywhere(world, need.key)
    full = [domain for domain, count in need.taken.items() if count >= need.most]
    labeled = anywhere(world, need.key)
    return labeled & ~within(world, need.key, full) if full else labeled


def explain(world: World, request: Request, rejected: Mask) -> Iterable[Rejection]:
    need = request.group
    return grouped(world, rejected, lambda host: _why(need, host) if need is not None else "")


def _why(need: GroupNeed, host: Host) -> str:
    domain = domain_of(host, need.key)
    if domain is None:
        return f"have no label {need.key}, which {need.name} goes by"
    if need.together:
        return f"not where the others of {need.name} are ({need.key} {', '.join(sorted(need.taken))})"
    return f"taken by {need.name} (at most {need.most} for each {need.key})"
