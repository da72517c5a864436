"""One of two replicas that take themselves for the leader; its looks are cut into their single writes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from orlop_api.assignment import ASSIGNMENT_NAMESPACE
from orlop_api.hypervisor import Hypervisor
from orlop_operator.kinds import ASSIGNMENT, QUOTA, Kind
from orlop_operator.placements import Placements
from orlop_operator.protocol import DeleteAssignment, Facts, Seen, SetDesired, decide, may_bind
from orlop_operator.reconcile.counting import KINDS as COUNTED_KINDS
from orlop_operator.reconcile.effects import (
    Bind,
    Create,
    Delete,
    DropFinalizer,
    Inform,
    InOrder,
    Patch,
    Plan,
    Report,
    planned,
)
from orlop_operator.reconcile.gather import Context, Look, instance_facts
from orlop_operator.reconcile.gather_quota import quota_facts
from orlop_operator.reconcile.gather_volume import snapshot_facts, volume_facts
from orlop_operator.reconcile.instance.assign import fact
from orlop_operator.reconcile.instance.facts import Facts as InstanceFacts
from orlop_operator.reconcile.instance.plan import plan_instance
from orlop_operator.reconcile.quota import plan_quota
from orlop_operator.reconcile.snapshot import plan_snapshot
from orlop_operator.reconcile.volume import plan_volume
from orlop_operator.reviews import Reviews
from orlop_operator.scheduling import Placement
from orlop_operator.store import Key, Store
from support.racing import KINDS, NOW, Body, Place, World

COUNTED = {"Instance", *(kind.name for kind in COUNTED_KINDS)}
QUOTA_KEY = Key("Quota", "demo", "default")
HOST = Hypervisor.model_validate({"metadata": {"name": "node"}, "spec": {}, "status": {"poolID": "pool"}})


class _Yes(dict[Any, bool]):
    """An authorizer that allows everything."""

    def __contains__(self, _: object) -> bool:
        return True

    def __getitem__(self, _: object) -> bool:
        return True

    def get(self, *_: Any) -> bool:  # type: ignore[override]
        return True


class Operator:
    """One replica that takes itself for the leader, as the other one does."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._seen = dict.fromkeys(KINDS, 0)
        self._store = Store()
        self.context = Context(self._store, Placements(self._store), Reviews(lambda: 0.0))
        self.context.now = lambda: NOW  # type: ignore[method-assign]

    def hear(self, kind: str, most: int = 1) -> None:
        """The next changes of one kind arrive."""
        while most and self._seen[kind] < len(self._world.log):
            place, body, uid = self._world.log[self._seen[kind]]
            self._seen[kind] += 1
            if place[0] == kind:
                most -= 1
                self._learn(place, body, uid)

    def _learn(self, place: Place, body: Body | None, uid: str) -> None:
        kind: Kind[Any] = KINDS[place[0]]
        if body is None:
            self._store.remove(kind, place[1], place[2], uid)
        else:
            self._store.observe(kind, kind.parse(body))

    def _read(self, place: Place) -> Any:
        """Uncached."""
        kind: Kind[Any] = KINDS[place[0]]
        known = self._store.get(kind, place[1], place[2])
        body = self._world.objects.get(place)
        if body is None:
            if known is not None:
                self._store.remove(kind, place[1], place[2], known.metadata.uid)
            return None
        self._learn(place, body, "")
        return kind.parse(body)

    def quota_look(self) -> Iterator[None]:
        quota = self._store.get(QUOTA, "demo", "default")
        if quota is None:
            return
        missing = [uid for uid in quota.holds if self._store.by_uid(uid) is None]
        yield
        if any(not self._store.is_dead(uid) for uid in missing):
            for place in [place for place in self._world.objects if place[0] in COUNTED]:
                self._read(place)
            missing = [uid for uid in missing if self._store.by_uid(uid) is None]
        yield
        gone = {uid for uid in missing if self._read(("Assignment", ASSIGNMENT_NAMESPACE, uid)) is None}
        facts = quota_facts(self._store, QUOTA_KEY, NOW, gone)
        assert facts is not None
        made = plan_quota(facts)
        for effect in made.effects:
            yield
            self._do(effect, set())
        self.context.verdicts.say("demo", made.refusals)

    def volume_look(self, name: str) -> Iterator[None]:
        """As `Reconciler._volume`."""
        key = Key("Volume", "demo", name)
        yield from self._looks(lambda: planned(volume_facts(self.context, key, gone=()), plan_volume))

    def snapshot_look(self, name: str) -> Iterator[None]:
        """As `Reconciler._snapshot`."""
        key = Key("VolumeSnapshot", "demo", name)
        yield from self._looks(lambda: planned(snapshot_facts(self.context, key), plan_snapshot))

    def _looks(self, plan: Callable[[], Plan | None]) -> Iterator[None]:
        for _ in range(8):
            made = plan()
            for effect in made.effects if made is not None else ():
                yield
                self._do(effect, set())
            if made is None or not made.effects or made.final:
                return

    def order_look(self, place: Place) -> Iterator[None]:
        """As `Garbage.plan_assignment`: the end of an order whose Instance is gone."""
        order = self._store.get(ASSIGNMENT, place[1], place[2])
        if order is None or self._store.by_uid(place[2]) is not None:
            return
        instance = self._read(("Instance", "demo", order.spec.instance.name))
        yield
        if instance is not None and instance.metadata.uid == place[2]:
            return
        match decide(Facts(Seen(None, uncached=True), Seen(order))):
            case SetDesired(desired):
                self._do(Patch(ASSIGNMENT, order, {"spec": {"desired": desired.value}}), set())
            case DeleteAssignment():
                self._do(Delete(ASSIGNMENT, order, unchanged=True), set())
            case _:
                return

    def instance_look(self, name: str) -> Iterator[None]:
        read: set[Place] = set()
        chosen: str | None = None
        for _ in range(8):
            facts = instance_facts(self.context, Key("Instance", "demo", name), Look({}, read, chosen))
            if facts is None:
                return
            made = plan_instance(self._choosing(facts))
            chosen = made.chosen or chosen
            for effect in made.effects:
                yield
                if isinstance(effect, Bind):
                    place = ("Instance", effect.instance_namespace, effect.instance_name)
                    instance = self._read(place)
                    yield
                    if instance is not None and may_bind(fact(instance), effect.assignment):
                        self._do(Patch(ASSIGNMENT, effect.assignment, effect.change), read)
                else:
                    self._do(effect, read)
            if not made.effects or made.final:
                return

    def _choosing(self, facts: InstanceFacts) -> InstanceFacts:
        """With an authorizer that allows everything, and one node."""
        return replace(facts, answers=_Yes(), place=lambda _: Placement("node"), hypervisor=lambda _: HOST)

    def _do(self, effect: Any, read: set[Place]) -> None:
        match effect:
            case Create(kind, body, namespace):
                place = (kind.name, namespace, body["metadata"]["name"])
                self._world.create(kind.name, body)
            case Patch(kind, seen, change, subresource):
                place = (kind.name, seen.metadata.namespace, seen.metadata.name)
                self._world.write(place, change, seen=_body(seen), status=subresource == "status")
            case Report(kind, seen, status):
                place = (kind.name, seen.metadata.namespace, seen.metadata.name)
                there = self._world.objects.get(place)
                if there is not None and there["metadata"]["uid"] == seen.metadata.uid:
                    self._world.write(place, {"status": status}, status=True)
            case Delete(kind, seen):
                place = (kind.name, seen.metadata.namespace, seen.metadata.name)
                self._world.delete(place, _body(seen))
            case DropFinalizer(kind, seen):
                place = (kind.name, seen.metadata.namespace, seen.metadata.name)
                if self._world.write(place, {"metadata": {"finalizers": []}}, seen=_body(seen)):
                    self._world.delete(place)
            case InOrder(effects):
                for one in effects:
                    self._do(one, read)
                return
            case Inform(kind, namespace, name):
                place = (kind.name, namespace, name)
            case _:
                return
        self._read(place)
        read.add(place)


def _body(seen: Any) -> Body:
    return {"metadata": {"uid": seen.metadata.uid, "resourceVersion": seen.metadata.resource_version}}
