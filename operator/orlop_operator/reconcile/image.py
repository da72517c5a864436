"""Image: imported once by one node, then pinned by digest for good. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from orlop_api.assigned_image import AssignedImage
from orlop_api.condition import Condition, find, is_true
from orlop_api.hypervisor import Hypervisor, ImportOrder, ImportReport, ImportState
from orlop_api.image import Image, ImageStatus
from orlop_operator.kinds import IMAGE
from orlop_operator.reconcile import publish, refresh
from orlop_operator.reconcile.conditions import differs, false, kstatus, settled, true
from orlop_operator.reconcile.counting import EXCEEDED, UNLIMITED, Standing
from orlop_operator.reconcile.effects import Ask, Body, CopySecret, Effect, Plan, Report
from orlop_operator.reconcile.imports import (
    Logins,
    answer_to,
    imports,
    login,
    new_order,
    ordered_from,
    pins,
    retry_delay,
    timed,
    withdraw,
)
from orlop_operator.reconcile.instance.facts import Blocker
from orlop_operator.reconcile.instance.image import assigned
from orlop_operator.reconcile.prepull import Nodes, keeps, plan_prepull
from orlop_operator.reconcile.rights import AUTHORIZED, authorized, may_log_in, may_publish
from orlop_operator.reconcile.slots import LONGEST, chosen, slot, usable
from orlop_operator.reconcile.source import published

LOGIN_AGAIN = 30.0
"""Seconds until a Secret that was not there is looked for again: its users' Secrets are not watched."""
_PINS = frozenset(
    {"digest", "contentDigest", "kernelDigest", "initrdDigest", "format", "sizeBytes", "virtualSizeBytes"}
)
"""Fields of the status that say what the Image is."""
NOBODY_AGAIN = 60.0
"""Seconds after which a node is looked for again that could look at the source."""


@dataclass(frozen=True)
class ImageFacts:
    """The Image and the nodes that may import it."""

    image: Image
    now: datetime
    hypervisors: Collection[Hypervisor] = ()
    nodes: Nodes = field(default_factory=Nodes)
    """What pre-pulls depend on."""
    failed_for: Mapping[int, float] = field(default_factory=dict)
    """Seconds since the failure of each generation of the order was first seen."""
    logins: Logins = field(default_factory=Logins)
    held: int = 0
    """Imports that nodes have of its namespace."""
    origin: publish.Holdings = field(default_factory=publish.Holdings)
    """What it is published from."""
    standing: Standing = UNLIMITED
    """With the Quota of its namespace."""


@dataclass(frozen=True)
class ImagePlan(Plan):
    """A plan, and whether it waits for a node to have fewer imports."""

    waits: bool = False


def plan_image(facts: ImageFacts) -> ImagePlan:
    """What this Image wants now."""
    made = _plan(facts)
    return made if isinstance(made, ImagePlan) else ImagePlan(made.effects, made.again_after, made.final)


def _plan(facts: ImageFacts) -> Plan:
    image = facts.image
    if image.metadata.deleting:
        return Plan()
    ordered = ordered_from(image, facts.hypervisors)
    if image.status is not None and image.status.digest is not None:
        return _pinned(facts, image.status, ordered)
    if image.status is not None and _stalled(image):
        # The Image says what the import said, so the order has served.
        return Plan(withdraw(ordered[0], image)) if ordered else _restated(facts, image.status, {})
    if not ordered:
        return _order(facts)
    host = ordered[0]
    order = next(o for o in host.spec.imports if o.image_uid == image.metadata.uid)
    report = answer_to(host, order)
    if report is not None and report.state is ImportState.READY:
        return _done(facts, host, report)
    if published(image) and not publish.still(image, facts.origin, facts.hypervisors, host, order):
        return Plan(withdraw(host, image))
    if report is None or report.state is ImportState.PULLING:
        if not usable(host):
            return _elsewhere(facts, host)
        return _told(facts, _importing(facts, host, report), report)
    if report.retry == "Useless":
        message = f"{report.message or report.reason}; not tried again: create another Image for another file"
        return _told(facts, false("Ready", report.reason or "ImportFailed", message), report, stalled=True)
    return _retry(facts, host, order, report)


def _done(facts: ImageFacts, host: Hypervisor, report: ImportReport) -> Plan:
    if published(facts.image):
        ready = true("Ready", "Published", f"made of {publish.called(facts.image)}, and pinned")
        return _told(facts, ready, report, keeper=host.metadata.name)
    return _told(facts, true("Ready", "Imported", "fetched, verified and pinned"), report)


def _pinned(facts: ImageFacts, status: ImageStatus, ordered: list[Hypervisor]) -> Plan:
    """It stays Ready, whatever its source does. Nodes may have it early, and it may follow its source."""
    image, pinned = facts.image, assigned(facts.image)
    effects: list[Effect] = []
    fields: Body = {}
    right = may_log_in(image, facts.logins.answers)
    if isinstance(right, Ask):
        return Plan((right,))
    if isinstance(pinned, AssignedImage):
        pulled = plan_prepull(image, pinned, facts.nodes)
        effects += pulled.effects
        fields |= {"prePull": pulled.status.wire()} if pulled.status is not None else {}
    condition: Condition | None = find(status.conditions, refresh.TYPE)
    again, waits = refresh.due_in(image, facts.now), False
    if ordered:
        again = None
        host = ordered[0]
        order = next(o for o in host.spec.imports if o.image_uid == image.metadata.uid)
        report = answer_to(host, order)
        under_way = report is None or report.state is ImportState.PULLING
        if published(image):
            # The order keeps the file until another one does.
            effects += withdraw(host, image) if keeps(host, image) else ()
        elif refresh.told(image, order) or (under_way and not usable(host)):
            effects += withdraw(host, image)
        elif report is not None and not under_way:
            changed, condition = refresh.outcome(status, report, pins(report), facts.now)
            fields |= changed
    elif again is not None and again <= 0:
        found, again = slot(facts.hypervisors, image.metadata.namespace, facts.held), NOBODY_AGAIN
        if isinstance(found, Condition):
            condition = false(refresh.TYPE, found.reason, f"{found.message}; the Image stays as it is")
            waits = True
        else:
            match login(image, found, facts.logins):
                case Blocker(reason=reason, message=message):
                    condition = false(refresh.TYPE, reason, f"{message}; the Image stays as it is")
                    again = LOGIN_AGAIN
                case (Ask() | CopySecret()) as first:
                    return Plan((first,))
                case None:
                    asked = new_order(image, found)
                    asked = asked.model_copy(update={"generation": refresh.generation(facts.now)})
                    effects.append(imports(found, [*found.spec.imports, asked]))
    own = (
        condition if image.spec.refresh is not None else None,
        authorized(image, right),
        publish.kept(image, facts.hypervisors),
    )
    said = _restated(facts, status, fields, *own)
    if right is not None:
        again = min(LOGIN_AGAIN, again if again is not None else LOGIN_AGAIN)
    return ImagePlan((*effects, *said.effects), again, waits=waits)


def _restated(facts: ImageFacts, status: ImageStatus, fields: Body, *own: Condition | None) -> Plan:
    """The status as it is but for these fields and conditions, about the spec as it is now."""
    image, ours = facts.image, {refresh.TYPE, AUTHORIZED, publish.TYPE}
    conditions = [*(c for c in status.conditions if c.type not in ours), *filter(None, own)]
    generation, old = image.metadata.generation, status.wire()
    dropped = {"prePull", "progress"} | ({"refresh"} if image.spec.refresh is None else set())
    if "digest" in fields:
        dropped |= _PINS  # what is new may lack what was there before
    made = settled(status.conditions, conditions, generation, facts.now)
    new = {name: value for name, value in old.items() if name not in dropped} | fields
    new |= {"observedGeneration": generation, "conditions": [c.wire() for c in made]}
    return Plan((Report(IMAGE, image, new),)) if differs(old, new) else Plan()


def _retry(facts: ImageFacts, host: Hypervisor, order: ImportOrder, report: ImportReport) -> Plan:
    wait = retry_delay(order.generation) - facts.failed_for.get(order.generation, 0.0)
    if wait <= 0:
        right = (may_publish if published(facts.image) else may_log_in)(facts.image, facts.logins.answers)
        if isinstance(right, Ask):
            return Plan((right,))
        if isinstance(right, Blocker):
            # Without the right to it no node keeps the login; a failure is counted anew once it is there again.
            return Plan(withdraw(host, facts.image))
        waits = _waits(facts, host)
        if waits is not None:
            return waits
        again = order.model_copy(update={"generation": order.generation + 1})
        kept = [again if o.image_uid == order.image_uid else o for o in host.spec.imports]
        return Plan((imports(host, kept),))
    message = f"{report.message or report.reason}; tried again every {retry_delay(order.generation):.0f} s"
    told = _told(facts, false("Ready", report.reason or "ImportFailed", message), report)
    return Plan(told.effects, again_after=wait)


def _stalled(image: Image) -> bool:
    return image.status is not None and is_true(image.status.conditions, "Stalled")


def _order(facts: ImageFacts) -> Plan:
    image, stands = facts.image, facts.standing
    if not stands.reserved:
        return _told(facts, false("Ready", EXCEEDED, stands.why), None) if stands.why else Plan()
    host = slot(facts.hypervisors, image.metadata.namespace, facts.held)
    if published(image):
        return _make(facts, host)
    if isinstance(host, Condition):
        return ImagePlan(_told(facts, host, None).effects, waits=True)
    waits = _waits(facts, host)
    if waits is not None:
        return waits
    return Plan((imports(host, [*host.spec.imports, new_order(image, host)]),))


def _make(facts: ImageFacts, room: Hypervisor | Condition) -> Plan:
    """Have the node make the file that has what it is made of."""
    match may_publish(facts.image, facts.logins.answers):
        case Ask() as first:
            return Plan((first,))
        case Blocker(reason=reason, message=message):
            told = _told(facts, false("Ready", reason, message), None)
            return Plan(told.effects, again_after=LOGIN_AGAIN, final=True)
        case None:
            pass
    match publish.find(facts.image, facts.origin, facts.hypervisors):
        case Blocker(reason=reason, message=message):
            return _told(facts, false("Ready", reason, message), None, stalled=reason in publish.NEVER)
        case publish.Found(host=host, origin=origin):
            if len(host.spec.imports) >= LONGEST:
                full = f"{host.metadata.name} has {LONGEST} imports already; it waits for one of them to end"
                # In the line of its namespace it would stand before others, whose nodes may have room.
                told = _told(facts, false("Ready", "ImportsFull", full), None)
                return Plan(told.effects, again_after=NOBODY_AGAIN)
            if isinstance(room, Condition):
                return ImagePlan(_told(facts, room, None).effects, waits=True)
            order = timed(new_order(facts.image, host, origin), facts.now)
            return Plan((imports(host, [*host.spec.imports, order]),))


def _waits(facts: ImageFacts, host: Hypervisor) -> Plan | None:
    """What comes before an order: the login where the node reads it. None when it is there, or none is needed."""
    match login(facts.image, host, facts.logins):
        case Blocker(reason=reason, message=message):
            told = _told(facts, false("Ready", reason, message), None)
            return Plan(told.effects, again_after=LOGIN_AGAIN, final=True)
        case (Ask() | CopySecret()) as first:
            return Plan((first,))
        case None:
            return None


def _elsewhere(facts: ImageFacts, host: Hypervisor) -> Plan:
    """The node is lost: take the order back there, so that another node gets it."""
    if chosen(facts.hypervisors, avoid=host.metadata.name) is None:
        message = f"{host.metadata.name}, which fetches it, is not heard of, and no other hypervisor is Ready"
        return _told(facts, false("Ready", "NodeUnreachable", message), None)
    return Plan(withdraw(host, facts.image))


def _importing(facts: ImageFacts, host: Hypervisor, report: ImportReport | None) -> Condition:
    progress = report.progress if report is not None else None
    told = f": {progress.told()}" if progress is not None else ""
    does = f"makes it of {publish.called(facts.image)}" if published(facts.image) else "fetches it"
    return false("Ready", "Importing", f"{host.metadata.name} {does}{told}")


def _told(
    facts: ImageFacts,
    ready: Condition,
    report: ImportReport | None,
    *,
    stalled: bool = False,
    keeper: str | None = None,
) -> Plan:
    image, generation, old = facts.image, facts.image.metadata.generation, facts.image.status
    wanted = [*kstatus(ready, stalled=stalled), *facts.standing.conditions]
    conditions = settled(old.conditions if old else [], wanted, generation, facts.now)
    status: Body = {"observedGeneration": generation, "conditions": [c.wire() for c in conditions]}
    if ready.status != "True":
        status["message"] = ready.message
    if report is not None and report.state is ImportState.READY:
        status |= pins(report) | ({"nodeName": keeper} if keeper is not None else {})
        if image.spec.refresh is not None:
            changed, condition = refresh.outcome(ImageStatus(), report, pins(report), facts.now)
            status |= changed
            status["conditions"] += [c.wire() for c in settled((), (condition,), generation, facts.now)]
    elif report is not None and report.progress is not None and report.state is ImportState.PULLING:
        status["progress"] = report.progress.wire()
    if not differs(old.wire() if old else None, status):
        return Plan()
    return Plan((Report(IMAGE, image, status),))
