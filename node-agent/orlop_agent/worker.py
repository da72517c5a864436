"""One Instance: look, plan, take a step, look again; never two at once for the same Instance."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import structlog

from orlop_agent import outcome, report, steps, trouble
from orlop_agent.api.errors import ConflictError
from orlop_agent.cache import Cache
from orlop_agent.execute import Executor, Services
from orlop_agent.failure import StepError
from orlop_agent.hypervisor import Domain, Ended, HypervisorError
from orlop_agent.journal import Record
from orlop_agent.ledger import slot_of
from orlop_agent.node import VirtualizationType
from orlop_agent.observed import Memory, Observed, said_created
from orlop_agent.plan import plan
from orlop_agent.protocol import Me
from orlop_agent.volume.drivers import Drivers
from orlop_api.assignment import Assignment, State

_SLOW = 3.0
"""Seconds after which a preparation is worth a word on the object; the operator holds phases back as long (ADR 9)."""
_PROGRESS = 10.0
"""Seconds between words on how far it is."""
_STEPS_AT_ONCE = 64
"""More steps than any way through the plan has: a round that takes more is broken off and tried later."""

_log = structlog.get_logger()


class Worker:
    """The one who works on an Instance."""

    def __init__(
        self,
        instance_uid: str,
        me: Me,
        virtualization_type: VirtualizationType,
        cache: Cache,
        services: Services,
        volumes: Drivers,
        prepared: Callable[[], None],
    ) -> None:
        self._uid = instance_uid
        self._me = me
        self._virtualization_type = virtualization_type
        self._cache = cache
        self._on = services
        self._volumes = volumes
        self._prepared = prepared
        self._executor = Executor(instance_uid, services)
        self._woken = asyncio.Event()
        self._failures = 0
        self._generation = 0
        self.memory = Memory()
        self.short_of_room = False
        self.domain: Domain | None = None
        """As it was seen last."""

    def wake(self) -> None:
        """Look again, soon."""
        self._woken.set()

    def ended(self, event: Ended) -> None:
        """The hypervisor says that the domain is gone, and why."""
        self.memory = replace(self.memory, ended=event.reason)
        self.wake()

    @property
    def idle(self) -> bool:
        """Whether nothing of the Instance is left to know."""
        return (
            not self._woken.is_set()
            and self.domain is None
            and self.memory.trouble is None
            and self._cache.get(self._uid) is None
            and self._uid not in self._on.journal.instances()
        )

    async def run(self) -> None:
        """Work until nothing of the Instance is left."""
        while True:
            self._woken.clear()
            until = await self._round()
            if until is None and self.idle:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(None if until is None else max(0.0, until - time.monotonic())):
                    await self._woken.wait()

    async def _round(self) -> float | None:
        """Take steps until there is nothing to do; returns when to look again without being woken."""
        try:
            self.domain = await self._on.hypervisor.lookup(self._uid)
        except HypervisorError as error:
            return await self._blind(error)
        assignment = self._cache.get(self._uid)
        await self._volumes.look(assignment.spec.volumes if assignment else ())
        for uid, failure in self._on.makings.failures(self._uid).items():
            self.memory = trouble.of_device(self._uid, steps.MakeDisk(uid), failure, self.memory)
        fresh = False
        for _ in range(_STEPS_AT_ONCE):
            try:
                observed = self._observe(fresh=fresh)
            except StepError as error:
                return await self._unreadable(error)
            step = plan(observed)
            if isinstance(step, steps.Wait):
                return self._rest(step.until)
            if isinstance(step, steps.Report) and not _news(step, observed):
                return self._rest(step.until)
            try:
                await self._take(step, observed)
            except ConflictError:
                # Somebody wrote meanwhile: read, and decide again.
                step = steps.Read()
                try:
                    await self._take(step, observed)
                except StepError as error:
                    return self._fail(step, error)
            except StepError as error:
                if isinstance(step, steps.DiskStep | steps.NicStep):
                    self.memory = trouble.of_device(self._uid, step, error, self.memory)
                else:
                    retry_at = self._fail(step, error)
                if isinstance(step, steps.Read | steps.Report | steps.AnswerFinal):
                    return retry_at
            if isinstance(step, steps.Read):
                fresh = True
            if isinstance(step, steps.TouchesDomain):
                try:
                    self.domain = await self._on.hypervisor.lookup(self._uid)
                except HypervisorError as error:
                    return await self._blind(error)
        _log.error("instance.restless", instance=self._uid, step=type(step).__name__)
        return time.monotonic() + _PROGRESS

    async def _take(self, step: steps.Step, observed: Observed) -> None:
        started = time.monotonic()
        self.memory = outcome.begun(step, self.memory)
        if isinstance(step, steps.Prepare):
            memory = await self._patiently(step, observed)
        else:
            memory = await self._executor.execute(step, observed)
        if memory is not None:
            self.memory = outcome.taken(step, memory, self.memory)
        _log.info(
            "instance.step",
            instance=self._uid,
            step=type(step).__name__,
            milliseconds=round((time.monotonic() - started) * 1000, 1),
        )

    async def _patiently(self, step: steps.Prepare, observed: Observed) -> Memory | None:
        """Prepare; tell how far it is when it takes long; give up when it is not wanted any more."""
        work = asyncio.create_task(self._executor.execute(step, observed))
        patience = _SLOW
        try:
            while True:
                woken = asyncio.create_task(self._woken.wait())
                done, _ = await asyncio.wait(
                    {work, woken}, timeout=patience, return_when=asyncio.FIRST_COMPLETED
                )
                woken.cancel()
                if work in done:
                    self._prepared()
                    return work.result()
                if woken in done:
                    self._woken.clear()
                    if not isinstance(plan(self._observe(fresh=False)), steps.Prepare):
                        return None
                else:
                    await self._tell_progress()
                    patience = _PROGRESS
        finally:
            work.cancel()
            with suppress(asyncio.CancelledError, StepError, ConflictError):
                await work

    async def _tell_progress(self) -> None:
        observed, attempt = self._observe(fresh=False), self._executor.attempt
        if observed.assignment is None or attempt is None:
            return
        conditions = attempt.conditions()
        first = conditions[0] if conditions else None
        status = report.status(
            observed,
            observed.assignment,
            State.PREPARING,
            reason=first.reason if first else "Preparing",
            message=first.message if first else "",
            conditions=conditions,
        )
        with suppress(StepError, ConflictError):  # a word on progress is worth no trouble
            await self._executor.execute(steps.Report(status), observed)

    def _observe(self, *, fresh: bool) -> Observed:
        """One look; StepError where the journal cannot be read."""
        return self._look(self._on.journal.read(self._uid), fresh=fresh)

    def _look(self, record: Record | None, *, fresh: bool) -> Observed:
        assignment = self._cache.get(self._uid)
        if assignment is not None and assignment.metadata.generation != self._generation:
            # Another order: what failed for the last one may work for this.
            self._generation = assignment.metadata.generation
            self._failures = 0
            self.memory = replace(self.memory, trouble=None)
        return Observed(
            now=time.monotonic(),
            me=self._me,
            virtualization_type=self._virtualization_type,
            assignment=assignment,
            fresh=fresh,
            record=record,
            domain=self.domain,
            memory=self.memory,
            has_root_disk=self._on.layout.root_disk(self._uid).exists(),
            created_volumes=self._made(assignment) if assignment else (),
            makings=self._on.makings.under_way(self._uid),
            no_room=self._shortage(assignment),
        )

    def _made(self, assignment: Assignment) -> tuple[str, ...]:
        """Volumes with data. What was said once stays said: data that is lost must not be made anew."""
        there = {*self._volumes.there(assignment.spec.volumes), *said_created(assignment)}
        return tuple(v.volume_uid for v in assignment.spec.volumes if v.volume_uid in there)

    def _shortage(self, assignment: Assignment | None) -> str | None:
        if assignment is None or self._on.ledger.holds(self._uid):
            self.short_of_room = False
            return None
        shortage = self._on.ledger.shortage(self._uid, slot_of(assignment))
        self.short_of_room = shortage is not None
        return shortage

    def _fail(self, step: steps.Step, error: StepError) -> float:
        """Remember what went wrong, for the status and for the next try; returns when that is."""
        self._failures += 1
        attempt = self._executor.attempt
        conditions = attempt.conditions() if isinstance(step, steps.Prepare) and attempt else ()
        self.memory, retry_at = trouble.of_instance(
            self._uid, step, error, self.memory, self._failures, conditions
        )
        return retry_at

    def _rest(self, until: float | None) -> float | None:
        """The next moment at which something is due by itself."""
        memory, now = self.memory, time.monotonic()
        known = memory.trouble
        if known is None or known.retry_at <= now:
            self._failures = 0
            self.memory = replace(memory, trouble=None)
        due = [until, known.retry_at if known else None]
        return min((moment for moment in due if moment is not None and moment > now), default=None)

    async def _blind(self, error: HypervisorError) -> float:
        """Without the hypervisor nothing is known of the domain, so nothing is done."""
        _log.warning("instance.hypervisor", instance=self._uid, error=str(error))
        assignment = self._cache.get(self._uid)
        retry_at = self._fail(
            steps.Wait(), StepError("HypervisorUnavailable", "libvirtd does not answer on this node")
        )
        if assignment is None or assignment.spec.node_name != self._me.node:
            return retry_at
        # A step is taken only if it is a word on the trouble, for which no journal is needed.
        observed = self._look(self._on.journal.peek(self._uid), fresh=False)
        last = assignment.status
        started = last is not None and last.epoch == assignment.spec.epoch and last.start_id is not None
        if not started:
            await self._tell_trouble(replace(observed, domain=None))
        return retry_at

    async def _unreadable(self, error: StepError) -> float:
        """With a damaged journal nothing is known of what may be done, so nothing is; it is only told."""
        self._look(None, fresh=False)  # an order that is new ends the trouble of the last, not this one
        retry_at = self._fail(steps.Wait(), error)
        await self._tell_trouble(self._look(None, fresh=False))
        return retry_at

    async def _tell_trouble(self, observed: Observed) -> None:
        step = plan(observed)
        if isinstance(step, steps.Report) and _news(step, observed):
            with suppress(StepError, ConflictError):
                await self._executor.execute(step, observed)


def _news(step: steps.Report, observed: Observed) -> bool:
    """Whether the status says something that was not said yet."""
    last = observed.assignment.status if observed.assignment else None
    return last is None or not report.same(step.status, last)
