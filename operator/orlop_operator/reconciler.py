"""The loop around the plans: facts from the store, a plan, its effects, and again until nothing is left."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import replace
from datetime import datetime

import structlog
from pydantic import ValidationError

from orlop_api.condition import is_true
from orlop_operator import errors
from orlop_operator.cluster import Cluster
from orlop_operator.garbage import Garbage
from orlop_operator.inside import Inside
from orlop_operator.instance_groups import look_at_instance_group
from orlop_operator.kinds import HYPERVISOR, IMAGE, INSTANCE, LEASE, NODE
from orlop_operator.leases import Pulse
from orlop_operator.node_trust import NodeTrust
from orlop_operator.placements import Placements
from orlop_operator.quotas import Quotas
from orlop_operator.reconcile.effects import Plan, planned
from orlop_operator.reconcile.execute import Executor, Learned
from orlop_operator.reconcile.gather import (
    Context,
    Look,
    hypervisor_facts,
    instance_facts,
    network_facts,
    port_facts,
)
from orlop_operator.reconcile.gather_floating import look_at_floating_ip
from orlop_operator.reconcile.gather_image import image_facts
from orlop_operator.reconcile.gather_volume import snapshot_facts, volume_facts
from orlop_operator.reconcile.hypervisor import LAPSE, is_leaving, plan_hypervisor
from orlop_operator.reconcile.image import plan_image
from orlop_operator.reconcile.instance.plan import plan_instance
from orlop_operator.reconcile.looks import PLANS
from orlop_operator.reconcile.network import plan_network
from orlop_operator.reconcile.port import plan_port
from orlop_operator.reconcile.snapshot import plan_snapshot
from orlop_operator.reconcile.source import published
from orlop_operator.reconcile.volume import plan_volume
from orlop_operator.recorder import Recorder
from orlop_operator.refusals import Refusals
from orlop_operator.reviews import Reviews
from orlop_operator.scheduling import Profiles
from orlop_operator.store import Change, Key, Store
from orlop_operator.waiting import Waiting
from orlop_operator.wakes import is_of_others, wakes
from orlop_operator.workqueue import WorkQueue

PASSES = 20
"""Looks in a row at one object, each after effects, before others get their turn."""

log = structlog.get_logger()

_looking_at: ContextVar[Key | None] = ContextVar("looking_at", default=None)
"""Our own writes do not wake the object that they are made for: its loop looks again by itself."""


class Reconciler:
    """Looks at keys; owns everything that is remembered between looks."""

    def __init__(self, cluster: Cluster, recorder: Recorder, store: Store, queue: WorkQueue[Key]) -> None:
        clock = asyncio.get_running_loop().time
        self._cluster = cluster
        self._store = store
        self._queue = queue
        self._pulse = Pulse(clock)
        self._refusals = Refusals(clock)
        self.reviews = reviews = Reviews(clock)
        self._executor = Executor(cluster, store, reviews, recorder)
        self._trust = NodeTrust(cluster, clock)
        self._inside = Inside(cluster, clock)
        self._context = Context(
            store, Placements(store), reviews, self._executor.claimed, self._trust.certify
        )
        self._context.refused, self._context.failed = self._refusals.lately, self._refusals.ever
        self._garbage = Garbage(cluster, store)
        self._quotas = Quotas(self._context, self._garbage, queue)
        self._unplaced: set[Key] = set()
        self._waiting = Waiting(clock)
        self._looks: dict[str, Callable[[Key], Awaitable[None]]] = {
            "Instance": self._instance,
            "FloatingIP": lambda key: self._run(key, lambda _: look_at_floating_ip(self._context, key)),
            "Image": self._image,
            "InstanceGroup": lambda key: look_at_instance_group(self._context, self._garbage, key, self._run),
            "Network": lambda key: self._run(
                key, lambda _: planned(network_facts(self._context, key), plan_network)
            ),
            "Port": self._port,
            "Quota": lambda key: self._quotas.look(key, self._run),
            "Volume": self._volume,
            "VolumeSnapshot": self._snapshot,
            "Hypervisor": self._hypervisor,
            "Assignment": self._assignment,
            "Claim": self._claim,
            **dict.fromkeys(PLANS, self._plain),
        }

    def observe(self, change: Change) -> None:
        """The store's listener: remember what follows from the change, and wake whom it concerns."""
        self._refusals.take_over(change)
        for key in wakes(change, self._store):
            if key != _looking_at.get() and key.kind in self._looks:
                self._queue.add(key)
        if self._pulse.take_over(change):
            self._heard(change.key.name)
        if self._context.placements.take_over(change):
            for key in self._unplaced:
                self._queue.add(key)
        if change.kind == HYPERVISOR.name:
            self._follow_readiness(change)
            for key in self._waiting.called(change):
                self._queue.add(key)
        self._inside.take_over(change)

    def use(self, profiles: Profiles) -> None:
        """Decide by these from now on; who found no place may find one."""
        self._context.placements.profiles = profiles
        for key in self._unplaced:
            self._queue.add(key)

    async def look(self, key: Key) -> None:
        """Bring one object as far as it gets now; raises where another try may help."""
        token = _looking_at.set(key)
        try:
            await self._looks[key.kind](key)
        finally:
            _looking_at.reset(token)

    def everything(self) -> None:
        """Wake all that has a plan, and check all Claims: at the start and every few minutes."""
        for key in self._store.everything():
            if key.kind in self._looks and not is_of_others(self._store, key):
                self._queue.add(key)
            elif key.kind == NODE.name:
                self._queue.add(Key(HYPERVISOR.name, "", key.name))

    async def sweep(self, now: datetime) -> None:
        """What no event tells: copies that nobody wants, and what is remembered of Images that are gone."""
        await self._garbage.sweep_secrets(now)
        await self._garbage.sweep_slices()
        self._waiting.forget({image.metadata.uid for image in self._store.all(IMAGE)})

    def _heard(self, node: str) -> None:
        host = self._store.get(HYPERVISOR, "", node)
        if host is not None and not (host.status and is_true(host.status.conditions, "Ready")):
            self._queue.add(Key(HYPERVISOR.name, "", node))

    def _follow_readiness(self, change: Change) -> None:
        """Guests' conditions follow their node's; Images may wait for any node."""
        if _readiness(change.old) == _readiness(change.new):
            return
        for assignment in self._store.assignments_on(change.key.name):
            identity = assignment.spec.instance
            self._queue.add(Key(INSTANCE.name, identity.namespace, identity.name))
        for image in self._store.all(IMAGE):
            settled = image.status is not None and image.status.digest is not None
            if not settled or image.spec.pre_pull is not None or published(image):
                self._queue.add(Key(IMAGE.name, image.metadata.namespace, image.metadata.name))

    async def _run(self, key: Key, plan: Callable[[Learned], Plan | None]) -> None:
        """Plan, act, and again."""
        learned = Learned()
        for _ in range(PASSES):
            made = plan(learned)
            if made is None:
                return
            learned.surprised = False
            reserved = self._executor.reserve(made.effects)
            try:
                await self._executor.carry_out(made.effects, learned)
            finally:
                self._executor.release(reserved)
            if not made.effects or (made.final and not learned.surprised):
                if made.again_after is not None:
                    self._queue.add(key, made.again_after)
                return
        raise errors.UnsettledError(f"{key.kind} {key.namespace}/{key.name} wants more after {PASSES} looks")

    async def _instance(self, key: Key) -> None:
        chosen: str | None = None
        held: set[str] = set()  # Another Instance may get the name between two passes.

        def plan(learned: Learned) -> Plan | None:
            nonlocal chosen
            facts = instance_facts(self._context, key, Look(learned.secrets, learned.read, chosen))
            if facts is None:
                self._unplaced.discard(key)
                return None
            made = plan_instance(facts)
            (self._unplaced.add if made.unplaced else self._unplaced.discard)(key)
            if made.chosen is not None and made.wanted is not None:
                chosen = made.chosen
                held.add(facts.instance.metadata.uid)
                self._context.placements.hold(facts.instance.metadata.uid, made.chosen, made.wanted)
            return made

        try:
            await self._run(key, plan)
        finally:
            for uid in held:
                self._context.placements.settle(uid)

    async def _image(self, key: Key) -> None:
        waits = False

        def plan(learned: Learned) -> Plan | None:
            nonlocal waits
            waits = False
            facts = image_facts(self._context, key, Look(learned.secrets), self._waiting.failed_for)
            if facts is None:
                return None
            made = plan_image(facts)
            waits = made.waits
            return made

        await self._run(key, plan)
        if waits:
            self._waiting.stand(key)
        elif (following := self._waiting.leave(key)) is not None:
            self._queue.add(following)

    async def _port(self, key: Key) -> None:
        gone = await self._garbage.port_is_forsaken(key)
        await self._run(key, lambda _: planned(port_facts(self._context, key, user_is_gone=gone), plan_port))

    async def _volume(self, key: Key) -> None:
        gone = await self._garbage.forsakers(key)

        def plan(learned: Learned) -> Plan | None:
            facts = volume_facts(self._context, key, gone=gone)
            return plan_volume(replace(facts, secrets=learned.secrets)) if facts is not None else None

        await self._run(key, plan)

    async def _snapshot(self, key: Key) -> None:
        def plan(learned: Learned) -> Plan | None:
            facts = snapshot_facts(self._context, key)
            return plan_snapshot(replace(facts, secrets=learned.secrets)) if facts is not None else None

        await self._run(key, plan)

    async def _hypervisor(self, key: Key) -> None:
        silent = self._pulse.silent_for(key.name)
        if silent is not None and silent >= LAPSE:
            # Before a node is called lost, the Lease itself is read: our watch may be what is late.
            await self._garbage.read(LEASE, "orlop-nodes", key.name)
        if is_leaving(hypervisor_facts(self._context, key, silent)):
            await self._garbage.look_for_guests(key.name)
        await self._trust.check()
        await self._inside.check(self._store.all(NODE))
        silence = self._pulse.silent_for
        await self._run(
            key, lambda _: plan_hypervisor(hypervisor_facts(self._context, key, silence(key.name)))
        )

    async def _assignment(self, key: Key) -> None:
        await self._once(key, await self._garbage.plan_assignment(key))

    async def _claim(self, key: Key) -> None:
        await self._once(key, await self._garbage.plan_claim(key, self._context.now()))

    async def _plain(self, key: Key) -> None:
        await self._run(key, lambda _: PLANS[key.kind](self._store, key, self._context.now()))

    async def _once(self, key: Key, plan: Plan) -> None:
        await self._executor.carry_out(plan.effects, Learned())
        if plan.again_after is not None:
            self._queue.add(key, plan.again_after)

    async def work(self) -> None:
        """One worker: keys, one after the other, until cancelled."""
        while True:
            key = await self._queue.take()
            try:
                await self.look(key)
            except asyncio.CancelledError:
                self._queue.done(key)
                raise
            except (errors.ApiError, ValidationError, errors.UnsettledError) as error:
                delay = self._queue.failed(key)
                log.warning("look failed", key=key, error=str(error), retry_seconds=round(delay, 1))
            except Exception:
                # A bug must not end the worker: the object is tried again, and the log says where it is.
                delay = self._queue.failed(key)
                log.exception("look broke", key=key, retry_seconds=round(delay, 1))
            else:
                self._queue.done(key)


def _readiness(thing: object) -> tuple[str, str] | None:
    status = getattr(thing, "status", None)
    ready = next((c for c in status.conditions if c.type == "Ready"), None) if status is not None else None
    return (ready.status, ready.reason) if ready is not None else None
