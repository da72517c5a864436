"""Who of a namespace gets what its Quota allows: in order of age, and never more than that. Pure.

What comes out is written by one compare-and-swap of the Quota that went in, so of two operators that decide at once
only one has decided.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from orlop_api.quota import MOST_HOLDERS, Hold, amount

Amounts = Mapping[str, int]
"""By resource; what is absent is 0."""
NOTHING = Hold()


@dataclass(frozen=True)
class Asker:
    """One object that counts."""

    uid: str
    name: str
    """For sentences: `Instance web-1`."""
    created: str
    """Its creationTimestamp; of those of one second the names decide."""
    wants: Amounts = field(default_factory=dict)
    """What it has to have reserved before it begins, or goes on to."""
    has: Amounts = field(default_factory=dict)
    """What it uses already. That counts whatever the limit: it was there before the Quota was, or the limit."""
    token: int = 0
    """What was reserved before this lets it start no more."""
    starts: bool = False
    """It wants to run: then what it has must have been reserved as of `token`."""
    lets_go: bool = False
    """It uses no more than it wants, and what was reserved before `token` is to go back."""
    behind: str = ""
    """What it has to wait for before it can have more, room or not; empty where nothing is."""


@dataclass(frozen=True)
class Outcome:
    """Who has what, and why the others wait."""

    holds: Mapping[str, Hold]
    refusals: Mapping[str, str]
    """Uid to a sentence with what is used, asked and allowed."""


def reserve(
    limits: Amounts, holds: Mapping[str, Hold], askers: Collection[Asker], gone: Collection[str]
) -> Outcome:
    """One round: what is over goes back, then whoever asks is served, the oldest first.

    Who does not fit holds younger ones back that ask for what it lacks, so that many small ones never keep a large one
    waiting; who can never fit holds nobody back.
    """
    made = {uid: hold for uid, hold in holds.items() if uid not in gone}
    for asker in askers:
        hold = made.get(asker.uid, NOTHING)
        if asker.lets_go and hold.token < asker.token:
            hold = Hold(_least(hold.amounts, asker.wants), hold.token)
        if _more(asker.has, hold.amounts):
            hold = Hold(_most(hold.amounts, asker.has), hold.token)
        if hold.amounts:
            made[asker.uid] = hold
    used: Counter[str] = Counter()
    for hold in made.values():
        used.update(hold.amounts)
    refusals: dict[str, str] = {}
    first: dict[str, Asker] = {}
    for asker in sorted(askers, key=lambda each: (each.created, each.name)):
        hold = made.get(asker.uid, NOTHING)
        more = _more(asker.wants, hold.amounts)
        if not more and (not asker.starts or hold.token >= asker.token):
            continue
        why = asker.behind or _refusal(limits, used, asker, more, first)
        if not why and asker.uid not in made and len(made) >= MOST_HOLDERS:
            why = f"{MOST_HOLDERS} objects are counted, and it can be no more"
        if why:
            refusals[asker.uid] = why
            continue
        made[asker.uid] = Hold(_most(hold.amounts, asker.wants), asker.token if asker.starts else hold.token)
        used.update(more)
    return Outcome(made, refusals)


def covers(hold: Hold, asker: Asker) -> bool:
    """Whether it has what it wants, and lately enough."""
    return not _more(asker.wants, hold.amounts) and (not asker.starts or hold.token >= asker.token)


def sums(holds: Iterable[Hold]) -> Amounts:
    """What all of them have together."""
    used: Counter[str] = Counter()
    for hold in holds:
        used.update(hold.amounts)
    return used


def over(limits: Amounts, used: Amounts) -> list[str]:
    """What more is used of than is allowed, by now."""
    return [
        f"{used[name]} of {amount(name, limit)}"
        for name, limit in limits.items()
        if used.get(name, 0) > limit
    ]


def _refusal(limits: Amounts, used: Amounts, asker: Asker, more: Amounts, first: dict[str, Asker]) -> str:
    """Why it does not get it; empty where it does. Whoever is first to lack a thing is noted."""
    asked = [name for name in more if name in limits]
    never = [name for name in asked if asker.wants[name] > limits[name]]
    if never:
        return "; ".join(_said(name, limits, used, more) for name in never) + ": more than there can be"
    short = [name for name in asked if used.get(name, 0) + more[name] > limits[name]]
    behind = next((name for name in asked if name in first), None)
    for name in short:
        first.setdefault(name, asker)
    if short:
        return "; ".join(_said(name, limits, used, more) for name in short)
    if behind is not None:
        older = first[behind]
        return f"{_said(behind, limits, used, more)}; {older.name} is older and waits for more than is left"
    return ""


def _said(name: str, limits: Amounts, used: Amounts, more: Amounts) -> str:
    """`50 of 50 instances used, 1 asked`."""
    return f"{_number(name, used.get(name, 0))} of {amount(name, limits[name])} used, {_number(name, more[name])} asked"


def _number(name: str, number: int) -> str:
    return amount(name, number).split(" ", 1)[0]


def _more(wants: Amounts, amounts: Amounts) -> dict[str, int]:
    return {
        name: number - amounts.get(name, 0) for name, number in wants.items() if number > amounts.get(name, 0)
    }


def _most(one: Amounts, other: Amounts) -> dict[str, int]:
    return {
        name: max(one.get(name, 0), other.get(name, 0))
        for name in (*one, *(n for n in other if n not in one))
    }


def _least(one: Amounts, other: Amounts) -> dict[str, int]:
    return {name: min(number, other[name]) for name, number in one.items() if other.get(name)}
