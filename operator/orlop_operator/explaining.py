"""Where an Instance could be and why not elsewhere, made anew from objects by the code that decides it.

For whoever may read these objects: the command `orlop explain`, and tests. Nothing is written, and nothing is asked of
the operator, so it is right as far as the objects are: ADR 34.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from orlop_api.assignment import ASSIGNMENT_NAMESPACE
from orlop_api.boot import Boot
from orlop_api.condition import Truth
from orlop_api.instance import Instance
from orlop_operator.kinds import (
    AGGREGATE,
    ASSIGNMENT,
    FLAVOR,
    HYPERVISOR,
    IMAGE,
    INSTANCE,
    INSTANCE_GROUP,
    NETWORK,
    NODE,
    PORT,
    QUOTA,
    VOLUME,
    VOLUME_CLASS,
    VOLUME_SNAPSHOT,
    ConfigMap,
    Kind,
    M,
)
from orlop_operator.placements import Placements
from orlop_operator.protocol import AskScheduler, has_data
from orlop_operator.reconcile.effects import Question
from orlop_operator.reconcile.gather import Context, Look, instance_facts
from orlop_operator.reconcile.instance import boot, group, image, schedule, volumes
from orlop_operator.reconcile.instance.assign import decide
from orlop_operator.reconcile.instance.facts import Blocker, Facts
from orlop_operator.refusals import REMEMBERED, Refusals
from orlop_operator.reviews import Reviews
from orlop_operator.scheduling import (
    Placement,
    Request,
    Room,
    Row,
    Unplaceable,
    room,
    table,
)
from orlop_operator.scheduling.profiles import ProfilesError, of_config_map
from orlop_operator.store import Change, Key, Store

EVERYWHERE, OWN = "", None
NEEDED: tuple[tuple[Kind[Any], str | None], ...] = (
    (NODE, EVERYWHERE),
    (HYPERVISOR, EVERYWHERE),
    (ASSIGNMENT, ASSIGNMENT_NAMESPACE),
    (QUOTA, EVERYWHERE),
    (VOLUME, EVERYWHERE),
    (AGGREGATE, EVERYWHERE),
    (FLAVOR, EVERYWHERE),
    (VOLUME_CLASS, EVERYWHERE),
    (IMAGE, EVERYWHERE),
    (VOLUME_SNAPSHOT, OWN),
    (NETWORK, OWN),
    (PORT, OWN),
    (INSTANCE_GROUP, OWN),
    (INSTANCE, OWN),
)
"""What has to be read, and of which namespace: all, this one, or the Instance's own. Others' Assignments and Volumes,
which are as large as their Quotas let them be, are what is in use."""


@dataclass(frozen=True)
class Explanation:
    """One Instance among all hypervisors."""

    instance: Instance
    node: str | None
    """Where it is."""
    told: Mapping[str, str]
    """Condition to the sentence of each that is not True before Ready, as the operator wrote it last."""
    open: Mapping[str, str]
    """Likewise what is not there yet by these objects: the table is made without it."""
    request: Request
    rows: tuple[Row, ...]
    answer: Placement | Unplaceable


class Missing(Exception):  # noqa: N818 - an answer, in one sentence
    """What is asked about is not there."""


class _Granted(Reviews):
    """Rights are the authorizer's to say, and condition Authorized says them: here it is about the place."""

    def of(self, questions: tuple[Question, ...]) -> Mapping[Question, bool]:
        return dict.fromkeys(questions, True)


class Seen:
    """Objects as they were listed, in the operator's own store and World."""

    def __init__(self) -> None:
        self._store = Store(self._changed)
        self._placements = Placements(self._store)
        self._refusals = Refusals(lambda: 0.0)

    def learn(self, kind: Kind[M], things: Iterable[M]) -> None:
        """Take over a list; NEEDED says of which kinds, and in which order."""
        for thing in things:
            self._store.observe(kind, thing)

    def follow(self, profiles: ConfigMap) -> str:
        """Take over the scheduler's profiles; returns why they cannot be used, where that is so."""
        try:
            self._placements.profiles = of_config_map(profiles.data)
        except ProfilesError as error:
            return str(error)
        return ""

    def explain(self, namespace: str, name: str) -> Explanation:
        """The table of one Instance, as if it were placed now. Missing where it, or its Flavor, is not there."""
        facts = self._facts(namespace, name)
        meta, order = facts.instance.metadata, facts.assignment
        # What it has itself is in nobody's way.
        self._placements.world.drop(meta.uid)
        self._placements.world.occupy(meta.uid, None)
        wanted, missing = _request(facts)
        profile, status = self._placements.profiles.get(wanted.profile), facts.instance.status
        conditions = status.conditions if status is not None else []
        return Explanation(
            instance=facts.instance,
            node=order.spec.node_name if order is not None else None,
            told={c.type: c.message for c in conditions if c.status is not Truth.TRUE and c.type != "Ready"},
            open=missing,
            request=wanted,
            rows=table(wanted, self._placements.world, profile) if profile is not None else (),
            answer=self._placements.choose(wanted),
        )

    def capacity(self, instance: Instance) -> tuple[Room, ...]:
        """How many more like this one fit, and where. It need not exist. Missing, as before."""
        self._store.observe(INSTANCE, instance)
        wanted, missing = _request(self._facts(instance.metadata.namespace, instance.metadata.name))
        if instance.spec.boot.image_ref is not None and image.TYPE in missing:
            raise Missing(missing[image.TYPE])
        profile = self._placements.profiles.get(wanted.profile)
        if profile is None:
            raise Missing(f"scheduler profile {wanted.profile} does not exist")
        return room(wanted, self._placements.world, profile)

    def _facts(self, namespace: str, name: str) -> Facts:
        context = Context(self._store, self._placements, _Granted(lambda: 0.0))
        context.refused, context.failed = self._refusals.lately, self._refusals.ever
        facts = instance_facts(context, Key(INSTANCE.name, namespace, name), Look())
        if facts is None:
            raise Missing(f"Instance {namespace}/{name} does not exist")
        if facts.flavor is None:
            raise Missing(f"Flavor {facts.instance.spec.flavor_name} does not exist")
        return replace(facts, excluded={}) if _is_forgotten(facts) else facts

    def _changed(self, change: Change) -> None:
        self._placements.take_over(change)
        self._refusals.take_over(change)


def _request(facts: Facts) -> tuple[Request, Mapping[str, str]]:
    """What the scheduler is asked, and the conditions that would keep it from being asked."""
    # A Flavor may be asked about alone.
    found_image = boot.resolve(facts) if facts.instance.spec.boot != Boot() else None
    disks = volumes.resolve(facts)
    found = {image.TYPE: found_image, volumes.TYPE: disks, schedule.TYPE: group.blocker(facts)}
    missing = {kind: found.message for kind, found in found.items() if isinstance(found, Blocker)}
    wanted = schedule.request(
        facts,
        _asked(facts),
        None if isinstance(found_image, Blocker) else found_image,
        volumes.Disks() if isinstance(disks, Blocker) else disks,
    )
    return wanted, missing


def _is_forgotten(facts: Facts) -> bool:
    """Whether a refusal does not count any more: the Instance got no node since, and has said so for longer."""
    said = facts.say(schedule.TYPE)
    if said is None or said.status is not Truth.FALSE or not said.last_transition_time:
        return False
    since = datetime.fromisoformat(said.last_transition_time)
    return (facts.now - since).total_seconds() >= REMEMBERED


def _asked(facts: Facts) -> AskScheduler:
    """As the protocol would ask; of one that has its node, as it would once that gave it up."""
    step, order = decide(facts), facts.assignment
    if isinstance(step, AskScheduler):
        return step
    if order is not None and order.spec.node_name and has_data(order) and not boot.data_follows(facts):
        return AskScheduler(only=order.spec.node_name)
    return AskScheduler()
